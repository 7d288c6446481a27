from __future__ import annotations

import asyncio
import base64

import pytest

from steersman.api.conditions import Reason
from steersman.core.snapshot import Problem, RegistryAnswer
from steersman.ports import ModelVersion, RegistryCredentials, RegistryError, VersionSelector
from steersman.shell import registries
from steersman.shell.credentials import RegistrySecrets
from steersman.shell.registries import RegistryPoller, RegistrySource
from unit.shell.memory_cluster import MemoryCluster

SELECTOR = VersionSelector("fraud", alias="champion")
SECRET = {"kind": "Secret", "metadata": {"name": "creds", "namespace": "risk"}}


class Registry:
    def __init__(self) -> None:
        self.asked: list[tuple[str, RegistryCredentials | None, VersionSelector]] = []
        self.version = "1"
        self.error: Exception | None = None
        self.delay = 0.0

    async def resolve(
        self, url: str, credentials: RegistryCredentials | None, selector: VersionSelector
    ) -> ModelVersion:
        self.asked.append((url, credentials, selector))
        version = self.version
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        return ModelVersion(selector.model, version)


class Bench:
    def __init__(self) -> None:
        self.registry, self.cluster = Registry(), MemoryCluster()
        self.enqueued: list[tuple[str, str]] = []
        self.reported: list[Problem | None] = []
        self.poller = RegistryPoller(
            self.registry,
            RegistrySecrets(self.cluster),
            self.enqueued.append,
            lambda source, trouble: self.reported.append(trouble),
            lambda outcome, seconds: None,
        )


async def test_one_question_serves_all_who_ask_it() -> None:
    bench, source = Bench(), RegistrySource("", "", "http://mlflow", interval=0.02)
    keys = [("ns", f"m{i}") for i in range(50)]
    for key in keys:
        first = bench.poller.answer(key, source, SELECTOR)
        assert isinstance(first, Problem) and first.reason == Reason.RESOLVING
    await asyncio.sleep(0.01)
    assert len(bench.registry.asked) == 1
    assert sorted(bench.enqueued) == sorted(keys)
    assert bench.poller.answer(keys[0], source, SELECTOR) == RegistryAnswer("1")
    bench.enqueued.clear()
    await asyncio.sleep(0.1)
    assert bench.enqueued == [], "an unchanged answer wakes nobody"
    bench.registry.version = "2"
    await asyncio.sleep(0.06)
    assert len(bench.enqueued) == 50
    await bench.poller.close()


async def test_nobody_asking_ends_the_polling() -> None:
    bench, source = Bench(), RegistrySource("", "", "http://mlflow", interval=0.01)
    bench.poller.answer(("ns", "a"), source, SELECTOR)
    bench.poller.answer(("ns", "a"), source, VersionSelector("fraud", version="3"))
    assert bench.poller.questions == 1
    bench.poller.drop(("ns", "a"))
    assert bench.poller.questions == 0
    await asyncio.sleep(0.03)
    assert bench.registry.asked == []


async def test_credentials_come_from_the_secret_and_are_read_again_after_a_refusal() -> None:
    bench = Bench()
    bench.cluster.put(SECRET | {"data": {"token": base64.b64encode(b"old\n").decode()}})
    bench.registry.error = RegistryError(Reason.REGISTRY_UNAUTHORIZED, "401")
    source = RegistrySource("risk", "mlflow", "http://mlflow", "creds", interval=0.01)
    bench.poller.answer(("risk", "a"), source, SELECTOR)
    await asyncio.sleep(0.005)
    bench.cluster.put(SECRET | {"data": {"token": base64.b64encode(b"new").decode()}})
    await asyncio.sleep(0.05)
    tokens = [credentials.token for _, credentials, _ in bench.registry.asked if credentials]
    assert tokens[0] == "old" and tokens[-1] == "new"
    assert bench.reported[0] is not None and bench.reported[0].reason == Reason.REGISTRY_UNAUTHORIZED
    await bench.poller.close()


