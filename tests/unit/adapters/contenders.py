"""Contenders for a Lease in virtual time, and an API server with compare-and-swap that can fail them."""

from __future__ import annotations

import asyncio
import copy
import heapq
from collections.abc import AsyncGenerator, Callable
from typing import Any

from steersman.adapters.kube.lease import Durations, LeaderElector
from steersman.ports import ApiError, Conflict, Manifest, NotFound


class VirtualTime:
    """A clock that moves to the next sleeper when nothing else runs."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._sleepers, (self.now + seconds, self._number, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let that much time pass."""
        end = self.now + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self.now = max(self.now, moment)
            woken.set_result(None)
            await self._settle()
        self.now = end

    async def _settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)


class Server:
    """Leases with resourceVersions. `down` holds identities (or `*`) whose requests fail."""

    def __init__(self, time: VirtualTime | None = None) -> None:
        self.time = time
        self.latency = 0.0
        self.lease: Manifest | None = None
        self.version = 0
        self.down: set[str] = set()
        self.hang: set[str] = set()
        self.lose_answer: set[str] = set()
        self.watches: list[asyncio.Queue[Manifest]] = []

    def client(self, identity: str) -> Any:
        return Client(self, identity)

    def store(self, manifest: Manifest) -> Manifest:
        self.version += 1
        self.lease = copy.deepcopy(manifest)
        self.lease["metadata"] = {**manifest["metadata"], "resourceVersion": str(self.version), "uid": "u"}
        for watch in self.watches:
            watch.put_nowait(copy.deepcopy(self.lease))
        return copy.deepcopy(self.lease)


class Client:
    def __init__(self, server: Server, identity: str) -> None:
        self.server = server
        self.identity = identity
        self.writes = 0

    async def _gate(self) -> None:
        if self.identity in self.server.hang:
            await asyncio.sleep(3600)
        if {self.identity, "*"} & self.server.down:
            raise ApiError(0, "cannot reach the API server")
        if self.server.time is not None and self.server.latency:
            await self.server.time.sleep(self.server.latency)

    async def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Manifest:
        await self._gate()
        if self.server.lease is None:
            raise NotFound("no lease")
        return copy.deepcopy(self.server.lease)

    async def create(self, manifest: Manifest) -> Manifest:
        await self._gate()
        if self.server.lease is not None:
            raise Conflict("it exists")
        return self._written(manifest)

    async def replace(self, manifest: Manifest) -> Manifest:
        await self._gate()
        if self.server.lease is None:
            raise NotFound("no lease")
        if manifest["metadata"]["resourceVersion"] != self.server.lease["metadata"]["resourceVersion"]:
            raise Conflict("modified")
        return self._written(manifest)

    async def watch(
        self, api_version: str, kind: str, namespace: str | None, resource_version: str, fields: object = None
    ) -> AsyncGenerator[tuple[str, Manifest]]:
        await self._gate()
        events: asyncio.Queue[Manifest] = asyncio.Queue()
        self.server.watches.append(events)
        while True:
            yield "MODIFIED", await events.get()

    def _written(self, manifest: Manifest) -> Manifest:
        self.writes += 1
        stored = self.server.store(manifest)
        if self.identity in self.server.lose_answer:
            raise ApiError(0, "the connection broke after the write")
        return stored


class Contender:
    def __init__(
        self,
        server: Server,
        time: VirtualTime,
        identity: str,
        durations: Durations | None = None,
        watching: bool = False,
        eligible: Callable[[], bool] = lambda: True,
    ) -> None:
        self.client = server.client(identity)
        self.elector = LeaderElector(
            self.client,
            "ns",
            "steersman",
            identity,
            watch=self.client.watch if watching else None,
            eligible=eligible,
            durations=durations or Durations(),
            clock=time,
            wall_clock=lambda: 0.0,
            sleep=time.sleep,
        )
        self.started = 0
        self.lost = 0
        self.task = asyncio.create_task(self.elector.run(self._start, self._lose))

    def _start(self) -> None:
        self.started += 1

    def _lose(self) -> None:
        self.lost += 1

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
