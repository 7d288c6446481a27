"""A control plane with an audit log, the simulation around it, and one operator that is measured."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.audit import AuditLog, Request
from cluster.control_plane import ControlPlane
from simulation import OperatorProcess, Scene, healthy, objects
from simulation.connection import Key
from simulation.operator_process import OperatorFailed
from steersman.ports import Manifest

Measured = TypeVar("Measured")

USER = "system:serviceaccount:default:steersman"
ROOM = ["--service-cluster-ip-range=10.0.0.0/16"]
"""Each revision has a Service, and the control plane's own range holds 254."""
PORTION = 100
"""ModelDeployments that are made at a time."""
TOGETHER = 50
"""Requests of the bench under way at a time."""


@dataclass(frozen=True)
class Mark:
    """The state of the counters at a moment."""

    at: float
    cpu: float
    audit: int


@dataclass(frozen=True)
class Used:
    """What the operator did between two moments."""

    seconds: float
    cpu: float
    """CPU seconds, user and system."""
    requests: list[Request]


class Stage:
    """Where a measurement is made."""

    def __init__(self, scene: Scene, operator: OperatorProcess, audit: AuditLog) -> None:
        self.scene = scene
        self.operator = operator
        self.audit = audit

    @classmethod
    @contextlib.asynccontextmanager
    async def up(cls, name: str, profile: Path | None = None) -> AsyncIterator[Stage]:
        """Bring everything up; the operator leads. With `profile` it runs under cProfile (CPU time), written there at the end."""
        interpreter = (str(Path(__file__).with_name("profiled.py")), str(profile)) if profile else ()
        with tempfile.TemporaryDirectory(prefix="steersman-bench-") as folder:
            audit = AuditLog(Path(folder), USER)
            arguments = [*audit.arguments, *ROOM]
            with ControlPlane.up(f"bench-{name}-{int(time.time())}", arguments=arguments) as control_plane:
                async with Scene.on(control_plane, Path(folder)) as scene:
                    operator = scene.operator(interpreter=interpreter)
                    operator.start()
                    await operator.ready()
                    await operator.leading()
                    yield cls(scene, operator, audit)
                    await operator.stop()

    async def run(self, measure: Callable[[Stage], Awaitable[Measured]]) -> Measured:
        """Measure, and give up when the operator ends meanwhile."""
        measuring = asyncio.ensure_future(measure(self))
        try:
            while not measuring.done():
                await asyncio.wait({measuring}, timeout=1.0)
                if not self.operator.running:
                    raise OperatorFailed(
                        f"the operator ended with {self.operator.exit_code}:\n{self.operator.log_tail()}"
                    )
            return measuring.result()
        finally:
            measuring.cancel()

    def mark(self) -> Mark:
        """Now."""
        return Mark(time.time(), self.operator.cpu_seconds(), self.audit.mark())

    def since(self, mark: Mark) -> Used:
        """What the operator did since a mark."""
        return Used(
            seconds=time.time() - mark.at,
            cpu=self.operator.cpu_seconds() - mark.cpu,
            requests=self.audit.since(mark.audit),
        )

    async def quiet(self, seconds: float = 3.0, within: float = 300.0) -> None:
        """Wait until the operator has asked nothing but upkeep for so long."""
        async with asyncio.timeout(within):
            mark, begin = self.mark(), time.time()
            while time.time() - begin < seconds:
                await asyncio.sleep(0.5)
                if any(not request.is_upkeep for request in self.since(mark).requests):
                    mark, begin = self.mark(), time.time()

    async def serve(self, keys: Sequence[Key], **spec: Any) -> None:
        """Make a ModelDeployment for each key, of a model of its own in version 1, and wait until all are healthy."""
        for namespace in sorted({namespace for namespace, _ in keys}):
            await self.scene.namespace(namespace, poll_interval="15s")
        for key in keys:
            self.scene.registry.register(model_of(key))
            self.scene.registry.register(model_of(key))
            self.scene.registry.point(model_of(key), "champion", "1")
        # In portions: how fast they start is not what is measured.
        for begin in range(0, len(keys), PORTION):
            portion = keys[begin : begin + PORTION]
            await self.each(
                portion,
                lambda key: self.scene.api.client.create(
                    objects.model_deployment(key[0], key[1], {"name": model_of(key), "alias": "champion"}, **spec)
                ),
            )
            await self.scene.deployments.until(portion, healthy("1"), within=600)

    async def roll_out(self, keys: Iterable[Key], version: str = "2") -> dict[Key, float]:
        """Ask for another version in the spec of each, all at once; returns when each was asked (seconds since the epoch)."""
        asked: dict[Key, float] = {}

        async def ask(key: Key) -> Manifest:
            asked[key] = time.time()
            return await self.scene.change(*key, {"model": {"version": version, "alias": None}})

        await self.each(keys, ask)
        return asked

    async def each(self, keys: Iterable[Key], work: Any) -> None:
        """Do something for every key, some at a time."""
        turns = asyncio.Semaphore(TOGETHER)

        async def one(key: Key) -> None:
            async with turns:
                await work(key)

        await asyncio.gather(*(one(key) for key in keys))


def keys(prefix: str, number: int, namespaces: int = 1, first: int = 0) -> list[Key]:
    """(namespace, name) pairs, spread over namespaces."""
    return [(f"{prefix}-{n % namespaces}", f"m{n}") for n in range(first, first + number)]


def model_of(key: Key) -> str:
    """Each ModelDeployment serves a registered model of its own."""
    return "-".join(key)