async def test_missing_or_unusable_secrets_are_said_without_their_content() -> None:
    for data, expected in (
        (None, "no Secret 'creds'"),
        ({"password": "aHVudGVyMg=="}, "needs the keys"),
        ({"token": "%%"}, "not text"),
    ):
        bench = Bench()
        if data is not None:
            bench.cluster.put(SECRET | {"data": data})
        source = RegistrySource("risk", "mlflow", "http://mlflow", "creds")
        bench.poller.answer(("risk", "a"), source, SELECTOR)
        await asyncio.sleep(0.01)
        answer = bench.poller.answer(("risk", "a"), source, SELECTOR)
        assert isinstance(answer, Problem) and answer.reason == Reason.CREDENTIALS_NOT_FOUND
        assert expected in answer.message and "hunter2" not in answer.message
        assert bench.registry.asked == []
        await bench.poller.close()


async def test_a_bug_in_a_client_does_not_end_the_polling() -> None:
    bench, source = Bench(), RegistrySource("", "", "http://mlflow", interval=0.01)
    bench.registry.error = ZeroDivisionError()
    bench.poller.answer(("ns", "a"), source, SELECTOR)
    await asyncio.sleep(0.01)
    answer = bench.poller.answer(("ns", "a"), source, SELECTOR)
    assert isinstance(answer, Problem) and answer.reason == Reason.REGISTRY_ERROR
    bench.registry.error = None
    await asyncio.sleep(0.04)
    assert bench.poller.answer(("ns", "a"), source, SELECTOR) == RegistryAnswer("1")
    await bench.poller.close()


async def test_a_wake_up_asks_long_before_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "WAKE_SECONDS", 0.0)
    bench, source = Bench(), RegistrySource("risk", "mlflow", "http://mlflow", interval=3600.0)
    selectors = [SELECTOR, VersionSelector("fraud", tags=(("stage", "ok"),)), VersionSelector("fraud", version="1")]
    for number, selector in enumerate([*selectors, VersionSelector("other", alias="champion")]):
        bench.poller.answer(("risk", f"m{number}"), source, selector)
    await asyncio.sleep(0.01)
    assert len(bench.registry.asked) == 4
    bench.registry.version = "2"
    assert bench.poller.wake("risk", "mlflow", "fraud") == 3
    await asyncio.sleep(0.01)
    assert [selector.model for _, _, selector in bench.registry.asked[4:]] == ["fraud"] * 3
    assert bench.poller.answer(("risk", "m0"), source, SELECTOR) == RegistryAnswer("2")
    assert bench.poller.wake("risk", "other", "fraud") == 0, "another registry"
    assert bench.poller.wake("other", "mlflow", "fraud") == 0, "another namespace"
    await bench.poller.close()


async def test_many_wake_ups_are_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "WAKE_SECONDS", 0.1)
    bench, source = Bench(), RegistrySource("risk", "mlflow", "http://mlflow", interval=3600.0)
    bench.poller.answer(("risk", "a"), source, SELECTOR)
    for _ in range(100):
        bench.poller.wake("risk", "mlflow", "fraud")
        await asyncio.sleep(0.0025)
    await asyncio.sleep(0.15)
    assert 3 <= len(bench.registry.asked) <= 6
    count = len(bench.registry.asked)
    await asyncio.sleep(0.2)
    assert len(bench.registry.asked) == count, "and then it is quiet"
    await bench.poller.close()


async def test_a_wake_up_while_the_registry_is_asked_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "WAKE_SECONDS", 0.0)
    bench, source = Bench(), RegistrySource("risk", "mlflow", "http://mlflow", interval=3600.0)
    bench.registry.delay = 0.05
    bench.poller.answer(("risk", "a"), source, SELECTOR)
    await asyncio.sleep(0.02)
    # The answer on its way is of before the delivery.
    bench.poller.wake("risk", "mlflow", "fraud")
    await asyncio.sleep(0.15)
    assert len(bench.registry.asked) == 2
    await bench.poller.close()
