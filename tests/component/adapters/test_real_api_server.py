"""The Kubernetes client, the user's client, events and the Lease against a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.adapters.kube.client import AioKubeClient, connect
from steersman.adapters.kube.events import EventRecorder, EventType, Outcome
from steersman.adapters.kube.lease import Durations, LeaderElector
from steersman.adapters.kube.user import UserClient, connect_user
from steersman.ports import NO_VERSION, ApiError, Conflict, Manifest, NotFound

REPOSITORY = Path(__file__).resolve().parents[3]
MD = ("steersman.dev/v1alpha1", "ModelDeployment")


@pytest.fixture(scope="module")
def crds(control_plane: Any) -> Any:
    """The control plane with our CRDs."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPOSITORY / "crds"))
    control_plane.wait("condition=Established", "customresourcedefinition/modeldeployments.steersman.dev")
    return control_plane


@pytest.fixture
def namespace(crds: Any) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"adapters-{uuid.uuid4().hex[:8]}"
    crds.kubectl("create", "namespace", name)
    yield name
    crds.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def kube(control_plane: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AioKubeClient]:
    """A client logged in by the kubeconfig."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    async with await connect() as client:
        yield client


@pytest.fixture
async def user(control_plane: Any, kube: AioKubeClient, namespace: str) -> AsyncIterator[UserClient]:
    """The command line's client in the test's namespace."""
    async with await connect_user(namespace=namespace) as client:
        yield client


def config_map(namespace: str, name: str = "c", **data: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def model_deployment(namespace: str, name: str = "fraud") -> Manifest:
    return {
        "apiVersion": MD[0],
        "kind": MD[1],
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"name": "fraud-classifier", "alias": "champion"}, "runtime": {"name": "mlflow"}},
    }


async def test_apply_owns_its_fields_and_removes_what_it_leaves_out(kube: AioKubeClient, namespace: str) -> None:
    await kube.create(config_map(namespace, theirs="1"))
    applied = await kube.apply(config_map(namespace, a="1", b="2"))
    assert applied["data"] == {"theirs": "1", "a": "1", "b": "2"}
    again = await kube.apply(config_map(namespace, a="1", b="2"))
    assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]
    less = await kube.apply(config_map(namespace, a="3"))
    assert less["data"] == {"theirs": "1", "a": "3"}
    managers = {(field["manager"], field["operation"]) for field in less["metadata"]["managedFields"]}
    assert ("steersman", "Apply") in managers


async def test_apply_takes_fields_over_from_others(kube: AioKubeClient, crds: Any, namespace: str) -> None:
    crds.apply([config_map(namespace, a="theirs")])
    assert (await kube.apply(config_map(namespace, a="ours")))["data"] == {"a": "ours"}


async def test_an_apply_is_guarded_by_version_and_uid(kube: AioKubeClient, namespace: str) -> None:
    def guarded(value: str, **guard: str) -> Manifest:
        wanted = config_map(namespace, a=value)
        return {**wanted, "metadata": {**wanted["metadata"], **guard}}

    first = await kube.apply(guarded("1", resourceVersion=NO_VERSION))
    with pytest.raises(Conflict):
        await kube.apply(guarded("2", resourceVersion=NO_VERSION))
    seen = {field: first["metadata"][field] for field in ("uid", "resourceVersion")}
    second = await kube.apply(guarded("2", **seen))
    assert second["data"] == {"a": "2"}
    with pytest.raises(Conflict):
        await kube.apply(guarded("3", **seen))
    with pytest.raises(Conflict):
        await kube.delete("v1", "ConfigMap", namespace, "c", **_ids(seen))
    await kube.delete("v1", "ConfigMap", namespace, "c", **_ids(second["metadata"]))
    with pytest.raises(Conflict):
        # Nor does it come to life again.
        await kube.apply(guarded("4", **{field: second["metadata"][field] for field in seen}))
    await kube.delete("v1", "ConfigMap", namespace, "c", **_ids(seen))


def _ids(metadata: dict[str, str]) -> dict[str, str]:
    return {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"]}


async def test_status_is_guarded_and_separate_from_spec(kube: AioKubeClient, namespace: str) -> None:
    created = await kube.create(model_deployment(namespace))
    changed = {**created, "spec": {"model": {"name": "other", "alias": "x"}}, "status": {"observedGeneration": 1}}
    written = await kube.replace_status(changed)
    assert written["status"] == {"observedGeneration": 1}
    assert written["spec"]["model"]["name"] == "fraud-classifier"
    with pytest.raises(Conflict):
        await kube.replace_status({**created, "status": {"observedGeneration": 2}})
    await kube.delete(*MD, namespace, "fraud")
    with pytest.raises(NotFound):
        await kube.replace_status(written)


async def test_an_annotation_is_removed_only_while_it_is_the_same(kube: AioKubeClient, namespace: str) -> None:
    key = "steersman.dev/action"
    body = model_deployment(namespace)
    body["metadata"]["annotations"] = {key: "promote", "other": "kept"}
    seen = await kube.create(body)
    patch = {"metadata": {"annotations": {key: "abort"}}}
    changed = await kube.merge_patch(*MD, namespace, "fraud", patch)
    await kube.remove_annotation(seen, key)
    assert (await kube.get(*MD, namespace, "fraud"))["metadata"]["annotations"] == {key: "abort", "other": "kept"}
    await kube.remove_annotation(changed, key)
    assert (await kube.get(*MD, namespace, "fraud"))["metadata"]["annotations"] == {"other": "kept"}
    await kube.remove_annotation(changed, key)
    await kube.delete(*MD, namespace, "fraud")
    await kube.remove_annotation(changed, key)


async def test_delete_only_that_uid(kube: AioKubeClient, namespace: str) -> None:
    first = await kube.create(config_map(namespace))
    await kube.delete("v1", "ConfigMap", namespace, "c", uid=first["metadata"]["uid"])
    second = await kube.create(config_map(namespace))
    await kube.delete("v1", "ConfigMap", namespace, "c", uid=first["metadata"]["uid"])
    assert (await kube.get("v1", "ConfigMap", namespace, "c"))["metadata"]["uid"] == second["metadata"]["uid"]
    await kube.delete("v1", "ConfigMap", namespace, "c")
    await kube.delete("v1", "ConfigMap", namespace, "c")
    with pytest.raises(NotFound):
        await kube.get("v1", "ConfigMap", namespace, "c")


async def test_lists_by_label_across_pages_and_namespaces(
    kube: AioKubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steersman.adapters.kube.client.PAGE_SIZE", 3)
    for number in range(7):
        body = config_map(namespace, f"c{number}")
        body["metadata"]["labels"] = {"steersman.dev/deployment": namespace}
        await kube.create(body)
    await kube.create(config_map(namespace, "unlabelled"))
    labels = {"steersman.dev/deployment": namespace}
    for scope in (namespace, None):
        found = await kube.list("v1", "ConfigMap", scope, labels)
        assert [item["metadata"]["name"] for item in found] == [f"c{number}" for number in range(7)]
        assert {item["kind"] for item in found} == {"ConfigMap"}


async def test_errors_of_a_real_server(kube: AioKubeClient, namespace: str) -> None:
    with pytest.raises(Conflict, match="already exists"):
        await kube.create(
            await kube.create(config_map(namespace)) | {"metadata": {"name": "c", "namespace": namespace}}
        )
    with pytest.raises(NotFound):
        await kube.list("gateway.example.com/v1", "HTTPRoute")
    with pytest.raises(NotFound, match="namespaces"):
        await kube.create(config_map("no-such-namespace"))
    invalid = model_deployment(namespace)
    invalid["spec"]["replicas"] = 0
    with pytest.raises(ApiError, match=r"spec.replicas") as caught:
        await kube.apply(invalid)
    assert caught.value.status == 422


@contextlib.asynccontextmanager
async def connected_with_token(control_plane: Any, token: str, namespace: str) -> AsyncIterator[UserClient]:
    """The command line's client of somebody with this token."""
    config = yaml.safe_load(control_plane.kubectl("config", "view", "--raw"))
    config["users"][0]["user"] = {"token": token}
    with tempfile.NamedTemporaryFile("w") as file, pytest.MonkeyPatch.context() as patch:
        yaml.safe_dump(config, file)
        file.flush()
        patch.setenv("KUBECONFIG", file.name)
        async with await connect_user(namespace=namespace) as client:
            yield client


