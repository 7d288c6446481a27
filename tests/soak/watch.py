"""Follows one object by `kubectl get --watch`, for as long as a soak lasts.

An API server ends every watch after some time, half an hour or more; then a new one begins. It starts with the object as
it is, so what may be missed is a change that is undone within the moment in between.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from cluster.namespaces import bound_to_parent
from e2e.workspace import NotInTimeError, Workspace

Manifest = dict[str, Any]


def documents(lines: Iterable[str]) -> Iterator[Manifest]:
    """JSON objects, each over several lines, as kubectl prints them one after the other."""
    text = ""
    for line in lines:
        text += line
        if line.startswith("}"):
            yield json.loads(text)
            text = ""


class Watch:
    """Calls `note` with every state of the object, from a thread of its own, and keeps the latest."""

    def __init__(
        self, workspace: Workspace, kind: str, name: str, note: Callable[[Manifest], None] = lambda _: None
    ) -> None:
        cluster = workspace.cluster
        self._workspace = workspace
        self._name = name
        self._command = bound_to_parent(
            ["kubectl", "-n", workspace.namespace, "get", kind, name, "-o", "json", "--watch"]
        )
        self._env = {**cluster.env, "HOME": "/nonexistent"}
        self._note = note
        self._changed = threading.Condition()
        self._closed = False
        self._process: subprocess.Popen[str] | None = None
        self._latest: Manifest = {}
        self.restarts = 0
        """How often a watch ended and another one was begun, since the object was there."""

    @property
    def status(self) -> Manifest:
        """The object's latest .status."""
        return dict(self._latest.get("status") or {})

    def until(self, what: str, check: Callable[[Manifest], Any], timeout: float) -> Any:
        """Wait until the check of the status is true; its value. NotInTimeError tells how things stand instead."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (value := check(self.status)):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise NotInTimeError(
                        f"after {timeout:.0f} s still not: {what}\n{self._workspace.explain(self._name)}"
                    )
                self._changed.wait(min(left, 1.0))
        return value

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name=f"watch {self._name}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        if self._process is not None:
            self._process.terminate()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            self.restarts += bool(self._latest)
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self._env
            )
            if self._closed:
                self._process.terminate()
            assert self._process.stdout is not None
            for manifest in documents(self._process.stdout):
                self._note(manifest)
                with self._changed:
                    self._latest = manifest
                    self._changed.notify_all()
            self._process.wait()
            if not self._closed:
                time.sleep(0.1)
