from __future__ import annotations

import copy
from typing import Any

import pytest

from steersman.adapters.replay import ServiceReplay
from steersman.api.conditions import Reason
from steersman.api.meta import LABEL_DEPLOYMENT
from steersman.api.status import ModelDeploymentStatus, Phase
from steersman.core.analysis.model import MetricQuery
from steersman.core.snapshot import EventIntent
from steersman.ports import ApiError, Conflict, ModelVersion
from steersman.shell.adopted import AdoptedRoutes
from steersman.shell.config import Config
from steersman.shell.credentials import RegistrySecrets
from steersman.shell.desks import Desks
from steersman.shell.measurements import MeasurementDesk
from steersman.shell.news import News
from steersman.shell.observe import SnapshotBuilder
from steersman.shell.pods import PodInspector
from steersman.shell.questions import QuestionDesk
from steersman.shell.queue import Key
from steersman.shell.reconciler import NotLeader, Reconciler
from steersman.shell.registries import RegistryPoller
from steersman.shell.slots import RolloutSlots
from steersman.shell.store import Store
from steersman.shell.write_back import WriteBackDesk
from unit.core.world import RUNTIME, gateway_spec
from unit.shell.memory_cluster import MemoryCluster

KEY = ("risk", "fraud")


class Registry:
    async def resolve(self, url: str, credentials: object, selector: Any) -> ModelVersion:
        return ModelVersion(selector.model, "1")


class Writer:
    def __init__(self) -> None:
        self.aliases: dict[tuple[str, str], str] = {}

    async def set_tag(self, url: str, credentials: object, version: tuple[str, str], key: str, value: str) -> None:
        raise AssertionError("no tags were asked for")

    async def set_alias(self, url: str, credentials: object, version: tuple[str, str], alias: str) -> None:
        self.aliases[url, alias] = version[1]


class Metrics:
    async def query(self, query: MetricQuery) -> tuple[()]:
        return ()


class Bench:
    """A reconciler with everything around it in memory."""

    def __init__(self, spec: dict[str, Any] | None = None, config: Config | None = None, patience: float = 0.0) -> None:
        self.cluster, self.store = MemoryCluster(), Store()
        self.events: list[EventIntent] = []
        self.leader = True
        config = config or Config(default_registry_url="http://mlflow:5000")
        self.poller = RegistryPoller(
            Registry(),
            RegistrySecrets(self.cluster),
            lambda key: None,
            lambda s, t: None,
            lambda o, s: None,
            patience=patience,
        )
        self.questions = QuestionDesk(Registry(), RegistrySecrets(self.cluster), ServiceReplay(), lambda key: None)
        self.desk = MeasurementDesk(Metrics(), lambda key: None, lambda r, s: None)
        self.clock = 1000.0
        self.woken: list[Key] = []
        pods = PodInspector(self.cluster, self.store)
        slots = RolloutSlots(self.store, self.woken.append, config.max_rollouts, config.max_rollouts_per_namespace)
        self.adopted = AdoptedRoutes(self.cluster, self.woken.append)
        self.registry_writes = Writer()
        self.write_back = WriteBackDesk(
            self.registry_writes, RegistrySecrets(self.cluster), self.woken.append, lambda: self.leader
        )
        desks = Desks(self.poller, self.desk, self.questions, self.write_back, pods, slots, self.adopted)
        builder = SnapshotBuilder(config, self.store, self.cluster, desks, lambda: self.clock)
        self.reconciler = Reconciler(
            self.cluster,
            self.store,
            builder,
            desks,
            self,
            lambda: self.leader,
            lambda key, plan: None,
            News(patience=0.0),
        )
        self.add("ClusterServingRuntime", "mlflow", None, RUNTIME.to_wire())
        self.add("ModelDeployment", "fraud", "risk", spec or gateway_spec(analysis={}), generation=1)

    def record(self, manifest: dict[str, Any], event: EventIntent) -> None:
        self.events.append(event)

    def add(self, kind: str, name: str, namespace: str | None, spec: dict[str, Any], **metadata: Any) -> None:
        manifest = {
            "apiVersion": "steersman.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, **metadata} | ({"namespace": namespace} if namespace else {}),
            "spec": spec,
        }
        self.store.put(self.cluster.put(manifest))

    async def settle(self, turns: int = 6) -> ModelDeploymentStatus:
        import asyncio

        for _ in range(turns):
            await self.reconciler.reconcile(KEY)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return self.status

    @property
    def status(self) -> ModelDeploymentStatus:
        manifest = self.store.get("ModelDeployment", *KEY)
        assert manifest is not None
        return ModelDeploymentStatus.model_validate(manifest.get("status") or {})

    def reasons(self) -> list[Reason]:
        return [event.reason for event in self.events]


