"""Pods are looked at seldom, and only when they are late."""

from __future__ import annotations

from typing import Any

from steersman.api.conditions import Reason
from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION, format_timestamp
from steersman.ports import ApiError
from steersman.shell.pods import LONGEST_LOOK_SECONDS, LOOK_SECONDS, PATIENCE_SECONDS, PODS, PodInspector
from steersman.shell.store import Store
from unit.shell.memory_cluster import MemoryCluster
from unit.shell.test_reconciler import KEY, Bench

START = 1000.0
REVISION = "fraud-v2-1"


class Late:
    """A rollout whose only pod does not come."""

    def __init__(self, available: int = 0) -> None:
        self.cluster, self.store = MemoryCluster(), Store()
        self.inspector = PodInspector(self.cluster, self.store)
        self.deployment(available)
        self.manifest: dict[str, Any] = {
            "metadata": {"namespace": "risk", "name": "fraud"},
            "status": {
                "candidate": {"name": REVISION, "version": "2", "replicas": 1},
                "rollout": {"revision": REVISION, "phase": "Starting", "stepStartedAt": format_timestamp(START)},
            },
        }
        self.pod("nvidia.com/gpu")

    def deployment(self, available: int, conditions: list[dict[str, Any]] | None = None) -> None:
        status = {"availableReplicas": available, "conditions": conditions or []}
        metadata = {"namespace": "risk", "name": REVISION, "uid": "d"}
        self.store.put(self.cluster.put({"kind": "Deployment", "metadata": metadata, "status": status}))

    def pod(self, lacking: str, name: str = "p", revision: str = REVISION) -> None:
        condition = {"type": "PodScheduled", "status": "False", "message": f"Insufficient {lacking}."}
        labels = {LABEL_DEPLOYMENT: "fraud", LABEL_REVISION: revision}
        metadata = {"namespace": "risk", "name": name, "labels": labels}
        self.cluster.put({"kind": "Pod", "metadata": metadata, "status": {"conditions": [condition]}})

    async def message(self, after: float) -> str | None:
        problem = await self.inspector.trouble(self.manifest, START + after)
        return problem.message if problem is not None else None


async def test_pods_that_come_in_time_are_never_looked_at() -> None:
    late = Late()
    for after in (0.0, 1.0, PATIENCE_SECONDS - 0.01):
        assert await late.message(after) is None
    assert late.inspector.next_look(KEY) == START + PATIENCE_SECONDS
    late.deployment(available=1)
    assert await late.message(PATIENCE_SECONDS) is None
    assert late.inspector.next_look(KEY) is None
    assert late.cluster.lists == []


async def test_late_pods_are_looked_at_and_then_no_more_often_than_every_15_seconds() -> None:
    late = Late()
    assert await late.message(PATIENCE_SECONDS) == "1 of 1 pods cannot be scheduled: Insufficient nvidia.com/gpu"
    late.pod("memory")
    for after in (6.0, 10.0, PATIENCE_SECONDS + LOOK_SECONDS - 0.01):
        assert await late.message(after) == "1 of 1 pods cannot be scheduled: Insufficient nvidia.com/gpu"
    assert late.cluster.lists == ["Pod"]
    assert late.inspector.next_look(KEY) == START + PATIENCE_SECONDS + LOOK_SECONDS
    assert await late.message(PATIENCE_SECONDS + LOOK_SECONDS) == "1 of 1 pods cannot be scheduled: Insufficient memory"


async def test_looks_become_rarer_with_time() -> None:
    late = Late()
    await late.message(1000.0)
    assert late.inspector.next_look(KEY) == START + 1000.0 + 100.0
    await late.message(100_000.0)
    assert late.inspector.next_look(KEY) == START + 100_000.0 + LONGEST_LOOK_SECONDS


