"""The command line's access: kubeconfig, messages for people, and a watch that goes on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.adapters.api_server import FakeApiServer, status_body

from steersman.adapters.kube import user
from steersman.adapters.kube.user import UserClient, connect_user
from steersman.ports import ApiError, NotFound

ROOT = "/apis/steersman.dev/v1alpha1/namespaces/risk/modeldeployments"


def md(name: str = "fraud", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": "risk", **metadata},
    }


def write_kubeconfig(path: Path, server: str, namespace: str = "risk") -> None:
    contexts = [
        {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": namespace}},
        {"name": "bare", "context": {"cluster": "c"}},
    ]
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": contexts,
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {"token": "t0ken"}}],
            }
        )
    )


@pytest.fixture
async def client(api: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UserClient]:
    write_kubeconfig(tmp_path / "config", api.url)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(user, "RECONNECT_DELAYS", (0.01,))
    async with await connect_user() as connected:
        yield connected


async def test_the_context_gives_server_token_and_namespace(client: UserClient, api: FakeApiServer) -> None:
    api.put(f"{ROOT}/fraud", md())
    assert client.namespace == "risk"
    assert (await client.get("fraud"))["metadata"]["name"] == "fraud"
    assert api.requests[-1].headers["Authorization"] == "Bearer t0ken"


async def test_another_context_and_namespace(api: FakeApiServer, client: UserClient) -> None:
    async with await connect_user("bare", "other") as bare:
        assert bare.namespace == "other"
        assert await bare.list() == []
        assert "Authorization" not in api.requests[-1].headers
    async with await connect_user("bare") as bare:
        assert bare.namespace == "default"


async def test_a_kubeconfig_may_be_several_files(
    api: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kubeconfig(tmp_path / "config", api.url)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{tmp_path / 'config'}")
    async with await connect_user() as client:
        assert client.namespace == "risk"


async def test_without_a_kubeconfig_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ApiError, match=r"no kubeconfig found at .*none; set KUBECONFIG"):
        await connect_user()


@pytest.mark.parametrize(
    ("content", "context", "said"),
    [
        ("{", None, "cannot use the current context"),
        ("[]", None, "cannot use the current context"),
        ("apiVersion: v1\nkind: Config\n", None, "current-context"),
        (None, "nowhere", "'nowhere'.*Expected object with name nowhere"),
    ],
)
async def test_an_unusable_kubeconfig_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, context: str | None, said: str
) -> None:
    path = tmp_path / "config"
    write_kubeconfig(path, "http://127.0.0.1:9")
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ApiError, match=said) as caught:
        await connect_user(context)
    assert "\n" not in str(caught.value)


async def test_a_server_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kubeconfig(tmp_path / "config", "http://127.0.0.1:9")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    async with await connect_user() as client:
        with pytest.raises(ApiError, match=r"cannot reach the API server at http://127.0.0.1:9"):
            await client.list()


async def test_missing_objects_and_a_missing_installation_are_told_apart(
    client: UserClient, api: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="no ModelDeployment 'fraud' in namespace 'risk'"):
        await client.get("fraud")
    with pytest.raises(NotFound, match="no ModelDeployment 'fraud' in namespace 'risk'"):
        await client.annotate("fraud", {"a": "b"})
    monkeypatch.setattr(user, "API_VERSION", "elsewhere.example/v1")
    with pytest.raises(NotFound, match="is Steersman installed in this cluster"):
        await client.get("fraud")
    with pytest.raises(NotFound, match="is Steersman installed in this cluster"):
        await client.list()


async def test_forbidden_says_what_the_server_said(client: UserClient, api: FakeApiServer) -> None:
    await client.list()
    said = 'modeldeployments.steersman.dev is forbidden: User "u" cannot list'
    api.faults.append((403, {}, status_body(403, said)))
    with pytest.raises(ApiError, match="is forbidden") as caught:
        await client.list()
    assert caught.value.status == 403


async def test_list_is_sorted_and_may_span_namespaces(client: UserClient, api: FakeApiServer) -> None:
    other = {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "a", "namespace": "z"},
    }
    api.put("/apis/steersman.dev/v1alpha1/namespaces/z/modeldeployments/a", other)
    api.put(f"{ROOT}/fraud", md())
    api.put(f"{ROOT}/churn", md("churn"))
    assert [item["metadata"]["name"] for item in await client.list()] == ["churn", "fraud"]
    assert [item["metadata"]["name"] for item in await client.list(all_namespaces=True)] == ["churn", "fraud", "a"]


async def test_annotate_merges_under_its_own_manager(client: UserClient, api: FakeApiServer) -> None:
    api.put(f"{ROOT}/fraud", md(annotations={"kept": "yes"}))
    await client.annotate("fraud", {"steersman.dev/action": "promote"})
    assert api.objects[f"{ROOT}/fraud"]["metadata"]["annotations"] == {"kept": "yes", "steersman.dev/action": "promote"}
    assert api.requests[-1].query["fieldManager"] == "steersman-cli"


async def test_events_are_the_objects_own_and_oldest_first(client: UserClient, api: FakeApiServer) -> None:
    for name, when in (("b", "2026-01-01T00:00:02Z"), ("a", "2026-01-01T00:00:01Z")):
        api.put(
            f"/api/v1/namespaces/risk/events/{name}",
            {"metadata": {"name": name, "namespace": "risk"}, "lastTimestamp": when},
        )
    assert [event["metadata"]["name"] for event in await client.events("fraud")] == ["a", "b"]
    assert api.requests[-1].query["fieldSelector"] == "involvedObject.kind=ModelDeployment,involvedObject.name=fraud"


async def collect(client: UserClient, number: int, name: str | None = None) -> list[tuple[str, str]]:
    seen = []
    async with contextlib.aclosing(client.watch(name)) as events:
        async for kind, item in events:
            seen.append((kind, item["metadata"]["name"] + "@" + item["metadata"]["resourceVersion"]))
            if len(seen) == number:
                return seen
    raise AssertionError(seen)


async def test_watch_lists_then_follows_and_survives_ends_and_errors(client: UserClient, api: FakeApiServer) -> None:
    api.put(f"{ROOT}/fraud", md())
    api.watches.extend(
        [
            [
                {"type": "MODIFIED", "object": md(resourceVersion="200")},
                {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "300"}}},
            ],
            [{"type": "DELETED", "object": md(resourceVersion="301")}],
        ]
    )
    assert await collect(client, 3, "fraud") == [
        ("ADDED", "fraud@101"),
        ("MODIFIED", "fraud@200"),
        ("DELETED", "fraud@301"),
    ]
    watches = [request.query for request in api.requests if request.query.get("watch")]
    assert [query["resourceVersion"] for query in watches] == ["101", "300"]
    assert {query["fieldSelector"] for query in watches} == {"metadata.name=fraud"}


async def test_watch_lists_again_after_410_and_gives_the_difference(client: UserClient, api: FakeApiServer) -> None:
    api.put(f"{ROOT}/changed", md("changed"))
    api.put(f"{ROOT}/gone", md("gone"))
    api.put(f"{ROOT}/same", md("same"))
    seen = []
    async with contextlib.aclosing(client.watch()) as events:
        async for kind, item in events:
            seen.append((kind, item["metadata"]["name"]))
            if len(seen) == 3:
                api.put(f"{ROOT}/changed", md("changed", uid="uid-101"))
                del api.objects[f"{ROOT}/gone"]
                api.put(f"{ROOT}/new", md("new"))
                api.watches.append([{"type": "ERROR", "object": status_body(410, "too old")}])
            if len(seen) == 6:
                break
    assert seen[:3] == [("ADDED", "changed"), ("ADDED", "gone"), ("ADDED", "same")]
    assert seen[3:] == [("DELETED", "gone"), ("MODIFIED", "changed"), ("ADDED", "new")]


async def test_watch_reconnects_after_a_server_error_and_garbage(client: UserClient, api: FakeApiServer) -> None:
    api.put(f"{ROOT}/fraud", md())
    seen = []
    async with contextlib.aclosing(client.watch()) as events:
        async for kind, item in events:
            seen.append((kind, item["metadata"]["resourceVersion"]))
            if len(seen) == 1:
                api.faults.extend([(500, {}, b"oops"), (200, {}, b"not json\n"), (200, {}, b'{"type": 1}\n')])
                api.watches.append([{"type": "MODIFIED", "object": md(resourceVersion="200")}])
            if len(seen) == 2:
                break
    assert seen == [("ADDED", "101"), ("MODIFIED", "200")]


async def test_watch_ends_when_the_server_refuses(client: UserClient, api: FakeApiServer) -> None:
    api.put(f"{ROOT}/fraud", md())
    with pytest.raises(ApiError, match="forbidden"):
        async for _ in client.watch():
            api.faults.append((403, {}, status_body(403, "forbidden")))


async def test_watch_that_cannot_begin_raises(client: UserClient, api: FakeApiServer) -> None:
    await client.list()
    api.faults.append((500, {}, status_body(500, "etcd is down")))
    with pytest.raises(ApiError, match="etcd is down"):
        await collect(client, 1)