async def test_a_bad_token_is_unauthorised(kube: AioKubeClient, control_plane: Any, namespace: str) -> None:
    async with connected_with_token(control_plane, "not-a-token", namespace) as nobody:
        with pytest.raises(ApiError, match="does not accept the credentials") as caught:
            await nobody.list()
    assert caught.value.status == 401


async def test_a_user_without_rights_reads_why(kube: AioKubeClient, control_plane: Any, namespace: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer", "namespace": namespace}}
    await kube.create(account)
    token = control_plane.kubectl("create", "token", "viewer", "--namespace", namespace).strip()
    async with connected_with_token(control_plane, token, namespace) as viewer:
        with pytest.raises(ApiError, match=r'modeldeployments.steersman.dev is forbidden: User "system:serv') as caught:
            await viewer.list()
    assert caught.value.status == 403


async def test_the_users_client_reads_annotates_and_watches(
    user: UserClient, kube: AioKubeClient, namespace: str
) -> None:
    with pytest.raises(NotFound, match="no ModelDeployment 'fraud'"):
        await user.get("fraud")
    await kube.create(model_deployment(namespace))
    await kube.create(model_deployment(namespace, "churn"))
    assert [item["metadata"]["name"] for item in await user.list()] == ["churn", "fraud"]
    assert len(await user.list(all_namespaces=True)) >= 2
    seen = []
    async with contextlib.aclosing(user.watch("fraud")) as events, asyncio.timeout(20):
        async for kind, item in events:
            seen.append((kind, item["metadata"].get("annotations")))
            if len(seen) == 1:
                await user.annotate("churn", {"steersman.dev/action": "abort"})
                await user.annotate("fraud", {"steersman.dev/action": "promote"})
            if len(seen) == 2:
                await user.annotate("fraud", {"steersman.dev/action": None})
            if len(seen) == 3:
                await kube.delete(*MD, namespace, "fraud")
            if len(seen) == 4:
                break
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert seen[1][1] == {"steersman.dev/action": "promote"}
    assert not seen[2][1]


async def test_events_are_shown_by_kubectl(kube: AioKubeClient, user: UserClient, crds: Any, namespace: str) -> None:
    about = await kube.create(model_deployment(namespace))
    outcomes: list[Outcome] = []
    recorder = EventRecorder(kube, "steersman-0", on_outcome=outcomes.append)
    task = asyncio.create_task(recorder.run())
    for _ in range(3):
        recorder.record(about, EventType.WARNING, "RolloutAborted", "v3 fails 5 % of its requests")
    recorder.record(about, EventType.NORMAL, "WeightSet", "x" * 3000)
    await recorder.stop(task, drain=10)
    assert outcomes == [Outcome.CREATED, Outcome.AGGREGATED, Outcome.AGGREGATED, Outcome.CREATED]
    described = crds.kubectl("describe", "modeldeployment", "fraud", "--namespace", namespace)
    assert "RolloutAborted" in described
    assert "x3 over" in described
    listed = crds.kubectl("events", "--for", "modeldeployment/fraud", "--namespace", namespace)
    assert "v3 fails 5 % of its requests" in listed
    found = await user.events("fraud")
    assert sorted((event["reason"], event["count"]) for event in found) == [("RolloutAborted", 3), ("WeightSet", 1)]
    assert {event["reportingComponent"] for event in found} == {"steersman"}


class Contender:
    """An elector on its own client and clock, which can be told to skip ahead."""

    def __init__(self, client: AioKubeClient, namespace: str, identity: str) -> None:
        self.skipped = 0.0
        self.lost = False
        durations = Durations(lease=3.0, renew_deadline=2.0, retry_period=0.3, request=1.0)
        self.elector = LeaderElector(
            client, namespace, "steersman", identity, durations=durations, clock=lambda: time.monotonic() + self.skipped
        )
        self.task = asyncio.create_task(self.elector.run(lambda: None, self._lose))

    def _lose(self) -> None:
        self.lost = True


async def until(condition: Any, within: float) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < within
        await asyncio.sleep(0.02)
    return time.monotonic() - begin


async def test_two_contenders_on_a_real_lease(kube: AioKubeClient, crds: Any, namespace: str) -> None:
    async with await connect() as other:
        a, b = Contender(kube, namespace, "a"), Contender(other, namespace, "b")
        await until(lambda: a.elector.is_leader or b.elector.is_leader, 5)
        leader, standby = (a, b) if a.elector.is_leader else (b, a)
        for _ in range(40):
            await asyncio.sleep(0.05)
            assert leader.elector.is_leader
            assert not standby.elector.is_leader
        spec = crds.get("lease", "steersman", "--namespace", namespace)["spec"]
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == (leader.elector.identity, 0)

        await leader.elector.release()
        assert not leader.elector.is_leader
        assert await until(lambda: standby.elector.is_leader, 2) < 1.0
        await leader.task
        assert not leader.lost

        third = Contender(kube, namespace, "third")
        await asyncio.sleep(0.7)
        standby.task.cancel()
        took = await until(lambda: third.elector.is_leader, 5)
        assert 2.0 < took < 3.6
        assert not standby.elector.is_leader
        assert crds.get("lease", "steersman", "--namespace", namespace)["spec"]["leaseTransitions"] == 2

        third.skipped = 2.0
        assert not third.elector.is_leader
        await until(lambda: third.lost, 2)
        await third.elector.release()


async def test_compare_and_swap_lets_one_of_many_through(kube: AioKubeClient, namespace: str) -> None:
    contenders = [Contender(kube, namespace, f"c{number}") for number in range(8)]
    await asyncio.sleep(1.5)
    assert sum(contender.elector.is_leader for contender in contenders) == 1
    for contender in contenders:
        await contender.elector.release()
    await asyncio.gather(*[contender.task for contender in contenders])
