"""The simulated pods and Gateway report what their Deployments and routes ask for, once."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import pytest

from simulation import Api, Gateway, Pods
from steersman.ports import NotFound


class StatusStore:
    """The part of an API server that the simulation writes to."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes: list[dict[str, Any]] = []

    def put(self, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        old = self.objects.get(name, {"metadata": {"generation": 0}})
        generation = old["metadata"]["generation"] + 1
        metadata = {"name": name, "namespace": "risk", "uid": name, "generation": generation}
        self.objects[name] = {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": metadata,
            "spec": spec,
            "status": old.get("status", {}),
        }
        return copy.deepcopy(self.objects[name])

    async def patch_status(self, plural: str, manifest: dict[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        if manifest["metadata"]["name"] not in self.objects:
            raise NotFound("gone")
        found = self.objects[manifest["metadata"]["name"]]
        found["status"] = {**found["status"], **status}
        self.writes.append(dict(status))
        return copy.deepcopy(found)

    async def follow(self, *_: object, **__: object) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        await asyncio.Event().wait()
        yield "", {}


@pytest.fixture
def store() -> StatusStore:
    return StatusStore()


@pytest.fixture
async def pods(store: StatusStore) -> AsyncIterator[Pods]:
    async with Pods(cast("Api", store)) as running:
        yield running


@pytest.fixture
async def gateway(store: StatusStore) -> AsyncIterator[Gateway]:
    async with Gateway(cast("Api", store)) as running:
        yield running


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def ready(store: StatusStore, name: str) -> tuple[int, int, int]:
    status = store.objects[name]["status"]
    return status["replicas"], status["availableReplicas"], status["observedGeneration"]


async def test_pods_are_there_first_and_ready_next(store: StatusStore, pods: Pods) -> None:
    pods.seen("ADDED", store.put("Deployment", "a", {"replicas": 2}))
    await settle()
    assert [(write["replicas"], write["readyReplicas"]) for write in store.writes] == [(2, 0), (2, 2)]
    assert ready(store, "a") == (2, 2, 1)
    pods.seen("MODIFIED", copy.deepcopy(store.objects["a"]))
    await settle()
    assert len(store.writes) == 2
    pods.seen("MODIFIED", store.put("Deployment", "a", {"replicas": 1}))
    await settle()
    assert ready(store, "a") == (1, 1, 2)


async def test_pods_of_a_limited_revision_stay_unready_until_healed(store: StatusStore, pods: Pods) -> None:
    pods.seen("ADDED", store.put("Deployment", "fraud-v1-x", {"replicas": 2}))
    pods.limit("fraud-v2-*")
    pods.seen("ADDED", store.put("Deployment", "fraud-v2-x", {"replicas": 2}))
    await settle()
    assert (ready(store, "fraud-v1-x"), ready(store, "fraud-v2-x")) == ((2, 2, 1), (2, 0, 1))
    pods.heal("fraud-v2-*")
    await settle()
    assert ready(store, "fraud-v2-x") == (2, 2, 1)
    pods.limit("fraud-v1-x", ready=1)
    await settle()
    assert ready(store, "fraud-v1-x") == (2, 1, 1)


async def test_a_deleted_deployment_is_forgotten(store: StatusStore, pods: Pods) -> None:
    manifest = store.put("Deployment", "a", {"replicas": 1})
    del store.objects["a"]
    pods.seen("ADDED", manifest)
    await settle()
    pods.seen("DELETED", manifest)
    assert store.writes == []


def route(store: StatusStore, *weights: int) -> dict[str, Any]:
    backends = [{"name": f"r{number}", "weight": weight} for number, weight in enumerate(weights)]
    spec = {"parentRefs": [{"name": "one"}, {"name": "two"}], "rules": [{"backendRefs": backends}]}
    return store.put("HTTPRoute", "fraud", spec)


async def test_a_route_is_accepted_by_each_parent_for_each_generation(store: StatusStore, gateway: Gateway) -> None:
    gateway.seen("ADDED", route(store, 100))
    await settle()
    gateway.seen("MODIFIED", copy.deepcopy(store.objects["fraud"]))
    gateway.seen("MODIFIED", route(store, 80, 20))
    await settle()
    assert len(store.writes) == 2
    parents = store.writes[-1]["parents"]
    assert [parent["parentRef"]["name"] for parent in parents] == ["one", "two"]
    assert {c["type"]: (c["status"], c["observedGeneration"]) for c in parents[0]["conditions"]} == {
        "Accepted": ("True", 2),
        "ResolvedRefs": ("True", 2),
    }
    assert [dict(sight.weights) for sight in gateway.sights] == [{"r0": 100}, {"r0": 80, "r1": 20}]


async def test_a_split_can_be_waited_for(store: StatusStore, gateway: Gateway) -> None:
    waiting = asyncio.create_task(gateway.until("risk", "fraud", lambda weights: weights.get("r1") == 20))
    gateway.seen("ADDED", route(store, 100))
    await settle()
    assert not waiting.done()
    gateway.seen("MODIFIED", route(store, 80, 20))
    assert (await waiting).weights == {"r0": 80, "r1": 20}


async def test_a_route_can_be_refused_or_not_answered(store: StatusStore, gateway: Gateway) -> None:
    gateway.deaf.add("fr*")
    gateway.seen("ADDED", route(store, 100))
    await settle()
    assert store.writes == []
    gateway.deaf.clear()
    gateway.refused.add("fraud")
    gateway.reconsider()
    await settle()
    conditions = store.writes[-1]["parents"][0]["conditions"]
    assert {c["type"]: c["status"] for c in conditions} == {"Accepted": "False", "ResolvedRefs": "True"}
