"""The endpoint for webhooks over HTTP: results, statuses, secrets, and the way to the leader."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from steersman.core.webhook import DELIVERY_ID, MAX_BODY, SIGNATURE, TIMESTAMP
from steersman.ports import ApiError
from steersman.shell import webhook_secrets
from steersman.shell.store import Store
from steersman.shell.webhook_secrets import WebhookSecrets
from steersman.shell.webhooks import FORWARDED, WebhookEndpoint
from unit.core.test_webhook import BODY, NOW, SECRET, sign
from unit.shell.memory_cluster import MemoryCluster

REGISTRY = {
    "apiVersion": "steersman.dev/v1alpha1",
    "kind": "ModelRegistry",
    "metadata": {"name": "mlflow", "namespace": "risk", "resourceVersion": "1"},
    "spec": {"mlflow": {"url": "http://mlflow"}, "webhook": {"secretRef": {"name": "hook", "key": "secret"}}},
}


class Replica:
    """One endpoint that listens on a loopback port."""

    def __init__(self, cluster: MemoryCluster, store: Store, file: Path | None, peers: tuple[str, ...] = ()) -> None:
        self.leads: bool | None = True
        self.now = NOW
        self.woken: list[tuple[str, str, str]] = []
        self.results: Counter[str] = Counter()
        self.secrets = WebhookSecrets(cluster, store, file)
        self.endpoint = WebhookEndpoint(
            self.secrets, self._wake, lambda: self.leads, self._count, lambda: self.now, peers
        )
        self.port = 0

    async def start(self) -> Replica:
        self.port = await self.endpoint.start("127.0.0.1", 0)
        return self

    def _wake(self, namespace: str, name: str, model: str) -> int:
        self.woken.append((namespace, name, model))
        return 1

    def _count(self, result: str) -> None:
        self.results[result] += 1


class Bench:
    def __init__(self, folder: Path) -> None:
        self.cluster, self.store, self.file = MemoryCluster(), Store(), folder / "secret"
        self.file.write_bytes(b"the-default-registry's\n")
        self.store.put(REGISTRY)
        self.change(SECRET)
        self.replicas: list[Replica] = []

    def change(self, secret: bytes) -> None:
        data = {"secret": base64.b64encode(secret + b"\n").decode()}
        self.cluster.put({"kind": "Secret", "metadata": {"name": "hook", "namespace": "risk"}, "data": data})

    async def replica(self, *peers: str) -> Replica:
        made = Replica(self.cluster, self.store, self.file, peers)
        self.replicas.append(made)
        return await made.start()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for replica in made.replicas:
        await replica.endpoint.close()


async def send(
    replica: Replica, path: str = "/webhooks/risk/mlflow", body: Any = BODY, given: dict[str, str] | None = None
) -> tuple[int, str]:
    signed = {DELIVERY_ID: "d-1", TIMESTAMP: "1700000000", SIGNATURE: sign()} if given is None else given
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{replica.port}{path}", data=body, headers=signed) as response,
    ):
        return response.status, (await response.text()).strip()


def signed(delivery: str = "d-1", body: bytes = BODY, secret: bytes = SECRET, at: str = "1700000000") -> dict[str, str]:
    return {DELIVERY_ID: delivery, TIMESTAMP: at, SIGNATURE: sign(body, delivery, at, secret)}


async def test_a_delivery_wakes_who_follows_the_model_once(bench: Bench) -> None:
    replica = await bench.replica()
    assert await send(replica) == (202, "accepted")
    assert replica.woken == [("risk", "mlflow", "fraud")]
    assert await send(replica) == (409, "replayed")
    assert len(replica.woken) == 1
    assert replica.results == {"accepted": 1, "replayed": 1}


async def test_the_default_registry_has_a_secret_of_its_own(bench: Bench) -> None:
    replica = await bench.replica()
    assert await send(replica, "/webhooks", given=signed(secret=b"the-default-registry's")) == (202, "accepted")
    assert replica.woken == [("", "", "fraud")]
    assert (await send(replica, "/webhooks", given=signed("d-2")))[0] == 403


@pytest.mark.parametrize(
    ("path", "given", "status", "result"),
    [
        ("/webhooks/risk/mlflow", {}, 401, "unsigned"),
        ("/webhooks/risk/mlflow", signed() | {SIGNATURE: "v1,nonsense"}, 401, "unsigned"),
        ("/webhooks/risk/mlflow", signed(secret=b"wrong"), 403, "wrong-signature"),
        ("/webhooks/risk/mlflow", signed() | {DELIVERY_ID: "d-2"}, 403, "wrong-signature"),
        ("/webhooks/risk/mlflow", signed(at="1699999699"), 403, "stale"),
        ("/webhooks/risk/mlflow", signed(at="1700000301"), 403, "stale"),
        ("/webhooks/risk/other", signed(), 403, "unknown"),
        ("/webhooks/shop/mlflow", signed(), 403, "unknown"),
        ("/webhooks/risk/ml%2F..%2Fflow", signed(), 403, "unknown"),
    ],
)
async def test_what_is_refused(bench: Bench, path: str, given: dict[str, str], status: int, result: str) -> None:
    replica = await bench.replica()
    answered = await send(replica, path, given=given)
    assert answered == (status, "refused" if status == 403 else result), "a stranger learns nothing of registries"
    assert replica.results == {result: 1} and replica.woken == []


async def test_bodies(bench: Bench) -> None:
    replica = await bench.replica()
    large = b"x" * (MAX_BODY + 1)
    assert (await send(replica, body=large, given=signed(body=large)))[0] == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 65536 + 1):
            yield b"x" * 65536

    assert (await send(replica, body=pieces(), given=signed()))[0] == 413, "without a Content-Length too"
    nonsense = b'{"entity": "model_version"}'
    assert await send(replica, body=nonsense, given=signed(body=nonsense)) == (400, "malformed")
    prompt = b'{"entity": "prompt", "data": {"name": "fraud"}}'
    assert await send(replica, body=prompt, given=signed("d-3", prompt)) == (202, "ignored")
    packed = signed("d-4", b"not gzip at all") | {"Content-Encoding": "gzip"}
    assert (await send(replica, body=b"not gzip at all", given=packed))[0] == 400, "nothing is unpacked"
    assert replica.woken == []


async def test_only_posts_to_these_paths(bench: Bench) -> None:
    replica = await bench.replica()
    url = f"http://127.0.0.1:{replica.port}"
    async with aiohttp.ClientSession() as session:
        for path, status in (("/webhooks", 405), ("/", 404), ("/webhooks/a/b/c", 404), ("/metrics", 404)):
            async with session.get(url + path) as response:
                assert response.status == status
    assert replica.results == {}


async def test_a_secret_that_changed_is_read_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = await bench.replica()
    assert (await send(replica))[0] == 202
    bench.change(b"the-next-secret-is-this")
    later = signed("d-2", secret=b"the-next-secret-is-this")
    assert (await send(replica, given=later))[0] == 403, "not with each wrong signature"
    monkeypatch.setattr(webhook_secrets, "DOUBT_SECONDS", 0.0)
    assert (await send(replica, given=later))[0] == 202
    assert (await send(replica, given=signed("d-3")))[0] == 403


@pytest.mark.parametrize("secret", [b"", b"short", b" " * 40])
async def test_a_secret_that_can_be_guessed_takes_nothing(bench: Bench, secret: bytes) -> None:
    bench.change(secret)
    replica = await bench.replica()
    assert (await send(replica, given=signed(secret=secret.strip())))[0] == 403
    assert replica.results == {"unknown": 1}


async def test_a_secret_that_cannot_be_read_now_is_no_refusal(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    replica, calls = await bench.replica(), Counter[str]()

    async def get(*_: Any) -> Any:
        calls["get"] += 1
        raise ApiError(503, "busy")

    monkeypatch.setattr(bench.cluster, "get", get)
    for delivery in ("d-1", "d-2", "d-3"):
        assert (await send(replica, given=signed(delivery)))[0] == 503
    assert calls["get"] == 1, "whoever sends much does not make the operator ask much"


async def test_many_at_once_read_the_secret_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    replica, calls, real = await bench.replica(), Counter[str](), bench.cluster.get

    async def slow(*args: Any) -> Any:
        calls["get"] += 1
        await asyncio.sleep(0.05)
        return await real(*args)

    monkeypatch.setattr(bench.cluster, "get", slow)
    answers = await asyncio.gather(*(send(replica, given=signed(f"d-{number % 10}")) for number in range(20)))
    assert Counter(status for status, _ in answers) == {202: 10, 409: 10}
    assert calls["get"] == 1 and len(replica.woken) == 10


async def test_a_replica_that_does_not_lead_hands_it_to_the_leader(bench: Bench) -> None:
    leader = await bench.replica()
    standby = await bench.replica("127.0.0.1:1", f"localhost:{leader.port}")
    standby.leads = False
    assert await send(standby) == (202, "forwarded")
    assert leader.woken == [("risk", "mlflow", "fraud")] and standby.woken == []
    assert (await send(leader))[0] == 409 and (await send(standby))[0] == 409
    assert (await send(standby, given=signed("d-2", secret=b"wrong")))[0] == 403
    assert leader.results == {"accepted": 1, "replayed": 1}, "what is not verified is not handed on"


async def test_without_a_leader_it_is_to_be_sent_again(bench: Bench) -> None:
    first, second = await bench.replica(), await bench.replica()
    first.leads = second.leads = False
    # Each names both.
    first.endpoint._peers = second.endpoint._peers = (f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}")
    assert await send(first) == (503, "no-leader")
    assert second.results == {"no-leader": 1}, "no replica hands on what was handed on"
    assert first.results == {"no-leader": 2}, "to itself too"
    second.leads = None
    assert (await send(first))[0] == 503, "nor one that knows nothing yet"
    second.leads = True
    assert await send(first) == (202, "forwarded"), "the id was not used up"


async def test_handed_on_deliveries_are_verified_too(bench: Bench) -> None:
    replica = await bench.replica()
    assert (await send(replica, given=signed(secret=b"wrong") | {FORWARDED: "1"}))[0] == 403
