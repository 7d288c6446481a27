"""The Kubernetes client against a small API server on loopback."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from tests.unit.adapters.api_server import FakeApiServer, status_body

from steersman.adapters.kube.client import PAGE_SIZE, AioKubeClient
from steersman.ports import ApiError, Conflict, KubeClient, NotFound

V1 = "/api/v1/namespaces/ns/pods"


def pod(name: str = "p", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "ns", **metadata}}


async def test_it_implements_the_port(kube: AioKubeClient) -> None:
    port: KubeClient = kube
    assert port is kube


async def test_get_gives_the_whole_object(kube: AioKubeClient, api: FakeApiServer) -> None:
    api.put(f"{V1}/p", {**pod(), "spec": {"unknownField": [1, None]}})
    assert (await kube.get("v1", "Pod", "ns", "p"))["spec"] == {"unknownField": [1, None]}


async def test_a_missing_object_and_a_kind_that_is_not_served_are_not_found(kube: AioKubeClient) -> None:
    with pytest.raises(NotFound, match="p not found"):
        await kube.get("v1", "Pod", "ns", "p")
    with pytest.raises(NotFound, match=r"does not serve HTTPRoute \(gateway.networking.k8s.io/v1\)"):
        await kube.list("gateway.networking.k8s.io/v1", "HTTPRoute")


async def test_a_missing_kind_is_not_asked_for_at_each_call(kube: AioKubeClient, api: FakeApiServer) -> None:
    for _ in range(3):
        with pytest.raises(NotFound):
            await kube.list("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert len(api.requests) == 1


async def test_a_kind_installed_later_is_found(api: FakeApiServer, kube: AioKubeClient) -> None:
    moment = 0.0
    kube._discovery._clock = lambda: moment
    with pytest.raises(NotFound):
        await kube.list("example.com/v1", "Thing")
    api.faults.append((200, {}, {"resources": [{"name": "pods", "kind": "Thing", "namespaced": True}]}))
    moment = 6.0
    assert await kube.list("example.com/v1", "Thing") == []


async def test_list_reads_all_pages_and_names_the_kind(kube: AioKubeClient, api: FakeApiServer) -> None:
    for number in range(PAGE_SIZE + 1):
        api.put(f"{V1}/p{number:04}", pod(f"p{number:04}"))
    items = await kube.list("v1", "Pod", "ns", {"b": "2", "a": "1"})
    assert [item["metadata"]["name"] for item in items] == [f"p{number:04}" for number in range(PAGE_SIZE + 1)]
    assert {(item["apiVersion"], item["kind"]) for item in items} == {("v1", "Pod")}
    assert [request.query.get("labelSelector") for request in api.requests[1:]] == ["a=1,b=2"] * 2


async def test_list_of_at_most_so_many_is_one_request(kube: AioKubeClient, api: FakeApiServer) -> None:
    for number in range(5):
        api.put(f"{V1}/p{number}", pod(f"p{number}"))
    items = await kube.list("v1", "Pod", "ns", {"a": "1"}, at_most=3)
    assert [item["metadata"]["name"] for item in items] == ["p0", "p1", "p2"]
    assert [dict(request.query) for request in api.requests[1:]] == [{"labelSelector": "a=1", "limit": "3"}]


async def test_list_starts_again_without_pages_when_the_continue_token_expires(
    kube: AioKubeClient, api: FakeApiServer
) -> None:
    for number in range(PAGE_SIZE + 1):
        api.put(f"{V1}/p{number:04}", pod(f"p{number:04}"))
    api.expire_continue = True
    assert len(await kube.list("v1", "Pod", "ns")) == PAGE_SIZE + 1


async def test_apply_forces_under_the_field_manager(kube: AioKubeClient, api: FakeApiServer) -> None:
    applied = await kube.apply(pod())
    request = api.requests[-1]
    assert (request.method, request.path, request.content_type) == ("PATCH", f"{V1}/p", "application/apply-patch+yaml")
    assert dict(request.query) == {"fieldManager": "steersman", "force": "true"}
    assert applied["metadata"]["uid"]


async def test_status_is_put_with_the_resource_version(kube: AioKubeClient, api: FakeApiServer) -> None:
    read = api.put(f"{V1}/p", pod())
    written = await kube.replace_status({**read, "status": {"phase": "X"}})
    assert api.requests[-1].path == f"{V1}/p/status"
    assert written["metadata"]["resourceVersion"] != read["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await kube.replace_status({**read, "status": {"phase": "Y"}})


@pytest.mark.parametrize("method", ["replace", "replace_status"])
async def test_a_write_without_a_resource_version_is_refused(kube: AioKubeClient, method: str) -> None:
    with pytest.raises(ValueError, match="not guarded"):
        await getattr(kube, method)(pod())


async def test_create_of_what_exists_is_a_conflict(kube: AioKubeClient) -> None:
    await kube.create(pod())
    with pytest.raises(Conflict):
        await kube.create(pod())


async def test_delete_is_in_the_background_and_bound_to_the_uid(kube: AioKubeClient, api: FakeApiServer) -> None:
    uid = api.put(f"{V1}/p", pod())["metadata"]["uid"]
    await kube.delete("v1", "Pod", "ns", "p", uid="another")
    assert f"{V1}/p" in api.objects
    await kube.delete("v1", "Pod", "ns", "p", uid=uid)
    assert api.bodies[-1]["propagationPolicy"] == "Background"
    assert f"{V1}/p" not in api.objects
    await kube.delete("v1", "Pod", "ns", "p")
    await kube.delete("none.example.com/v1", "Nothing", "ns", "p")


KEY = "steersman.dev/action~x"


async def test_an_annotation_is_removed_while_it_has_its_value(kube: AioKubeClient, api: FakeApiServer) -> None:
    read = api.put(f"{V1}/p", pod(annotations={KEY: "promote", "other": "kept"}))
    await kube.remove_annotation(read, KEY)
    assert api.objects[f"{V1}/p"]["metadata"]["annotations"] == {"other": "kept"}
    await kube.remove_annotation(read, KEY)


async def test_a_changed_annotation_or_a_new_object_is_left_alone(kube: AioKubeClient, api: FakeApiServer) -> None:
    read = api.put(f"{V1}/p", pod(annotations={KEY: "promote"}))
    api.put(f"{V1}/p", {**read, "metadata": {**read["metadata"], "annotations": {KEY: "abort"}}})
    await kube.remove_annotation(read, KEY)
    assert api.objects[f"{V1}/p"]["metadata"]["annotations"] == {KEY: "abort"}
    api.put(f"{V1}/p", pod(annotations={KEY: "promote"}, uid="successor"))
    await kube.remove_annotation(read, KEY)
    assert api.objects[f"{V1}/p"]["metadata"]["annotations"] == {KEY: "promote"}
    del api.objects[f"{V1}/p"]
    await kube.remove_annotation(read, KEY)


async def test_a_refused_removal_is_not_taken_for_a_changed_annotation(kube: AioKubeClient, api: FakeApiServer) -> None:
    read = api.put(f"{V1}/p", pod(annotations={KEY: "promote"}))
    await kube.get("v1", "Pod", "ns", "p")
    api.faults.append((422, {}, status_body(422, "spec is invalid")))
    with pytest.raises(ApiError, match="spec is invalid"):
        await kube.remove_annotation(read, KEY)


def replacing(version: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    return [test, {"op": "replace", "path": "/spec", "value": spec}]


async def test_a_json_patch_holds_for_one_version(kube: AioKubeClient, api: FakeApiServer) -> None:
    read = api.put(f"{V1}/p", {**pod(), "spec": {"nodeName": "a"}})
    version = read["metadata"]["resourceVersion"]
    written = await kube.json_patch("v1", "Pod", "ns", "p", replacing(version, {"nodeName": "b"}))
    assert written["spec"] == api.objects[f"{V1}/p"]["spec"] == {"nodeName": "b"}
    assert api.requests[-1].query["fieldManager"] == "steersman"
    with pytest.raises(Conflict, match="changed"):
        await kube.json_patch("v1", "Pod", "ns", "p", replacing(version, {"nodeName": "c"}))
    assert api.objects[f"{V1}/p"]["spec"] == {"nodeName": "b"}
    del api.objects[f"{V1}/p"]
    with pytest.raises(NotFound):
        await kube.json_patch("v1", "Pod", "ns", "p", replacing(version, {}))


async def test_a_refused_json_patch_is_not_taken_for_a_conflict(kube: AioKubeClient, api: FakeApiServer) -> None:
    read = api.put(f"{V1}/p", pod())
    await kube.get("v1", "Pod", "ns", "p")
    api.faults.append((422, {}, status_body(422, "spec is invalid")))
    with pytest.raises(ApiError, match="spec is invalid"):
        await kube.json_patch("v1", "Pod", "ns", "p", replacing(read["metadata"]["resourceVersion"], {}))


async def test_a_json_patch_without_a_guard_is_refused(kube: AioKubeClient) -> None:
    with pytest.raises(ValueError, match="not guarded"):
        await kube.json_patch("v1", "Pod", "ns", "p", replacing("1", {})[1:])


@pytest.mark.parametrize("name", ["../../secrets/x", "a/b", "x?watch=1", "ü"])
async def test_a_name_stays_one_segment(kube: AioKubeClient, api: FakeApiServer, name: str) -> None:
    with pytest.raises(NotFound):
        await kube.get("v1", "Pod", "ns", name)
    segment = api.requests[-1].rel_url.raw_path.removeprefix(f"{V1}/")
    assert "/" not in segment
    assert not api.requests[-1].query


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_what_cannot_be_a_name_is_refused(kube: AioKubeClient, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        await kube.get("v1", "Pod", "ns", name)


async def test_a_namespaced_object_needs_its_namespace(kube: AioKubeClient) -> None:
    with pytest.raises(ValueError, match="namespaced"):
        await kube.get("v1", "Pod", None, "p")


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(
    kube: AioKubeClient, api: FakeApiServer, observed: list[tuple[str, str, str]], status: int
) -> None:
    await kube.list("v1", "Pod", "ns")
    observed.clear()
    api.faults.append((status, {"Retry-After": "0.2"}, status_body(status, "later")))
    begin = time.monotonic()
    assert await kube.list("v1", "Pod", "ns") == []
    assert time.monotonic() - begin >= 0.2
    assert observed == [("list", "Pod", str(status)), ("list", "Pod", "200")]


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3600"}, {"Retry-After": "soon"}, {"Retry-After": "-1"}])
async def test_no_or_an_unreasonable_retry_after_is_an_error_at_once(
    kube: AioKubeClient, api: FakeApiServer, headers: dict[str, str]
) -> None:
    api.faults.append((503, headers, status_body(503, "etcd is down")))
    with pytest.raises(ApiError, match="etcd is down") as caught:
        await kube.list("v1", "Pod", "ns")
    assert caught.value.status == 503
    assert len(api.requests) == 1


async def test_retries_end(kube: AioKubeClient, api: FakeApiServer) -> None:
    await kube.list("v1", "Pod", "ns")
    api.requests.clear()
    api.faults.extend([(429, {"Retry-After": "0"}, status_body(429, "slow down"))] * 10)
    with pytest.raises(ApiError) as caught:
        await kube.list("v1", "Pod", "ns")
    assert (caught.value.status, len(api.requests)) == (429, 4)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, status_body(403, "pods is forbidden: User x\n cannot list"), "pods is forbidden: User x cannot list"),
        (401, status_body(401, "Unauthorized"), "does not accept the credentials: Unauthorized"),
        (502, b"<html>bad gateway</html>", "<html>bad gateway</html>"),
        (500, b"", "HTTP 500"),
        (500, b"[1]", r"\[1\]"),
        (200, b"{", "not JSON"),
        (200, b"[]", "not an object"),
    ],
)
async def test_other_answers_are_api_errors_with_a_short_message(
    kube: AioKubeClient, api: FakeApiServer, status: int, body: Any, said: str
) -> None:
    api.faults.append((status, {}, body))
    with pytest.raises(ApiError, match=said) as caught:
        await kube.list("v1", "Pod", "ns")
    assert caught.value.status == (status if status != 200 else 0)
    assert len(str(caught.value)) < 700


async def test_a_huge_message_is_cut(kube: AioKubeClient, api: FakeApiServer) -> None:
    api.faults.append((500, {}, status_body(500, "x" * 100_000)))
    with pytest.raises(ApiError) as caught:
        await kube.list("v1", "Pod", "ns")
    assert len(str(caught.value)) == 500


async def test_a_slow_server_is_a_timeout(
    kube: AioKubeClient, api: FakeApiServer, observed: list[tuple[str, str, str]]
) -> None:
    api.delay = 5.0
    with pytest.raises(ApiError, match="did not answer in time") as caught:
        await kube.list("v1", "Pod", "ns")
    assert caught.value.status == 0
    assert observed == [("discover", "APIResourceList", "timeout")]
    api.delay = 0.0


async def test_a_server_that_is_not_there_is_unreachable(kube: AioKubeClient, observed: list[Any]) -> None:
    kube._server._api.configuration.host = "http://127.0.0.1:9"
    with pytest.raises(ApiError, match="cannot reach the API server") as caught:
        await kube.list("v1", "Pod", "ns")
    assert caught.value.status == 0
    assert observed == [("discover", "APIResourceList", "error")]


async def test_the_connection_is_reused(kube: AioKubeClient, api: FakeApiServer) -> None:
    for _ in range(5):
        await kube.list("v1", "Pod", "ns")
    assert len({id(request.transport) for request in api.requests}) == 1


async def test_watch_gives_events_and_raises_the_servers_error(kube: AioKubeClient, api: FakeApiServer) -> None:
    item = pod(resourceVersion="7")
    api.watches.append(
        [{"type": "ADDED", "object": item}, {"type": "ERROR", "object": status_body(410, "too old resource version")}]
    )
    events = kube.watch("v1", "Pod", "ns", "5")
    assert await anext(events) == ("ADDED", item)
    with pytest.raises(ApiError, match="too old") as caught:
        await anext(events)
    assert caught.value.status == 410
    assert api.requests[-1].query["resourceVersion"] == "5"


async def test_a_watch_that_is_left_closes_its_connection(kube: AioKubeClient, api: FakeApiServer) -> None:
    async def first() -> None:
        async for _ in kube.watch("v1", "Pod", "ns", "5"):
            pass

    task = asyncio.create_task(first())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    session = kube._server._api.rest_client.pool_manager
    assert isinstance(session, aiohttp.ClientSession)
    assert isinstance(session.connector, aiohttp.TCPConnector)
    assert not session.connector._acquired
