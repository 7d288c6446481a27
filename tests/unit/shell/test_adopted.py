"""Watches of adopted routes, and what the reconciler writes to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.ports import ApiError, Conflict, NotFound
from steersman.shell import adopted as adopted_module
from steersman.shell.adopted import AdoptedRoutes
from steersman.shell.queue import Key
from steersman.shell.reconciler import NotLeader
from unit.core.world import gateway_spec
from unit.shell.memory_cluster import MemoryCluster
from unit.shell.test_reconciler import KEY, Bench

GROUP = "gateway.networking.k8s.io/v1"
OTHER: Key = ("risk", "churn")


_YES = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Accepted", "ResolvedRefs")]
ACCEPTED = {"parents": [{"conditions": _YES}]}


def spec(name: str | None = "shop", kind: str = "HTTPRoute") -> ModelDeploymentSpec:
    traffic = {"gatewayAPI": {"kind": kind, "adopt": {"name": name}}} if name else {"service": {}}
    return ModelDeploymentSpec.model_validate({**gateway_spec(), "traffic": traffic})


def route(*services: str, kind: str = "HTTPRoute", name: str = "shop") -> dict[str, Any]:
    rules = [{"backendRefs": [{"name": service, "port": 80}]} for service in services]
    metadata = {"name": name, "namespace": "risk", "generation": 1}
    return {"apiVersion": GROUP, "kind": kind, "metadata": metadata, "spec": {"parentRefs": [{}], "rules": rules}}


async def until(check: Callable[[], Any]) -> None:
    """Let everything else run until something holds."""
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110 (what runs beside sets no event)
            await asyncio.sleep(0)


class Followed:
    """Adopted routes over a cluster in memory, and the keys that were enqueued."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.woken: list[Key] = []
        self.routes = AdoptedRoutes(self.cluster, self.woken.append)

    async def version(self, key: Key = KEY, wanted: ModelDeploymentSpec | None = None) -> str | None:
        found = await self.routes.of(key, wanted or spec())
        return found[0]["metadata"]["resourceVersion"] if found else None

    async def until(self, version: str | None) -> None:
        async with asyncio.timeout(5):
            while await self.version() != version:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def watched(self, count: int) -> None:
        await until(lambda: len(self.cluster.watches) == count)


@pytest.fixture
async def followed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Followed]:
    monkeypatch.setattr(adopted_module, "RETRY_SECONDS", (0.0, 0.0))
    made = Followed()
    yield made
    await made.routes.close()
    assert made.cluster.watches == []


async def test_a_route_is_read_once_and_then_watched(followed: Followed) -> None:
    followed.cluster.put(route("fraud"))
    assert await followed.version() == "1"
    await followed.watched(1)
    followed.woken.clear()
    followed.cluster.put({**route("cart"), "metadata": {**route()["metadata"], "uid": "uid-1"}})
    await followed.until("2")
    assert followed.woken == [KEY]
    assert followed.cluster.lists == ["HTTPRoute"]


async def test_a_route_that_comes_later_and_goes(followed: Followed) -> None:
    assert await followed.version() is None
    await followed.watched(1)
    followed.cluster.put(route("fraud"))
    await followed.until("1")
    followed.cluster.remove("HTTPRoute", "risk", "shop")
    await followed.until(None)
    assert followed.woken == [KEY, KEY]


async def test_what_is_no_longer_adopted_is_no_longer_watched(followed: Followed) -> None:
    followed.cluster.put(route("fraud"))
    await followed.version()
    await followed.watched(1)
    assert await followed.routes.of(KEY, spec(None)) == []
    await followed.watched(0)


async def test_another_name_another_watch(followed: Followed) -> None:
    followed.cluster.put(route("fraud", name="store"))
    assert await followed.version() is None
    assert await followed.version(wanted=spec("store")) == "1"
    await followed.watched(1)
    assert followed.cluster.watches[0][0] == ("HTTPRoute", "risk", "store")


