from __future__ import annotations

import asyncio
from typing import Any

from steersman.api.conditions import Reason
from steersman.core.snapshot import Problem
from steersman.shell.registries import RegistrySource
from steersman.shell.registry_status import RegistryReporter
from steersman.shell.store import Store
from unit.shell.memory_cluster import MemoryCluster

SOURCE = RegistrySource("risk", "mlflow", "http://mlflow")
TROUBLE = Problem(Reason.REGISTRY_UNREACHABLE, "down")


class SlowCluster(MemoryCluster):
    async def replace_status(self, manifest: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return await super().replace_status(manifest)


class Bench:
    def __init__(self) -> None:
        self.cluster, self.store, self.leader = SlowCluster(), Store(), True
        self.reporter = RegistryReporter(self.cluster, self.store, lambda: self.leader, lambda: 1000.0)
        metadata = {"name": "mlflow", "namespace": "risk", "generation": 1}
        self.store.put(self.cluster.put({"kind": "ModelRegistry", "metadata": metadata, "spec": {}}))

    def reachable(self) -> str | None:
        manifest = self.store.get("ModelRegistry", "risk", "mlflow")
        assert manifest is not None
        conditions = manifest.get("status", {}).get("conditions", [])
        return next((condition["status"] for condition in conditions), None)


async def test_a_change_is_written_and_no_repeat() -> None:
    bench = Bench()
    for trouble in (None, None, TROUBLE, TROUBLE):
        await bench.reporter.report(SOURCE, trouble)
    assert bench.cluster.writes == ["status ModelRegistry"] * 2
    assert bench.reachable() == "False"


async def test_many_answers_at_once_are_one_write() -> None:
    bench = Bench()
    await asyncio.gather(*(bench.reporter.report(SOURCE, None) for _ in range(50)))
    assert bench.cluster.writes == ["status ModelRegistry"]
    assert bench.reachable() == "True"
    await bench.reporter.report(SOURCE, TROUBLE)
    assert bench.reachable() == "False"


async def test_whoever_does_not_lead_and_the_default_registry_write_nothing() -> None:
    bench = Bench()
    await bench.reporter.report(RegistrySource("", "", "http://mlflow"), TROUBLE)
    bench.leader = False
    await bench.reporter.report(SOURCE, TROUBLE)
    assert bench.cluster.writes == []
