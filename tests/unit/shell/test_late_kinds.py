"""Kinds that are served later join those that kopf watches, once, and only after kopf's own first look."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kopf._cogs.structs.references import Insights

from steersman.ports import NotFound
from steersman.shell.kinds import OWNED, watched
from steersman.shell.late_kinds import LateKinds
from steersman.shell.store import Store
from steersman.shell.sync import synchronize


def proxy(name: str = "fraud", version: str = "1") -> dict:
    metadata = {"name": name, "namespace": "risk", "uid": name, "resourceVersion": version}
    return {"apiVersion": "projectcontour.io/v1", "kind": "HTTPProxy", "metadata": metadata, "spec": {}}


@pytest.fixture
def insights() -> Insights:
    return Insights()


@pytest.fixture
def store(insights: Insights) -> Store:
    made = Store()
    made.listen(LateKinds(OWNED, insights).seen)
    return made


async def told(insights: Insights) -> int:
    """How often kopf hears of news until nothing more is under way."""
    count = 0

    async def listen() -> None:
        nonlocal count
        async with insights.revised:
            while True:
                await insights.revised.wait()
                count += 1

    task = asyncio.create_task(listen())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return count


async def test_the_first_object_of_a_kind_begins_its_watch_and_the_next_do_not(
    insights: Insights, store: Store
) -> None:
    insights.ready_resources.set()
    listening = asyncio.create_task(told(insights))
    await asyncio.sleep(0)
    store.put(proxy("a"))
    store.put(proxy("b"))
    assert await listening == 1
    (resource,) = insights.watched_resources
    assert (*resource, resource.namespaced) == ("projectcontour.io", "v1", "httpproxies", True)
    listening = asyncio.create_task(told(insights))
    await asyncio.sleep(0)
    store.put(proxy("a", "2"))
    assert await listening == 0


async def test_what_is_found_before_kopf_has_looked_is_left_to_it(insights: Insights, store: Store) -> None:
    store.put(proxy())
    await told(insights)
    assert not insights.watched_resources


async def test_objects_of_other_kinds_do_not_matter(insights: Insights, store: Store) -> None:
    insights.ready_resources.set()
    store.put({**proxy(), "kind": "ConfigMap"})
    await told(insights)
    assert not insights.watched_resources


class Served:
    """An API server that serves some kinds, each with one object."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.asked: list[tuple[str, str | None]] = []

    async def list_at(
        self, api_version: str, kind: str, namespace: str | None = None, labels: object = None
    ) -> tuple[list[dict[str, Any]], str]:
        self.asked.append((kind, namespace))
        if kind not in self.kinds:
            raise NotFound(kind)
        metadata = {"name": "x", "namespace": namespace or "risk", "uid": "x", "resourceVersion": "1"}
        return [{"metadata": metadata}], "1"


async def test_a_kind_that_is_not_served_is_asked_for_once_and_named() -> None:
    client, store = Served("Deployment", "Service"), Store()
    unserved = await synchronize(client, store, OWNED, ("risk", "shop"))  # type: ignore[arg-type]
    assert {kind.kind for kind in unserved} == {kind.kind for kind in OWNED} - {"Deployment", "Service"}
    assert client.asked.count(("HTTPProxy", "risk")) == 1 and ("HTTPProxy", "shop") not in client.asked
    assert store.count("Deployment") == 2


def test_every_kind_is_watched_once() -> None:
    kinds = watched(cluster_wide=True)
    assert len({kind.kind for kind in kinds}) == len({(kind.group, kind.plural) for kind in kinds}) == len(kinds)
