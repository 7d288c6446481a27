"""The process that keeps one cluster: starts it, carries connections into it, and takes it down.

`main` runs with the state folder as its argument. The keeper inherits the cluster's lock and holds it as long as it
lives, so nobody has to guess from process numbers whether a cluster is up. It takes everything down when it is asked
to over its socket, on SIGTERM, when the cluster's first process ends, or when the process that the cluster is tied to
ends in whatever way. Should the keeper itself be killed, the kernel kills the cluster's processes with it (see
namespaces.isolate), and the next command for that name removes the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.cache import KIT
from cluster.cgroups import ControlGroups
from cluster.errors import ClusterError
from cluster.forwarding import Forwarder, SocketMaker
from cluster.layout import State
from cluster.namespaces import alive, bound_to_parent, children, isolate, namespace_id

ENDING = 10.0
"""Seconds that processes get to vanish after SIGKILL."""


@dataclass(frozen=True)
class Plan:
    """What a keeper is to keep, written by whoever asks for a cluster."""

    command: list[str]
    """The cluster's first process."""
    isolated: bool
    """Whether it runs in namespaces and cgroups of its own."""
    programs: dict[str, str]
    path: str
    """PATH of the components."""
    failures: str
    """Where the logs go when the cluster ends by itself."""
    seed: str = ""
    """The folder of the seed that the cluster's containerd starts from."""
    target: tuple[str, int] = ("127.0.0.1", 0)
    """Address of the API server as seen by the cluster."""
    api_port: int = 0
    """Loopback port for the API server, 0 for a free one; not used when the cluster is not isolated."""
    tied_to: int = 0
    """A process with whose end the cluster ends; 0 for none."""

    def write(self, state: State) -> None:
        """Leave the plan where the keeper and the node read it."""
        state.plan.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, state: State) -> Plan:
        """Read the plan back."""
        content = json.loads(state.plan.read_text())
        content["target"] = tuple(content["target"])
        return cls(**content)