async def test_two_that_adopt_one_route_share_its_watch(followed: Followed) -> None:
    followed.cluster.put(route("fraud", "churn"))
    assert await followed.version() == await followed.version(OTHER) == "1"
    await followed.watched(1)
    followed.woken.clear()
    followed.cluster.put({**route("fraud", "churn"), "metadata": {**route()["metadata"], "uid": "uid-1"}})
    await followed.until("2")
    assert sorted(followed.woken) == sorted([KEY, OTHER])
    followed.routes.drop(KEY)
    await followed.watched(1)
    followed.routes.drop(OTHER)
    await followed.watched(0)


async def test_a_watch_that_ended_goes_on_where_it_was(followed: Followed) -> None:
    followed.cluster.put(route("fraud"))
    await followed.version()
    await followed.watched(1)
    first = followed.cluster.watches[0]
    first[1].put_nowait(None)
    await until(lambda: followed.cluster.watches and followed.cluster.watches[0] is not first)
    assert followed.cluster.lists == ["HTTPRoute"]


@pytest.mark.parametrize("trouble", [ApiError(410, "too old"), ApiError(0, "no answer"), ValueError("a mistake")])
async def test_a_watch_that_failed_is_taken_up_again(followed: Followed, trouble: Exception) -> None:
    """With a list, so that nothing in between is missed; what was known is kept until then."""
    followed.cluster.put(route("fraud"))
    await followed.version()
    await followed.watched(1)
    key, events = followed.cluster.watches[0]
    followed.cluster.watches.clear()
    followed.cluster.put({**route("cart"), "metadata": {**route()["metadata"], "uid": "uid-1"}})
    followed.cluster.watches.append((key, events))
    assert await followed.version() == "1"
    events.put_nowait(trouble)
    await followed.until("2")
    assert followed.cluster.lists == ["HTTPRoute", "HTTPRoute"]


async def test_a_route_that_cannot_be_read_is_an_error_until_it_can(followed: Followed) -> None:
    """It is not taken for missing, and no worker waits for it."""
    followed.cluster.put(route("fraud"))
    followed.cluster.unreadable["HTTPRoute"] = ApiError(403, "forbidden")
    for _ in range(2):
        with pytest.raises(ApiError, match="forbidden"):
            await followed.version()
    followed.cluster.unreadable.clear()
    await followed.watched(1)
    assert await followed.version() == "1"


async def test_a_kind_that_is_not_served_is_a_missing_route(followed: Followed) -> None:
    followed.cluster.unreadable["GRPCRoute"] = NotFound("the server could not find the requested resource")
    assert await followed.version(wanted=spec(kind="GRPCRoute")) is None


async def test_older_sights_do_not_replace_newer_ones(followed: Followed) -> None:
    first = followed.cluster.put(route("fraud"))
    await followed.version()
    newer = {**first, "metadata": {**first["metadata"], "resourceVersion": "9"}}
    followed.routes.put(newer)
    followed.routes.put(first)
    assert await followed.version() == "9"
    followed.routes.put({**newer, "metadata": {**newer["metadata"], "name": "somebody-elses"}})
    assert await followed.version() == "9"


class AdoptingBench(Bench):
    """A healthy ModelDeployment that adopts a route."""

    def __init__(self, *services: str) -> None:
        super().__init__(gateway_spec(analysis={}, traffic={"gatewayAPI": {"adopt": {"name": "shop"}}}))
        self.cluster.put({**route(*services), "status": ACCEPTED})

    async def healthy(self) -> None:
        await self.settle()
        for manifest in self.of_kind("Deployment"):
            replicas = manifest["spec"]["replicas"]
            status = {"replicas": replicas, "availableReplicas": replicas, "observedGeneration": 1}
            self.store.put(self.cluster.put({**manifest, "status": status}))
        await self.settle()
        for manifest in self.of_kind("HTTPRoute"):
            if manifest["metadata"]["name"] == "fraud-adoption":
                self.store.put(self.cluster.put({**manifest, "status": ACCEPTED}))
        await self.settle()

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [manifest for (there, _, _), manifest in self.cluster.objects.items() if there == kind]

    @property
    def route(self) -> dict[str, Any]:
        return self.cluster.objects["HTTPRoute", "risk", "shop"]

    def split(self, rule: int = 0) -> dict[str, int]:
        return {ref["name"]: ref.get("weight", 1) for ref in self.route["spec"]["rules"][rule]["backendRefs"]}


