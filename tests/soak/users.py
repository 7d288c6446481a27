"""Starts and ends the load generator inside the cluster's network namespace.

There it talks to the gateway's Service as a neighbour does. From outside every byte would pass through the kit's
forwarder, a Python process that also carries all kubectl traffic: it would take as much CPU again as the sender, and its
own stalls would be counted as the gateway's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from cluster import Cluster
from cluster.parts import GATEWAY
from soak.tally import Tally, TallyFile

START_SECONDS = 30.0
END_SECONDS = 60.0


class UsersError(Exception):
    """The load generator did not start, or ended by itself."""


class Users:
    """Sends from enter to exit."""

    def __init__(self, cluster: Cluster, hosts: tuple[str, ...], rate: float) -> None:
        self._cluster = cluster
        self._hosts = hosts
        self._rate = rate
        self._words = ""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="steersman-soak-")
        control, output = Path(self._folder.name, "control"), Path(self._folder.name, "seen.jsonl")
        os.mkfifo(control)
        # Reading and writing, so that opening does not wait for the reader; the reader sees the end when this process ends.
        self._control: int | None = os.open(control, os.O_RDWR)
        self._file = TallyFile(output)
        self._thread = threading.Thread(target=self._run, args=(self._command(control, output),), name="users")
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self.read().began:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self._close()
                raise UsersError(f"The load generator did not start: {self._words or 'it said nothing'}")
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def read(self) -> Tally:
        """What is known of the requests so far."""
        return self._file.read()

    def check(self) -> None:
        """UsersError when the generator is not running any more."""
        if not self._thread.is_alive():
            raise UsersError(f"The load generator ended by itself: {self._words or 'it said nothing'}")

    def end(self) -> Tally:
        """Stop sending, wait for all answers, and return everything. UsersError when the generator's sums are missing."""
        self.check()
        self._stop()
        tally = self.read()
        if tally.end is None:
            raise UsersError(f"The load generator did not end well: {self._words or 'it said nothing'}")
        return tally

    def _run(self, command: list[str]) -> None:
        done = self._cluster.run_inside(command)
        self._words = f"{done.stdout}{done.stderr}".strip()[-2000:]

    def _command(self, control: Path, output: Path) -> list[str]:
        address = self._cluster.kubectl(
            "get", "service", GATEWAY.service, f"--namespace={GATEWAY.namespace}", "-o=jsonpath={.spec.clusterIP}"
        )
        path = os.pathsep.join(entry for entry in sys.path if entry)
        hosts = [f"--host={host}" for host in self._hosts]
        files = [f"--control={control}", f"--output={output}"]
        where = [f"--address={address}", f"--port={GATEWAY.port}", f"--rate={self._rate:g}"]
        return ["env", f"PYTHONPATH={path}", sys.executable, "-m", "soak.load", *where, *hosts, *files]

    def _stop(self) -> None:
        if self._control is not None:
            os.close(self._control)
            self._control = None
        self._thread.join(END_SECONDS)

    def _close(self) -> None:
        self._stop()
        self._folder.cleanup()
