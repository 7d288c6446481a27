"""The event recorder: aggregation, limits, bounds, and that it never gets in the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from steersman.adapters.kube import events
from steersman.adapters.kube.events import EventRecorder, EventType, Outcome
from steersman.ports import ApiError, Manifest, NotFound


def about(name: str = "fraud", namespace: str | None = "risk") -> Manifest:
    metadata = {"name": name, "uid": f"uid-{name}", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "steersman.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": {}}


class Cluster:
    def __init__(self) -> None:
        self.events: dict[str, Manifest] = {}
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.now = 1_800_000_000.0
        self.outcomes: Counter[Outcome] = Counter()

    async def create(self, manifest: Manifest) -> Manifest:
        await self.gate.wait()
        if self.error:
            raise self.error
        assert manifest["metadata"]["name"] not in self.events
        self.events[manifest["metadata"]["name"]] = dict(manifest)
        return manifest

    async def merge_patch(
        self, api_version: str, kind: str, namespace: str | None, name: str, patch: Manifest
    ) -> Manifest:
        await self.gate.wait()
        if self.error:
            raise self.error
        if name not in self.events:
            raise NotFound(name)
        self.events[name] = {**self.events[name], **patch}
        return self.events[name]

    @property
    def counts(self) -> list[int]:
        return [event["count"] for event in self.events.values()]


@pytest.fixture
async def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
async def recorder(cluster: Cluster) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(
        cluster,
        "steersman-0",
        clock=lambda: cluster.now,
        on_outcome=lambda outcome: cluster.outcomes.update([outcome]),
    )
    task = asyncio.create_task(recorder.run())
    yield recorder
    await recorder.stop(task)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_an_event_is_what_kubectl_shows(recorder: EventRecorder, cluster: Cluster) -> None:
    recorder.record(about(), EventType.WARNING, "RolloutAborted", "v3 fails")
    await settle()
    (event,) = cluster.events.values()
    assert event["involvedObject"] == {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "namespace": "risk",
        "name": "fraud",
        "uid": "uid-fraud",
    }
    assert event["metadata"]["namespace"] == "risk"
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "RolloutAborted", "v3 fails")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2027-01-15T08:00:00Z"
    assert (event["count"], event["source"]["component"]) == (1, "steersman")


async def test_repeats_raise_the_count_for_ten_minutes_after_the_last(
    recorder: EventRecorder, cluster: Cluster
) -> None:
    for _ in range(3):
        recorder.record(about(), EventType.NORMAL, "WeightSet", "10 %")
        cluster.now += 599
    await settle()
    assert cluster.counts == [3]
    (event,) = cluster.events.values()
    assert event["lastTimestamp"] == "2027-01-15T08:19:58Z"
    cluster.now += 1
    recorder.record(about(), EventType.NORMAL, "WeightSet", "10 %")
    await settle()
    assert cluster.counts == [3, 1]
    assert cluster.outcomes == {Outcome.CREATED: 2, Outcome.AGGREGATED: 2}


async def test_only_equal_events_are_aggregated(recorder: EventRecorder, cluster: Cluster) -> None:
    recorder.record(about(), EventType.NORMAL, "WeightSet", "10 %")
    recorder.record(about(), EventType.NORMAL, "WeightSet", "20 %")
    recorder.record(about(), EventType.WARNING, "WeightSet", "10 %")
    recorder.record(about(), EventType.NORMAL, "Paused", "10 %")
    recorder.record(about("churn"), EventType.NORMAL, "WeightSet", "10 %")
    await settle()
    assert cluster.counts == [1] * 5


async def test_an_expired_event_is_written_anew(recorder: EventRecorder, cluster: Cluster) -> None:
    recorder.record(about(), EventType.NORMAL, "WeightSet", "10 %")
    await settle()
    cluster.events.clear()
    cluster.now += 60
    recorder.record(about(), EventType.NORMAL, "WeightSet", "10 %")
    await settle()
    assert cluster.counts == [1]


async def test_an_object_is_limited_to_a_burst_and_refilled(recorder: EventRecorder, cluster: Cluster) -> None:
    for number in range(40):
        recorder.record(about(), EventType.NORMAL, "WeightSet", str(number))
    recorder.record(about("churn"), EventType.NORMAL, "WeightSet", "another object is not held up")
    await settle()
    assert len(cluster.events) == 26
    assert cluster.outcomes[Outcome.LIMITED] == 15
    cluster.now += 20
    for number in range(40, 43):
        recorder.record(about(), EventType.NORMAL, "WeightSet", str(number))
    await settle()
    assert len(cluster.events) == 28


async def test_memory_is_bounded(recorder: EventRecorder, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "REMEMBERED_EVENTS", 10)
    for number in range(50):
        recorder.record(about(f"md{number}"), EventType.NORMAL, "WeightSet", "10 %")
    await settle()
    await settle()
    assert (len(recorder._written), len(recorder._budgets)) == (10, 10)


@pytest.mark.parametrize("error", [ApiError(403, "events is forbidden"), NotFound("namespace"), RuntimeError("a bug")])
async def test_failures_are_counted_and_the_next_event_is_tried(
    recorder: EventRecorder, cluster: Cluster, error: Exception
) -> None:
    cluster.error = error
    recorder.record(about(), EventType.NORMAL, "WeightSet", "10 %")
    await settle()
    cluster.error = None
    recorder.record(about(), EventType.NORMAL, "WeightSet", "20 %")
    await settle()
    assert cluster.outcomes == {Outcome.FAILED: 1, Outcome.CREATED: 1}


@pytest.mark.parametrize(
    "broken", [{}, {"metadata": {}}, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}]
)
async def test_a_malformed_object_does_not_raise(recorder: EventRecorder, cluster: Cluster, broken: Any) -> None:
    recorder.record(broken, EventType.NORMAL, "WeightSet", "10 %")
    assert cluster.outcomes == {Outcome.FAILED: 1}


async def test_who_may_not_write_drops(cluster: Cluster) -> None:
    allowed = [True]
    recorder = EventRecorder(
        cluster,
        "i",
        clock=lambda: cluster.now,
        on_outcome=lambda o: cluster.outcomes.update([o]),
        may_write=lambda: allowed[0],
    )
    running = asyncio.create_task(recorder.run())
    recorder.record(about(), EventType.NORMAL, "Before", "x")
    await settle()
    allowed[0] = False
    recorder.record(about(), EventType.NORMAL, "After", "x")
    await recorder.stop(running)
    assert [event["reason"] for event in cluster.events.values()] == ["Before"]
    assert cluster.outcomes == {Outcome.CREATED: 1, Outcome.FENCED: 1}


async def test_a_full_queue_drops(recorder: EventRecorder, cluster: Cluster) -> None:
    cluster.gate.clear()
    for number in range(events.QUEUE_LENGTH + 5):
        recorder.record(about(f"md{number}"), EventType.NORMAL, "WeightSet", "10 %")
    assert cluster.outcomes == {Outcome.OVERFLOWED: 5}
    cluster.gate.set()


async def test_stop_writes_what_waits_and_takes_no_more(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster, "i", clock=lambda: cluster.now, on_outcome=lambda o: cluster.outcomes.update([o]))
    task = asyncio.create_task(recorder.run())
    for number in range(20):
        recorder.record(about(), EventType.NORMAL, "WeightSet", str(number))
    await recorder.stop(task)
    recorder.record(about(), EventType.NORMAL, "WeightSet", "late")
    assert cluster.outcomes == {Outcome.CREATED: 20, Outcome.OVERFLOWED: 1}
    assert task.done()


async def test_stop_does_not_wait_for_a_hung_server(cluster: Cluster) -> None:
    recorder = EventRecorder(cluster, "i")
    task = asyncio.create_task(recorder.run())
    cluster.gate.clear()
    recorder.record(about(), EventType.NORMAL, "WeightSet", "10 %")
    begin = asyncio.get_running_loop().time()
    await recorder.stop(task, drain=0.1)
    assert asyncio.get_running_loop().time() - begin < 1.0
    assert task.done()


@pytest.mark.parametrize("message", ["x" * 5000, "é" * 2000, "🚢" * 2000])
async def test_messages_are_cut_to_the_servers_limit(recorder: EventRecorder, cluster: Cluster, message: str) -> None:
    recorder.record(about(), EventType.NORMAL, "WeightSet", message)
    await settle()
    (event,) = cluster.events.values()
    assert 1000 < len(event["message"].encode()) <= 1024
    assert event["message"].endswith("…")


async def test_a_cluster_scoped_objects_events_are_in_default(recorder: EventRecorder, cluster: Cluster) -> None:
    recorder.record(about("gpu", namespace=None), EventType.NORMAL, "Accepted", "ok")
    await settle()
    (event,) = cluster.events.values()
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


async def test_long_names_give_valid_event_names(recorder: EventRecorder, cluster: Cluster) -> None:
    recorder.record(about("a" * 199 + "." + "b" * 53), EventType.NORMAL, "Accepted", "ok")
    await settle()
    (name,) = cluster.events
    assert len(name) <= 253
    assert ".." not in name


async def test_events_give_way_to_work_but_not_for_long(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "GIVE_WAY_SECONDS", 0.5)
    busy = [True]
    recorder = EventRecorder(cluster, "steersman-0", clock=lambda: cluster.now, busy=lambda: busy[0])
    task = asyncio.create_task(recorder.run())
    for reason in ("WeightSet", "Promoted"):
        recorder.record(about(), EventType.NORMAL, reason, "said")
    await asyncio.sleep(0.05)
    assert not cluster.events, "work comes first"
    cluster.now += 0.5
    await asyncio.sleep(0.05)
    assert len(cluster.events) == 2, "the event is old enough"
    recorder.record(about(), EventType.NORMAL, "RolloutStarted", "said")
    await asyncio.sleep(0.05)
    assert len(cluster.events) == 2
    await recorder.stop(task)
    assert len(cluster.events) == 3, "at the end nothing gives way"
