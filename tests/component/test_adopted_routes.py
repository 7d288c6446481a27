"""Adopted routes on a real API server with the real definitions: who owns what, and what is seen when."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cluster.control_plane import ControlPlane
from cluster.errors import ClusterError
from steersman.adapters.kube.client import AioKubeClient, connect
from steersman.adapters.traffic import provider_for
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent
from steersman.ports import ApiError, Conflict
from steersman.shell.adopted import AdoptedRoutes
from steersman.shell.queue import Key

V1, V2 = "fraud-v1-0a1b2c3d", "fraud-v2-11111111"
SPEC = ModelDeploymentSpec.model_validate(
    {"model": {"name": "fraud", "alias": "champion"}, "traffic": {"gatewayAPI": {"adopt": {"name": "shop"}}}}
)


ACCEPTED = {"parents": [{"conditions": [{"type": kind, "status": "True"} for kind in ("Accepted", "ResolvedRefs")]}]}


class Owner:
    """Whoever wrote the route, and what they see."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._api = control_plane
        self.namespace = namespace

    def manifest(self, *paths: str) -> Manifest:
        """A route with a rule for each path that names the ModelDeployment, after one of the owner's own."""
        rules: list[dict[str, Any]] = [{"backendRefs": [{"name": "shop", "port": 8080}]}]
        for path in paths or ("/fraud",):
            match = {"path": {"type": "PathPrefix", "value": path}}
            rules.append({"matches": [match], "backendRefs": [{"name": "fraud", "port": 80}]})
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "shop", "namespace": self.namespace},
            "spec": {"parentRefs": [{"name": "public"}], "rules": rules},
        }

    def apply(self, manifest: Manifest, *arguments: str) -> None:
        self._api.kubectl("apply", *arguments, "-f", "-", input=json.dumps(manifest))

    def route(self) -> Manifest:
        return self._api.get("httproute", "shop", "--namespace", self.namespace, "--show-managed-fields")

    def refs(self, rule: int = 1) -> dict[str, int]:
        return {ref["name"]: ref["weight"] for ref in self.route()["spec"]["rules"][rule]["backendRefs"]}

    def delete(self) -> None:
        self._api.kubectl("delete", "httproute", "shop", "--namespace", self.namespace)


@pytest.fixture
def owner(provider_kinds: ControlPlane) -> Iterator[Owner]:
    name = f"adopted-{uuid.uuid4().hex[:8]}"
    provider_kinds.kubectl("create", "namespace", name)
    yield Owner(provider_kinds, name)
    provider_kinds.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def kube(provider_kinds: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AioKubeClient]:
    monkeypatch.setenv("KUBECONFIG", str(provider_kinds.kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    async with await connect() as client:
        yield client


class Adopter:
    """The operator's part: what it knows of the route, and its patches."""

    def __init__(self, kube: AioKubeClient, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self.woken: asyncio.Queue[Key] = asyncio.Queue()
        self.routes = AdoptedRoutes(kube, self.woken.put_nowait)

    async def known(self) -> Manifest | None:
        found = await self.routes.of((self._namespace, "fraud"), SPEC)
        return found[0] if found else None

    async def split(self, v1: int) -> int:
        """Give the route a split, as far as it is known; how many patches that took."""
        weights = ((V1, v1), (V2, 100 - v1))
        intent = TrafficIntent(self._namespace, "fraud", SPEC.traffic, weights, adopted=await self.known())
        provider = provider_for(SPEC.traffic)
        keeper = {**provider.render(intent)[-1], "status": ACCEPTED}
        patches = provider.patches(intent, Children([keeper]))
        for patch in patches:
            written = await self._kube.json_patch(
                patch.api_version, patch.kind, self._namespace, patch.name, patch.operations
            )
            self.routes.put(written)
        return len(patches)

    async def until_woken(self) -> Manifest | None:
        async with asyncio.timeout(30):
            await self.woken.get()
        return await self.known()


@pytest.fixture
async def adopter(kube: AioKubeClient, owner: Owner) -> AsyncIterator[Adopter]:
    made = Adopter(kube, owner.namespace)
    yield made
    await made.routes.close()


def without_refs(manifest: Manifest) -> dict[str, Any]:
    spec = json.loads(json.dumps(manifest["spec"]))
    for rule in spec["rules"][1:]:
        del rule["backendRefs"]
    return spec


async def test_only_the_refs_change(owner: Owner, adopter: Adopter) -> None:
    owner.apply(owner.manifest("/a", "/b"))
    before = owner.route()
    assert await adopter.split(80) == 1
    assert owner.refs(1) == owner.refs(2) == {V1: 80, V2: 20}
    after = owner.route()
    assert without_refs(after) == without_refs(before)
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert await adopter.split(80) == 0


async def test_the_owner_is_seen_at_once_and_followed(owner: Owner, adopter: Adopter) -> None:
    """By `kubectl apply`, which sets the refs back, and by an edit of something else, which does not."""
    owner.apply(owner.manifest())
    await adopter.split(80)
    owner.apply(owner.manifest())
    seen: list[str] = []
    while seen != ["fraud"]:
        known = await adopter.until_woken()
        assert known is not None
        seen = [ref["name"] for ref in known["spec"]["rules"][1]["backendRefs"]]
    assert await adopter.split(80) == 1
    assert owner.refs() == {V1: 80, V2: 20}


async def test_a_route_that_goes_and_comes(owner: Owner, adopter: Adopter) -> None:
    assert await adopter.known() is None
    owner.apply(owner.manifest())
    assert await adopter.until_woken() is not None
    owner.delete()
    assert await adopter.until_woken() is None


async def test_what_the_owner_changed_meanwhile_is_never_overwritten(owner: Owner, adopter: Adopter) -> None:
    owner.apply(owner.manifest())
    stale = await adopter.known()
    assert stale is not None
    owner.apply(owner.manifest("/other", "/fraud"))
    await adopter.routes.close()
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": stale["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/spec/rules/1/backendRefs", "value": [{"name": V1, "port": 80}]},
    ]
    with pytest.raises(Conflict):
        await adopter._kube.json_patch(stale["apiVersion"], "HTTPRoute", owner.namespace, "shop", operations)
    assert set(owner.refs(1)) == {"fraud"}
    current = owner.route()["metadata"]["resourceVersion"]
    refused = [{**operations[0], "value": current}, {**operations[1], "value": "no list"}]
    with pytest.raises(ApiError, match="backendRefs"):
        await adopter._kube.json_patch(stale["apiVersion"], "HTTPRoute", owner.namespace, "shop", refused)


async def test_rules_are_one_field_to_server_side_apply(owner: Owner, adopter: Adopter) -> None:
    """Why a weight cannot be applied by itself, and what the owner has to say (docs/decisions/0009-adopted-routes.md)."""
    owner.apply(owner.manifest(), "--server-side", "--field-manager=owner")
    await adopter.split(80)
    entries = owner.route()["metadata"]["managedFields"]
    fields = {entry["manager"]: entry["fieldsV1"] for entry in entries if "subresource" not in entry}
    assert fields["steersman"] == {"f:spec": {"f:rules": {}}}
    assert "f:rules" not in fields["owner"]["f:spec"]
    with pytest.raises(ClusterError, match="force-conflicts"):
        owner.apply(owner.manifest(), "--server-side", "--field-manager=owner")
    assert owner.refs() == {V1: 80, V2: 20}
    owner.apply(owner.manifest(), "--server-side", "--field-manager=owner", "--force-conflicts")
    assert set(owner.refs()) == {"fraud"}
