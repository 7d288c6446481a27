"""What traffic providers render, on a real API server with the real definitions of its kinds.

Each split is written as the operator writes it, but with strict validation: a field that the schema does not know is an error.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.control_plane import ControlPlane
from cluster.errors import ClusterError
from steersman.adapters.kube.discovery import Discovery
from steersman.adapters.kube.login import kubeconfig
from steersman.adapters.kube.rest import APPLY_PATCH, MERGE_PATCH, ApiServer
from steersman.api.meta import API_VERSION, FIELD_MANAGER
from steersman.core.manifests import owned
from steersman.core.snapshot import Children, Manifest
from unit.traffic.cases import CASES, DEPLOYMENT, NAMESPACE, Case
from unit.traffic.contract import Contract, known

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACTS = known()
ABLE = [
    pytest.param(contract, case, id=f"{contract.name}-{name}")
    for contract in CONTRACTS
    for name, case in CASES.items()
    if contract.can(case)
]
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def owner(provider_kinds: ControlPlane) -> Iterator[Manifest]:
    """A ModelDeployment that the objects belong to; else they would be collected as garbage."""
    api = provider_kinds
    api.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPOSITORY / "crds"))
    api.wait("condition=Established", "customresourcedefinition/modeldeployments.steersman.dev")
    api.kubectl("create", "namespace", NAMESPACE)
    spec = {"model": {"name": "fraud", "alias": "champion"}, "traffic": {"service": {}}}
    metadata = {"name": DEPLOYMENT, "namespace": NAMESPACE}
    manifest = {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": metadata, "spec": spec}
    api.kubectl("create", "-f", "-", input=json.dumps(manifest))
    yield api.get("modeldeployment", DEPLOYMENT, "--namespace", NAMESPACE)
    api.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


class Cluster:
    """The API server as the operator sees it."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._discovery = Discovery(server)

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply as the operator's, but strict."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        return await self._send("PATCH", manifest, query=query, body=manifest, content_type=APPLY_PATCH)

    async def answer(self, manifest: Manifest, status: dict[str, Any]) -> Manifest:
        """Write a status as a controller does."""
        query = {"fieldManager": "controller"}
        body = {"status": status}
        return await self._send("PATCH", manifest, "status", query=query, body=body, content_type=MERGE_PATCH)

    async def get(self, manifest: Manifest) -> Manifest:
        """The object as it is stored."""
        return await self._send("GET", manifest)

    async def delete(self, manifest: Manifest) -> None:
        """Delete the object."""
        await self._send("DELETE", manifest)

    async def _send(self, method: str, manifest: Manifest, subresource: str | None = None, **request: Any) -> Manifest:
        resource = await self._discovery.resource(manifest["apiVersion"], manifest["kind"])
        path = resource.path(NAMESPACE, manifest["metadata"]["name"], subresource)
        return await self._server.request(method.lower(), resource.kind, method, path, **request)