class Keeper:
    """Keeps the cluster of one state folder."""

    def __init__(self, state: State, plan: Plan) -> None:
        self._state = state
        self._plan = plan
        self._stop = asyncio.Event()
        self._forwards: dict[tuple[str, int], tuple[Forwarder, int]] = {}
        self._sockets: SocketMaker | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._groups = ControlGroups(state.name) if plan.isolated else None
        self._tie: int | None = None

    async def keep(self) -> None:
        """Start the cluster, serve requests, and take it down in the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        try:
            if self._plan.tied_to and not self._tie_to(self._plan.tied_to):
                return
            await self._start()
            server = await self._serve()
            async with server:
                watcher = asyncio.create_task(self._watch_child())
                await self._stop.wait()
                watcher.cancel()
        except (ClusterError, OSError) as failed:
            print(failed, file=sys.stderr, flush=True)
            keep_logs(self._state, Path(self._plan.failures))
            raise SystemExit(1) from failed
        finally:
            self._take_down()

    # ---------------------------------------------------------------- start

    def _tie_to(self, process: int) -> bool:
        try:
            self._tie = os.pidfd_open(process)
        except ProcessLookupError:
            return False
        asyncio.get_running_loop().add_reader(self._tie, self._stop.set)
        return True

    def _untie(self) -> None:
        if self._tie is not None:
            asyncio.get_running_loop().remove_reader(self._tie)
            os.close(self._tie)
            self._tie = None

    async def _start(self) -> None:
        if self._groups is not None:
            self._groups.create()
        command = [*self._plan.command, str(self._state.folder)]
        command = isolate(command) if self._plan.isolated else bound_to_parent(command)
        with (self._state.logs / "init.log").open("ab") as log:
            self._child = subprocess.Popen(  # noqa: ASYNC220 - it takes no time, and asyncio's would be waited for
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(KIT.parent), "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,
            )
        first = self._child.pid
        api_port = self._plan.target[1]
        if self._plan.isolated:
            first = await self._first_process()
            self._sockets = SocketMaker(first)
            try:
                api_port = await self._forward(*self._plan.target, self._plan.api_port)
            except OSError as taken:
                raise ClusterError(
                    f"127.0.0.1:{self._plan.api_port} cannot be listened on ({taken.strerror}). Choose another "
                    "--api-port."
                ) from taken
        record = {"keeper": os.getpid(), "first": first, "api_port": api_port}
        beside = self._state.record.with_suffix(".new")
        beside.write_text(json.dumps(record))
        beside.replace(self._state.record)

    async def _first_process(self) -> int:
        assert self._child is not None
        while self._child.poll() is None:
            for process in children(self._child.pid):
                with contextlib.suppress(OSError):
                    # unshare has made the namespaces before it started this process, but be sure of it.
                    if namespace_id(process, "net") != namespace_id(os.getpid(), "net"):
                        return process
            await asyncio.sleep(0.01)
        raise ClusterError(f"The cluster's namespaces could not be made; see {self._state.logs / 'init.log'}.")

    async def _watch_child(self) -> None:
        assert self._child is not None
        while self._child.poll() is None:  # noqa: ASYNC110 - it is a process that ends, not a task
            await asyncio.sleep(0.2)
        print(f"the cluster's first process ended with {self._child.returncode}", file=sys.stderr, flush=True)
        keep_logs(self._state, Path(self._plan.failures))
        self._stop.set()

    # ---------------------------------------------------------------- requests

    async def _serve(self) -> asyncio.Server:
        with short_path(self._state.control) as path:
            return await asyncio.start_unix_server(self._answer, path)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            try:
                reply = await self._handle(request)
            except OSError as refused:
                reply = {"error": refused.strerror or str(refused), "errno": refused.errno}
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        except (ValueError, KeyError, ConnectionError) as wrong:
            print(f"request not understood: {wrong!r}", file=sys.stderr, flush=True)
        finally:
            writer.close()

    async def _handle(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "forward":
                port = await self._forward(request["host"], request["port"], request.get("listen", 0))
                return {"port": port}
            case "detach":
                self._untie()
                return {}
            case "stop":
                self._stop.set()
                return {}
            case other:
                return {"error": f"no such request: {other}"}

    async def _forward(self, host: str, port: int, listen: int = 0) -> int:
        if (known := self._forwards.get((host, port))) is not None and listen in (0, known[1]):
            return known[1]
        if self._sockets is None:
            raise OSError(0, "this cluster has no network of its own")
        forwarder = Forwarder(self._sockets, host, port)
        listening = await forwarder.listen(listen)
        self._forwards[(host, port)] = (forwarder, listening)
        return listening

    # ---------------------------------------------------------------- end

    def _take_down(self) -> None:
        for forwarder, _ in self._forwards.values():
            forwarder.close()
        if self._sockets is not None:
            self._sockets.close()
        if self._child is not None:
            self._end_child(self._child)
        if self._groups is not None:
            with contextlib.suppress(ClusterError):  # the next `up` of that name says so, and the state is of no use
                self._groups.remove(ENDING)
        remove_folder(self._state.folder)
        self._state.lock.unlink(missing_ok=True)

    def _end_child(self, child: subprocess.Popen[bytes]) -> None:
        below = children(child.pid)
        child.kill()
        child.wait()
        deadline = time.monotonic() + ENDING
        # The kernel kills these with their parent; wait, so that their cgroups and files are free.
        while any(alive(process) for process in below) and time.monotonic() < deadline:
            time.sleep(0.02)


def keep_logs(state: State, target: Path) -> None:
    """Copy the cluster's logs to `target`, for whoever wants to know why it did not come up."""
    if not state.logs.is_dir():
        return  # the keeper has kept them already
    shutil.rmtree(target, ignore_errors=True)
    with contextlib.suppress(OSError, shutil.Error):
        shutil.copytree(state.logs, target)
        if (state.data / "pod-logs").is_dir():
            shutil.copytree(state.data / "pod-logs", target / "pods")


def remove_folder(folder: Path, patience: float = 5.0) -> None:
    """Remove a folder into which dying processes may still write for up to `patience` seconds."""
    deadline = time.monotonic() + patience
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name of `path` short enough for a socket's address, which ends after 107 bytes."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def main() -> None:
    """Keep the cluster whose state folder is the first argument."""
    state = State(Path(sys.argv[1]))
    asyncio.run(Keeper(state, Plan.read(state)).keep())