async def test_only_this_revisions_pods_and_not_too_many_are_read() -> None:
    late = Late()
    late.pod("cpu", name="other", revision="fraud-v1-1")
    for number in range(PODS + 20):
        late.pod("nvidia.com/gpu", name=f"p{number}")
    assert await late.message(6.0) == f"{PODS} of {PODS} pods cannot be scheduled: Insufficient nvidia.com/gpu"


async def test_a_quota_costs_no_read() -> None:
    late = Late()
    message = 'pods "x" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2'
    late.deployment(0, [{"type": "ReplicaFailure", "status": "True", "message": message}])
    problem = await late.inspector.trouble(late.manifest, START + 6)
    assert problem is not None and problem.reason == Reason.QUOTA_EXCEEDED
    assert late.cluster.lists == []


async def test_no_rollout_no_look() -> None:
    late = Late()
    for status in (
        {},
        {**late.manifest["status"], "rollout": {**late.manifest["status"]["rollout"], "phase": "Aborting"}},
    ):
        assert await late.inspector.trouble({**late.manifest, "status": status}, START + 60) is None
    assert late.cluster.lists == []


async def test_another_revision_is_another_matter() -> None:
    late = Late()
    assert await late.message(6.0) is not None
    other = late.manifest["status"]
    other["candidate"]["name"] = other["rollout"]["revision"] = "fraud-v3-1"
    other["rollout"]["stepStartedAt"] = format_timestamp(START + 7)
    metadata = {"namespace": "risk", "name": "fraud-v3-1", "uid": "d3"}
    late.store.put(late.cluster.put({"kind": "Deployment", "metadata": metadata}))
    assert await late.message(8.0) is None


async def test_a_list_that_fails_stops_nothing() -> None:
    late = Late()

    async def refuse(*_: object, **__: object) -> list[dict[str, Any]]:
        raise ApiError(403, "pods is forbidden")

    late.cluster.list = refuse  # type: ignore[method-assign]
    assert await late.message(6.0) is None
    assert late.inspector.next_look(KEY) == START + 6.0 + LOOK_SECONDS


async def test_what_an_image_puller_said_holds_while_it_backs_off() -> None:
    late = Late()

    def pulling(message: str) -> None:
        waiting = {"reason": "ImagePullBackOff", "message": message}
        container = {"name": "model", "image": "serve:9", "state": {"waiting": waiting}}
        labels = {LABEL_DEPLOYMENT: "fraud", LABEL_REVISION: REVISION}
        metadata = {"namespace": "risk", "name": "p", "labels": labels}
        late.cluster.put({"kind": "Pod", "metadata": metadata, "status": {"containerStatuses": [container]}})

    pulling("not found")
    said = await late.message(6.0)
    assert said is not None and said.endswith("serve:9 cannot be pulled: not found")
    pulling('Back-off pulling image "serve:9"')
    assert await late.message(30.0) == said


async def test_trouble_reaches_the_conditions_and_the_next_look_is_scheduled() -> None:
    bench = Bench()
    await bench.settle()
    revision = bench.status.candidate
    assert revision is not None
    condition = {"type": "PodScheduled", "status": "False", "message": "Insufficient nvidia.com/gpu."}
    labels = {LABEL_DEPLOYMENT: "fraud", LABEL_REVISION: revision.name}
    metadata = {"namespace": "risk", "name": "p", "labels": labels}
    bench.cluster.put({"kind": "Pod", "metadata": metadata, "status": {"conditions": [condition]}})
    assert await bench.reconciler.reconcile(KEY) == bench.clock + PATIENCE_SECONDS
    assert bench.cluster.lists == []
    bench.clock += PATIENCE_SECONDS
    assert await bench.reconciler.reconcile(KEY) == bench.clock + LOOK_SECONDS
    assert bench.cluster.lists == ["Pod"]
    progressing = next(c for c in bench.status.conditions if c.type == "Progressing")
    assert progressing.reason == Reason.UNSCHEDULABLE
    assert "1 of 1 pods cannot be scheduled: Insufficient nvidia.com/gpu" in progressing.message
