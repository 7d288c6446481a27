"""Loopback ports into clusters that run elsewhere, by `kubectl port-forward`, started again whenever it ends.

kubectl forwards to one pod and ends with it, so this suits trying things out; measurements of lost requests need the
embedded cluster, whose forwarding goes through the Service.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

from cluster.errors import NotRunning
from cluster.namespaces import bound_to_parent

START_TIMEOUT = 30.0
"""Seconds until kubectl says on which port it listens."""


class PortForward:
    """One `kubectl port-forward` that is kept running."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], listen: int) -> None:
        self._command = list(command)
        self._env = dict(env)
        self._closed = threading.Event()
        self._known = threading.Event()
        self._words = ""
        self._process: subprocess.Popen[str] | None = None
        self.port = listen
        self._thread = threading.Thread(target=self._run, daemon=True, name="port-forward")
        self._thread.start()
        if not self._known.wait(START_TIMEOUT):
            self.close()
            raise NotRunning(f"kubectl could not forward a port: {self._words.strip() or 'it said nothing'}")

    def _run(self) -> None:
        target, ports = self._command[:-1], self._command[-1]
        while not self._closed.is_set():
            process = subprocess.Popen(
                bound_to_parent([*target, f"{self.port or ''}:{ports}"]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._env,
                text=True,
            )
            self._process = process
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.match(r"Forwarding from 127\.0\.0\.1:(\d+)", line):
                    self.port = int(found[1])
                    self._known.set()
                elif not self._known.is_set():
                    self._words = line
            process.wait()
            time.sleep(0.2)

    def close(self) -> None:
        """Stop forwarding."""
        self._closed.set()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