async def test_status_is_written_before_anything_else() -> None:
    bench = Bench()
    status = await bench.settle()
    assert status.phase == Phase.INITIALIZING
    kinds = [write for write in bench.cluster.writes if write != "status ModelDeployment"]
    assert bench.cluster.writes[0] == "status ModelDeployment"
    assert kinds == ["apply ControllerRevision", "apply Service", "apply Deployment"]


async def test_nothing_is_written_twice() -> None:
    bench = Bench()
    await bench.settle()
    writes = list(bench.cluster.writes)
    await bench.settle()
    assert bench.cluster.writes == writes


async def test_whoever_is_not_leader_writes_nothing() -> None:
    bench = Bench()
    bench.leader = False
    with pytest.raises(NotLeader):
        await bench.reconciler.reconcile(KEY)
    assert bench.cluster.writes == []


async def test_conflict_takes_over_what_is_there_and_acts_on_nothing() -> None:
    bench = Bench()
    bench.add("ModelDeployment", "fraud", "risk", gateway_spec(analysis={}), generation=1)
    newer = await bench.cluster.get("", "ModelDeployment", "risk", "fraud")
    newer["metadata"]["labels"] = {"changed": "meanwhile"}
    bench.cluster.put(newer)
    with pytest.raises(Conflict):
        await bench.reconciler.reconcile(KEY)
    assert bench.cluster.writes == []
    seen = bench.store.get("ModelDeployment", *KEY)
    assert seen is not None and seen["metadata"]["labels"] == {"changed": "meanwhile"}
    await bench.reconciler.reconcile(KEY)
    assert bench.cluster.writes[0] == "status ModelDeployment"


async def test_an_object_that_somebody_wrote_since_is_read_again_and_not_overwritten() -> None:
    bench = Bench()
    status = await bench.settle()
    assert status.candidate is not None
    seen = bench.store.get("Deployment", "risk", status.candidate.name)
    assert seen is not None
    drifted = {**seen, "spec": {**seen["spec"], "replicas": 9}}
    bench.store.put(bench.cluster.put(drifted))
    newer = bench.cluster.put(drifted)["metadata"]["resourceVersion"]
    writes = list(bench.cluster.writes)
    with pytest.raises(Conflict):
        await bench.reconciler.reconcile(KEY)
    assert bench.cluster.writes == writes
    known = bench.store.get("Deployment", "risk", status.candidate.name)
    assert known is not None and known["metadata"]["resourceVersion"] == newer
    await bench.reconciler.reconcile(KEY)
    assert bench.cluster.writes == [*writes, "apply Deployment"]


async def test_an_object_that_was_not_seen_is_not_overwritten() -> None:
    bench = Bench()
    await bench.reconciler.reconcile(KEY)
    other = Bench()
    status = await other.settle()
    assert status.candidate is not None
    unseen = await other.cluster.get("", "Service", "risk", status.candidate.name)
    bench.cluster.put(unseen)
    with pytest.raises(Conflict):
        await bench.settle()
    assert "apply Service" not in bench.cluster.writes
    assert bench.store.get("Service", "risk", status.candidate.name) is not None


async def test_refused_object_is_said_in_an_event_and_tried_again() -> None:
    bench = Bench()
    bench.cluster.refuse = {"Deployment"}
    with pytest.raises(ApiError, match="forbidden by policy"):
        await bench.settle()
    assert Reason.APPLY_FAILED in bench.reasons()
    bench.cluster.refuse = set()
    await bench.settle()
    assert "apply Deployment" in bench.cluster.writes


async def test_service_of_somebody_else_is_left_alone() -> None:
    bench = Bench(gateway_spec(traffic={"service": {}}, analysis={}))
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "fraud", "namespace": "risk"},
        "spec": {"a": 1},
    }
    bench.cluster.put(foreign)
    await bench.settle()
    revision = bench.status.candidate
    assert revision is not None
    deployment = await bench.cluster.get("", "Deployment", "risk", revision.name)
    deployment["status"] = {"availableReplicas": 4, "replicas": 4}
    bench.store.put(bench.cluster.put(deployment))
    with pytest.raises(ApiError, match="belongs to somebody else"):
        await bench.settle()
    await bench.reconciler.reconcile(KEY)
    condition = next(c for c in bench.status.conditions if c.type == "Accepted")
    assert condition.reason == Reason.NAME_CONFLICT
    assert (await bench.cluster.get("", "Service", "risk", "fraud"))["spec"] == {"a": 1}
    del bench.cluster.objects["Service", "risk", "fraud"]
    await bench.settle()
    condition = next(c for c in bench.status.conditions if c.type == "Accepted")
    assert condition.reason == Reason.ACCEPTED