async def test_the_adopted_route_gets_the_split_once_the_proxy_knows_the_services() -> None:
    bench = AdoptingBench("cart", "fraud")
    await bench.healthy()
    assert bench.status.stable is not None
    assert bench.split(1) == {bench.status.stable.name: 100}
    assert bench.split(0) == {"cart": 1}
    writes = bench.cluster.writes
    assert writes.count("patch HTTPRoute") == writes.count("apply HTTPRoute") == 1
    front = bench.cluster.objects["Service", "risk", "fraud"]
    assert front["spec"]["selector"]["steersman.dev/revision"] == bench.status.stable.name
    assert writes.index("patch HTTPRoute") > writes.index("apply HTTPRoute") > writes.index("apply Service")
    await bench.adopted.close()


async def test_an_owner_who_applies_again_is_followed() -> None:
    bench = AdoptingBench("fraud")
    await bench.healthy()
    bench.cluster.put({**bench.route, "spec": route("cart", "fraud")["spec"]})
    bench.woken.clear()
    await until(lambda: KEY in bench.woken)
    await bench.settle(1)
    assert bench.status.stable is not None
    assert (bench.split(0), bench.split(1)) == ({"cart": 1}, {bench.status.stable.name: 100})
    await bench.adopted.close()


async def test_a_route_that_was_changed_meanwhile_is_planned_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 0 becomes rule 1 between plan and patch: the patch must not land on the wrong one."""
    bench = AdoptingBench("fraud")
    await bench.healthy()
    bench.woken.clear()
    bench.cluster.put({**bench.route, "spec": route("fraud")["spec"]})
    await until(lambda: KEY in bench.woken)
    patch = bench.cluster.json_patch

    async def overtaken(*arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(bench.cluster, "json_patch", patch)
        bench.cluster.put({**bench.route, "spec": route("cart", "fraud")["spec"]})
        return await patch(*arguments)

    monkeypatch.setattr(bench.cluster, "json_patch", overtaken)
    with pytest.raises(Conflict):
        await bench.settle(1)
    assert bench.split(0) == {"cart": 1}
    await bench.settle(1)
    assert bench.status.stable is not None
    assert (bench.split(0), bench.split(1)) == ({"cart": 1}, {bench.status.stable.name: 100})
    await bench.adopted.close()


async def test_a_refused_patch_is_said() -> None:
    bench = AdoptingBench("fraud")
    await bench.healthy()
    bench.adopted.put(bench.cluster.put({**bench.route, "spec": route("fraud")["spec"]}))
    bench.cluster.refuse.add("HTTPRoute")
    with pytest.raises(ApiError, match="HTTPRoute shop could not be written: forbidden by policy"):
        await bench.settle(1)
    assert Reason.APPLY_FAILED in bench.reasons()
    await bench.adopted.close()


async def test_nothing_is_patched_without_the_lease() -> None:
    bench = AdoptingBench("fraud")
    await bench.healthy()
    before = bench.cluster.put({**bench.route, "spec": route("fraud")["spec"]})
    bench.adopted.put(before)
    bench.leader = False
    with pytest.raises(NotLeader):
        await bench.settle(1)
    assert bench.split() == {"fraud": 1}
    await bench.adopted.close()


async def test_a_deleted_model_deployment_is_no_longer_followed() -> None:
    bench = AdoptingBench("fraud")
    await bench.healthy()
    assert len(bench.cluster.watches) == 1
    manifest = bench.store.get("ModelDeployment", *KEY)
    assert manifest is not None
    bench.store.remove(manifest)
    await bench.reconciler.reconcile(KEY)
    await until(lambda: not bench.cluster.watches)
