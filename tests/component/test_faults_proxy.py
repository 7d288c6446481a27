"""The fault proxy itself, before a real API server: what it passes on, and that each fault is what it says."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from cluster.control_plane import ControlPlane
from faults.kinds import Drop, Expire, Hangup, Hold, Lag, Late, Refuse, Silence
from faults.proxy import FaultProxy
from faults.requestinfo import RequestInfo, request_info
from faults.rules import Rule
from simulation.credentials import Account
from steersman.adapters.kube.client import AioKubeClient
from steersman.adapters.kube.rest import ApiServer
from steersman.ports import ApiError, Conflict, Manifest, NotFound

CREATE = frozenset({"create"})
GET = frozenset({"get"})


@pytest.fixture(scope="module")
def account(control_plane: ControlPlane) -> Account:
    return Account.create(control_plane, "fault-proxy")


@pytest.fixture
def proxy(account: Account) -> Iterator[FaultProxy]:
    with FaultProxy(account.server, account.authority, "tested") as made:
        yield made


@pytest.fixture
async def through(proxy: FaultProxy, account: Account) -> AsyncIterator[AioKubeClient]:
    """The operator's own client, by way of the proxy."""
    async with _client(proxy, account) as client:
        # Discovery is not what the tests are about.
        await client.list("v1", "ConfigMap", "default")
        yield client


@pytest.fixture
def name() -> str:
    return f"faults-{uuid.uuid4().hex[:8]}"


def _client(proxy: FaultProxy, account: Account, timeout: float = 1.0) -> AioKubeClient:
    configuration = Configuration(host=proxy.url)
    configuration.api_key["BearerToken"] = f"Bearer {account.token}"
    return AioKubeClient(ApiServer(configuration, request_timeout=timeout))


def config_map(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/namespaces/a/pods", {}, RequestInfo("list", "", "", "pods", "a")),
        ("GET", "/api/v1/pods", {"watch": "true"}, RequestInfo("watch", "", "", "pods")),
        ("GET", "/api/v1/namespaces/a", {}, RequestInfo("get", "", "", "namespaces", "a", "a")),
        ("GET", "/api/v1/namespaces", {"watch": "1"}, RequestInfo("watch", "", "", "namespaces")),
        (
            "PUT",
            "/apis/steersman.dev/v1alpha1/namespaces/a/modeldeployments/b/status",
            {},
            RequestInfo("update", "", "steersman.dev", "modeldeployments", "a", "b", "status"),
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/b",
            {},
            RequestInfo("patch", "", "apps", "deployments", "a", "b"),
        ),
        ("DELETE", "/apis/x/v1/things/b", {}, RequestInfo("delete", "", "x", "things", "", "b")),
        ("DELETE", "/apis/x/v1/things", {}, RequestInfo("deletecollection", "", "x", "things")),
        ("GET", "/apis/apps/v1", {}, RequestInfo("get", "")),
        ("GET", "/api", {}, RequestInfo("get", "")),
    ],
)
def test_requests_are_read_as_the_api_server_reads_them(
    method: str, path: str, query: dict[str, str], expected: RequestInfo
) -> None:
    found = request_info(method, path, query)
    assert RequestInfo(**{**vars(found), "path": ""}) == expected


def test_rules_pick_what_they_say() -> None:
    request = RequestInfo("update", "", "steersman.dev", "modeldeployments", "a", "b", "status")
    every_third = Rule(Refuse(409), resources=("modeldeployments/*",), every=3, skip=1, limit=2)
    assert [every_third.picks(request) for _ in range(12)] == [n in (3, 6) for n in range(12)]
    half = [Rule(Refuse(500), probability=0.5, seed=7) for _ in range(2)]
    drawn = [[rule.picks(request) for _ in range(200)] for rule in half]
    assert drawn[0] == drawn[1]
    assert 60 < sum(drawn[0]) < 140
    assert not Rule(Refuse(409), namespace="other").picks(request)
    assert not Rule(Refuse(409), resources=("deployments",)).picks(request)
    assert not Rule(Refuse(409), verbs=GET).picks(request)
    assert Rule(Drop(1)).picks(RequestInfo("watch", "", "", "pods"))
    assert not Rule(Hangup(False)).picks(RequestInfo("watch", "", "", "pods"))


async def test_without_rules_nothing_differs(proxy: FaultProxy, through: AioKubeClient, name: str) -> None:
    created = await through.create(config_map(name, a="1", long="x" * 400_000))
    assert (await through.get("v1", "ConfigMap", "default", name))["data"]["long"] == "x" * 400_000
    with pytest.raises(Conflict):
        await through.create(config_map(name))
    watch = through.watch("v1", "ConfigMap", "default", created["metadata"]["resourceVersion"], {"metadata.name": name})
    async with contextlib.aclosing(watch) as events:
        waiting = asyncio.ensure_future(anext(events))
        await through.merge_patch("v1", "ConfigMap", "default", name, {"data": {"a": "2"}})
        what, seen = await asyncio.wait_for(waiting, 10)
    assert (what, seen["data"]["a"], len(seen["data"]["long"])) == ("MODIFIED", "2", 400_000)
    await through.delete("v1", "ConfigMap", "default", name)
    with pytest.raises(NotFound):
        await through.get("v1", "ConfigMap", "default", name)
    codes = [(entry.request.verb, entry.answer) for entry in proxy.journal.entries if entry.request.name == name]
    assert codes == [("get", 200), ("patch", 200), ("delete", 200), ("get", 404)]
    assert [entry.answer for entry in proxy.journal.writes() if entry.request.verb == "create"] == [201, 409]