@pytest.fixture
async def cluster(
    owner: Manifest, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    """Logged in by the kubeconfig."""
    monkeypatch.setenv("KUBECONFIG", os.fspath(control_plane.kubeconfig))
    configuration, _ = await kubeconfig(None)
    server = ApiServer(configuration)
    yield Cluster(server)
    await server.close()


def rendered(contract: Contract, case: Case, owner: Manifest) -> list[Manifest]:
    return [owned(manifest, owner) for manifest in contract.provider.render(contract.intent(case))]


def accepted(contract: Contract, manifest: Manifest) -> Manifest:
    """The object with its controller's word; what has no generation, like a Service, gets none."""
    return contract.accept(copy.deepcopy(manifest)) if "generation" in manifest["metadata"] else manifest


def dated(status: Any) -> Any:
    """The status with the times that real controllers write and unit tests leave out."""
    if isinstance(status, list):
        return [dated(item) for item in status]
    if not isinstance(status, dict):
        return status
    found = {key: dated(value) for key, value in status.items()}
    return {"lastTransitionTime": LONG_AGO, **found} if {"type", "status"} <= found.keys() else found


@pytest.mark.parametrize(("contract", "case"), ABLE)
async def test_the_api_server_takes_and_keeps_every_split(
    contract: Contract, case: Case, owner: Manifest, cluster: Cluster
) -> None:
    """And a second write of the same changes nothing; and with its controller's word, the split is settled."""
    manifests = rendered(contract, case, owner)
    try:
        for manifest in manifests:
            versions = [(await cluster.apply(manifest))["metadata"]["resourceVersion"] for _ in range(3)]
            # The definition of HTTPProxy has a default for the status, which is stored by the first write after creation.
            assert len(set(versions[manifest["kind"] == "HTTPProxy" :])) == 1
        stored = [await cluster.get(manifest) for manifest in manifests]
        before = contract.provider.read(contract.intent(case), Children([*stored, *contract.beside]))
        assert not before.rejected and before.settled is not contract.answers, before.message
        for manifest in stored:
            answer = accepted(contract, manifest).get("status")
            if contract.answers and answer:
                await cluster.answer(manifest, dated(answer))
        answered = [await cluster.get(manifest) for manifest in manifests]
        state = contract.provider.read(contract.intent(case), Children([*answered, *contract.beside]))
        assert state.settled, state.message
    finally:
        for manifest in manifests:
            await cluster.delete(manifest)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
async def test_each_split_leaves_nothing_of_the_one_before(
    contract: Contract, owner: Manifest, cluster: Cluster
) -> None:
    """From case to case over the same objects: what is not rendered any more is gone after the write."""
    cases = [case for case in CASES.values() if contract.can(case)]
    there: dict[tuple[str, str], Manifest] = {}
    try:
        for case in [*cases, *reversed(cases)]:
            manifests = {(m["kind"], m["metadata"]["name"]): m for m in rendered(contract, case, owner)}
            for manifest in manifests.values():
                await cluster.apply(manifest)
            for key in there.keys() - manifests.keys():
                await cluster.delete(there[key])
            there = manifests
            stored = [await cluster.get(manifest) for manifest in manifests.values()]
            children = Children([*(accepted(contract, manifest) for manifest in stored), *contract.beside])
            state = contract.provider.read(contract.intent(case), children)
            assert state.settled, (case, state.message)
    finally:
        for manifest in there.values():
            await cluster.delete(manifest)


@pytest.mark.parametrize(
    ("provider", "annotation", "refused"),
    [
        ("nginx", "nginx.ingress.kubernetes.io/canary-weight", True),
        ("nginx", "nginx.ingress.kubernetes.io/affinity", True),
        ("nginx", "nginx.ingress.kubernetes.io/proxy-body-size", False),
        ("alb", "alb.ingress.kubernetes.io/actions.fraud-split", True),
        ("alb", "alb.ingress.kubernetes.io/scheme", False),
    ],
)
def test_annotations_that_would_make_weights_wrong_are_refused(
    provider: str, annotation: str, refused: bool, owner: Manifest, control_plane: ControlPlane
) -> None:
    traffic = {provider: {"hosts": ["fraud.example.com"], "annotations": {annotation: "x"}}}
    metadata = {"name": "annotated", "namespace": NAMESPACE}
    manifest = {**owner, "metadata": metadata, "spec": {**owner["spec"], "traffic": traffic}}
    words = ("create", "--dry-run=server", "-f", "-")
    if refused:
        with pytest.raises(ClusterError, match="must not begin with"):
            control_plane.kubectl(*words, input=json.dumps(manifest))
    else:
        control_plane.kubectl(*words, input=json.dumps(manifest))


async def test_validation_is_strict(owner: Manifest, cluster: Cluster) -> None:
    """The other tests mean something."""
    contract = next(contract for contract in CONTRACTS if contract.name == "istio")
    (manifest,) = rendered(contract, CASES["canary"], owner)
    manifest["spec"]["http"][0]["route"][0]["wieght"] = 1
    with pytest.raises(Exception, match=r'unknown field "spec\.http\[0\]\.route\[0\]\.wieght"|field not declared'):
        await cluster.apply(manifest)
