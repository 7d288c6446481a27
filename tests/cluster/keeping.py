"""Starts keepers and talks to them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.cache import KIT, Cache, take_lock, valid_name
from cluster.cgroups import ControlGroups
from cluster.errors import AlreadyRunning, MissingRequirement, NotRunning, StartFailed
from cluster.keeper import Plan, keep_logs, remove_folder, short_path
from cluster.layout import State
from cluster.namespaces import alive, run_module

START_TIMEOUT = 30.0
"""Seconds until a keeper has made the namespaces and answers."""


_started: list[subprocess.Popen[bytes]] = []
"""Keepers that this process has started and so has to reap."""


@dataclass(frozen=True)
class Kept:
    """A cluster that a keeper keeps."""

    state: State
    keeper: int
    """The keeper's process."""
    first: int
    """The cluster's first process, in whose namespaces everything runs."""
    api_port: int
    """The loopback port of the API server."""

    def request(self, **words: Any) -> dict[str, Any]:
        """Ask the keeper for something. NotRunning when it is gone, OSError when it could not do it."""
        try:
            with socket.socket(socket.AF_UNIX) as connection, short_path(self.state.control) as path:
                connection.settimeout(START_TIMEOUT)
                connection.connect(path)
                connection.sendall(json.dumps(words).encode() + b"\n")
                with connection.makefile("rb") as answer:
                    reply: dict[str, Any] = json.loads(answer.readline() or b"{}")
        except (FileNotFoundError, ConnectionError) as gone:
            raise NotRunning(f"The cluster '{self.state.name}' is not up any more.") from gone
        if "error" in reply:
            raise OSError(reply.get("errno", 0), reply["error"])
        return reply

    def forward(self, host: str, port: int, listen: int = 0) -> int:
        """A loopback port that carries to this address inside; `listen` asks for a certain one."""
        try:
            return int(self.request(do="forward", host=host, port=port, listen=listen)["port"])
        except OSError as refused:
            raise MissingRequirement(
                f"127.0.0.1:{listen} cannot be listened on ({refused.strerror}); another program may have it. Choose "
                "another port, or none to get a free one."
            ) from refused

    def detach(self) -> None:
        """Let the cluster outlive the process that it is tied to."""
        self.request(do="detach")

    def stop(self, patience: float = 30.0) -> None:
        """Take the cluster down and wait until everything of it is gone."""
        with contextlib.suppress(NotRunning, OSError):
            self.request(do="stop")
        deadline = time.monotonic() + patience
        while (lock := take_lock(self.state.lock)) is None:
            if time.monotonic() > deadline and alive(self.keeper):
                os.kill(self.keeper, signal.SIGKILL)  # the kernel ends the cluster's processes with it
            time.sleep(0.02)
        _clear(self.state)
        self.state.lock.unlink(missing_ok=True)
        os.close(lock)
        _started[:] = [process for process in _started if process.poll() is None]


def find(cache: Cache, name: str) -> Kept | None:
    """The cluster of that name when it is up, or on its way."""
    state = State(cache.clusters / valid_name(name))
    if not state.lock.exists():
        return None
    lock = take_lock(state.lock, shared=True)
    if lock is not None:
        os.close(lock)
        return None
    with contextlib.suppress(OSError, ValueError, KeyError):
        record = json.loads(state.record.read_text())
        return Kept(state, record["keeper"], record["first"], record["api_port"])
    return None


def names(cache: Cache) -> list[str]:
    """The names of the clusters that are up."""
    folders = sorted(cache.clusters.glob("*/keeper.json"))
    return [folder.parent.name for folder in folders if find(cache, folder.parent.name) is not None]


def clear_stale(cache: Cache, name: str) -> bool:
    """Remove what a cluster left whose keeper was killed; whether there was anything."""
    state = State(cache.clusters / valid_name(name))
    lock = take_lock(state.lock)
    if lock is None:
        return False
    found = state.folder.exists()
    _clear(state)
    state.lock.unlink(missing_ok=True)
    os.close(lock)
    return found


def _clear(state: State) -> None:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        with contextlib.suppress(MissingRequirement):
            ControlGroups(state.name).remove()
    remove_folder(state.folder)


class Start:
    """A cluster that is being started: its name is taken, its state folder fresh."""

    def __init__(self, cache: Cache, name: str) -> None:
        self.state = State(cache.clusters / valid_name(name))
        self._failures = cache.failures / name
        lock = take_lock(self.state.lock)
        if lock is None:
            time.sleep(0.1)  # somebody may just have looked whether it is up
            lock = take_lock(self.state.lock)
        if lock is None:
            raise AlreadyRunning(
                f"A cluster named '{name}' is up already. Use it (--reuse), take it down first (down --name {name}), "
                "or choose another --name."
            )
        self._lock: int | None = lock
        try:
            _clear(self.state)
            shutil.rmtree(self._failures, ignore_errors=True)
            self.state.create()
        except BaseException:
            self.give_up()
            raise

    @property
    def failures(self) -> Path:
        """Where the logs are kept when the start fails."""
        return self._failures

    def keep(self, plan: Plan, inherited: Sequence[int] = ()) -> Kept:
        """Start the keeper; `inherited` are descriptors that it holds open as long as it lives."""
        assert self._lock is not None
        plan.write(self.state)
        with (self.state.logs / "keeper.log").open("ab") as log:
            process = subprocess.Popen(
                [*run_module("keeper"), str(self.state.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(KIT.parent)},
                cwd="/",  # no folder is kept from being removed
                pass_fds=(self._lock, *inherited),
                start_new_session=True,
            )
        _started.append(process)
        # The keeper has a copy of the lock; the name stays taken until it ends.
        os.close(self._lock)
        self._lock = None
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError):
                record = json.loads(self.state.record.read_text())
                kept = Kept(self.state, record["keeper"], record["first"], record["api_port"])
                if self.state.control.exists():
                    return kept
            if process.poll() is not None:
                break
            time.sleep(0.01)
        reason = self._last_words()
        if process.poll() is None:
            process.terminate()
            process.wait()
        raise StartFailed(f"The cluster '{self.state.name}' did not start: {reason}")

    def _last_words(self) -> str:
        for name in ("keeper.log", "init.log"):
            for folder in (self.state.logs, self._failures):
                with contextlib.suppress(OSError):
                    lines = (folder / name).read_text(errors="replace").strip().splitlines()
                    if lines:
                        return " ".join(lines[-2:])
        return "its keeper ended without a word."

    def give_up(self) -> None:
        """Free the name again, when no keeper has been started."""
        if self._lock is not None:
            shutil.rmtree(self.state.folder, ignore_errors=True)
            self.state.lock.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


def wait_until(
    ready: Callable[[], bool], what: str, kept: Kept, failures: Path, *, timeout: float, pause: float = 0.05
) -> None:
    """Poll `ready`; StartFailed after `timeout` seconds, the logs then kept in `failures`."""
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive(kept.keeper):
            raise StartFailed(f"The cluster '{kept.state.name}' ended while waiting for {what}; its logs: {failures}.")
        if time.monotonic() > deadline:
            keep_logs(kept.state, failures)
            raise StartFailed(f"{what} was not ready after {timeout:g} s; the cluster's logs are in {failures}.")
        time.sleep(pause)