@pytest.mark.parametrize(
    ("changes", "config", "reason"),
    [
        ({"runtime": {"name": "nope"}}, Config(default_registry_url="http://m"), Reason.RUNTIME_NOT_FOUND),
        ({}, Config(), Reason.REGISTRY_NOT_FOUND),
        ({"model": {"registry": "nope", "name": "fraud", "alias": "a"}}, Config(), Reason.REGISTRY_NOT_FOUND),
        (
            {"analysis": {"templates": [{"name": "nope"}]}},
            Config(default_registry_url="http://m"),
            Reason.TEMPLATE_NOT_FOUND,
        ),
    ],
)
async def test_what_is_missing_is_said(changes: dict[str, Any], config: Config, reason: Reason) -> None:
    bench = Bench(gateway_spec(analysis={}) | changes, config)
    status = await bench.settle()
    assert status.phase == Phase.PENDING
    assert next(c for c in status.conditions if c.type == "Accepted").reason == reason
    assert reason in bench.reasons()
    assert bench.reasons().count(reason) == 1


async def test_deleted_object_is_forgotten() -> None:
    bench = Bench()
    await bench.settle()
    manifest = bench.store.get("ModelDeployment", *KEY)
    assert manifest is not None
    bench.store.remove(manifest)
    assert await bench.reconciler.reconcile(KEY) is None
    assert bench.poller.questions == 0


async def test_the_echo_of_a_recorded_plan_is_told_from_what_a_user_wrote() -> None:
    bench = Bench()
    echoes: list[bool] = []
    bench.store.listen(
        lambda seen: echoes.append(bench.reconciler.echoes.is_echo(seen)) if seen["kind"] == "ModelDeployment" else None
    )
    write = bench.cluster.replace_status

    async def told_by_the_watch_first(manifest: dict[str, Any]) -> dict[str, Any]:
        written = await write(manifest)
        bench.store.put(copy.deepcopy(written))
        return written

    bench.cluster.replace_status = told_by_the_watch_first  # type: ignore[method-assign]
    await bench.reconciler.reconcile(KEY)
    assert echoes == [True]

    async def changed_by_a_user_too(manifest: dict[str, Any]) -> dict[str, Any]:
        written = await write(manifest)
        later = bench.cluster.put({**written, "metadata": {**written["metadata"], "annotations": {"a": "b"}}})
        bench.store.put(later)
        return written

    bench.cluster.replace_status = changed_by_a_user_too  # type: ignore[method-assign]
    echoes.clear()
    await bench.settle(2)
    assert False in echoes


async def test_what_is_deleted_is_not_deleted_twice() -> None:
    bench = Bench()
    await bench.settle()
    stale = bench.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "fraud-v0-old",
                "namespace": "risk",
                "labels": {LABEL_DEPLOYMENT: "fraud"},
                "ownerReferences": [{"uid": bench.store.get("ModelDeployment", *KEY)["metadata"]["uid"]}],  # type: ignore[index]
            },
        }
    )
    bench.store.put(stale)
    bench.cluster.writes.clear()
    await bench.settle()
    assert bench.cluster.writes.count("delete Service") == 1


async def test_a_moment_is_waited_for_the_registrys_first_answer() -> None:
    bench = Bench(patience=60.0)
    again = await bench.reconciler.reconcile(KEY)
    assert again is not None and bench.clock < again <= bench.clock + 60.0
    assert bench.cluster.writes == []
    await bench.settle(1)
    await bench.reconciler.reconcile(KEY)
    assert bench.cluster.writes[0] == "status ModelDeployment"
    assert bench.status.phase == Phase.INITIALIZING


async def test_a_registry_that_is_late_is_told_of() -> None:
    bench = Bench()
    await bench.reconciler.reconcile(KEY)
    assert bench.cluster.writes == ["status ModelDeployment"]
    assert bench.status.phase == Phase.PENDING