@pytest.mark.parametrize("code", [429, 500, 503, 504])
async def test_refused_and_not_done(proxy: FaultProxy, through: AioKubeClient, name: str, code: int) -> None:
    proxy.inject(Rule(Refuse(code), verbs=CREATE, limit=1))
    with pytest.raises(ApiError) as raised:
        await through.create(config_map(name))
    assert raised.value.status == code
    with pytest.raises(NotFound):
        await through.get("v1", "ConfigMap", "default", name)
    await through.create(config_map(name))


async def test_conflict_reads_as_the_real_one(proxy: FaultProxy, through: AioKubeClient, name: str) -> None:
    created = await through.create(config_map(name, a="1"))
    changed = await through.replace({**created, "data": {"a": "2"}})
    with pytest.raises(Conflict) as real:
        await through.replace({**created, "data": {"a": "3"}})
    proxy.inject(Rule(Refuse(409), verbs=frozenset({"update"}), resources=("configmaps",)))
    with pytest.raises(Conflict) as injected:
        await through.replace({**changed, "data": {"a": "3"}})
    assert str(injected.value) == str(real.value)


async def test_retry_after_is_heeded(proxy: FaultProxy, through: AioKubeClient, name: str) -> None:
    proxy.inject(Rule(Refuse(429, retry_after=1), verbs=CREATE, limit=1))
    await through.create(config_map(name))
    first, second = (entry for entry in proxy.journal.entries if entry.request.verb == "create")
    assert (first.answer, second.answer) == (None, 201)
    assert second.at - first.at >= 1


@pytest.mark.parametrize("fault", [Silence(False), Silence(True), Hangup(False), Hangup(True)])
async def test_no_answer_with_or_without_the_write(
    proxy: FaultProxy, through: AioKubeClient, name: str, fault: Silence | Hangup
) -> None:
    proxy.inject(Rule(fault, verbs=CREATE))
    with pytest.raises(ApiError) as raised:
        await through.create(config_map(name))
    assert raised.value.status == 0
    proxy.calm()
    if fault.forwarded:
        assert (await through.get("v1", "ConfigMap", "default", name))["metadata"]["name"] == name
    else:
        with pytest.raises(NotFound):
            await through.get("v1", "ConfigMap", "default", name)


async def test_late_requests_arrive_after_their_client_gave_up(
    proxy: FaultProxy, through: AioKubeClient, name: str
) -> None:
    proxy.inject(Rule(Late(1.5), verbs=CREATE))
    with pytest.raises(ApiError):
        await through.create(config_map(name))
    with pytest.raises(NotFound):
        await through.get("v1", "ConfigMap", "default", name)
    await _until_there(through, name)


async def test_held_requests_arrive_when_released(proxy: FaultProxy, through: AioKubeClient, name: str) -> None:
    hold = Hold()
    proxy.inject(Rule(hold, verbs=CREATE))
    with pytest.raises(ApiError):
        await through.create(config_map(name))
    assert hold.caught.is_set()
    with pytest.raises(NotFound):
        await through.get("v1", "ConfigMap", "default", name)
    hold.release()
    await _until_there(through, name)


async def test_watches_are_dropped_torn_delayed_and_expired(
    proxy: FaultProxy, through: AioKubeClient, name: str
) -> None:
    created = await through.create(config_map(name))
    version = created["metadata"]["resourceVersion"]
    for number in range(3):
        await through.merge_patch("v1", "ConfigMap", "default", name, {"data": {"n": str(number)}})

    async def watch() -> list[Any]:
        """Numbers until the watch ends or three came, and what it ended with."""
        seen: list[Any] = []
        events = through.watch("v1", "ConfigMap", "default", version, {"metadata.name": name})
        try:
            async with contextlib.aclosing(events):
                async for _, item in events:
                    seen.append(item["data"]["n"])
                    if len(seen) == 3:
                        break
        except ApiError as error:
            seen.append(error.status)
        return seen

    assert await watch() == ["0", "1", "2"]
    proxy.inject(
        Rule(Drop(2), limit=1),
        Rule(Drop(1, torn=True), limit=1),
        Rule(Expire(), limit=1),
        Rule(Drop(9, seconds=0.2), limit=1),
        Rule(Lag(0.5), limit=1),
    )
    assert await watch() == ["0", "1", 0]
    assert await watch() == ["0", 0]
    assert await watch() == [410]
    assert await watch() == ["0", "1", "2"]
    begun = asyncio.get_running_loop().time()
    assert await watch() == ["0", "1", "2"]
    assert asyncio.get_running_loop().time() - begun >= 0.5
    assert [entry.fault for entry in proxy.journal.injected()] == [
        Drop(2),
        Drop(1, torn=True),
        Expire(),
        Drop(9, seconds=0.2),
        Lag(0.5),
    ]


async def test_ends_while_requests_wait(account: Account) -> None:
    with FaultProxy(account.server, account.authority) as proxy:
        proxy.inject(Rule(Silence(False)), Rule(Lag(60.0)))
        async with _client(proxy, account, timeout=30.0) as client:
            waiting = asyncio.create_task(client.get("v1", "ConfigMap", "default", "x"))
            async with asyncio.timeout(10):
                while not proxy.journal.entries:  # noqa: ASYNC110  it grows in another thread
                    await asyncio.sleep(0.01)
            proxy.stop()
            with pytest.raises(ApiError):
                await asyncio.wait_for(waiting, 10)


async def _until_there(client: AioKubeClient, name: str) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(NotFound):
                await client.get("v1", "ConfigMap", "default", name)
                return
            await asyncio.sleep(0.05)
