"""The desk of questions, and golden requests over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from steersman.adapters.replay import ServiceReplay
from steersman.api.conditions import Reason
from steersman.core.gates.facts import Missing, ModelFile, Needs, RunFacts, Unknown, VersionFacts
from steersman.core.gates.golden import Exchange, Exchanges, Refused
from steersman.core.gates.questions import FactsQuestion, GoldenQuestion
from steersman.ports import RegistryError, ReplayError
from steersman.shell.credentials import RegistrySecrets
from steersman.shell.questions import QuestionDesk
from steersman.shell.registries import RegistrySource
from unit.shell.memory_cluster import MemoryCluster

KEY = ("risk", "fraud")
SOURCE = RegistrySource("", "", "http://mlflow", interval=0.02)
NEEDS = Needs(run=True, model_file=True, digests=frozenset({"model.pkl", "gone"}))
QUESTION = FactsQuestion("fraud", "2", NEEDS)
GOLDEN = GoldenQuestion("fraud", "2", "golden.json", "/invocations", 1.0, "fraud-v2", "fraud-v1", 0)


class Registry:
    def __init__(self) -> None:
        self.needs: list[Needs] = []
        self.error: RegistryError | None = None
        self.facts_now = VersionFacts("fraud", "2", run=RunFacts({"accuracy": 0.9}), model_file=ModelFile(("sklearn",)))
        self.samples: bytes | None = b'[{"inputs": [1]}, {"request": {"inputs": [2]}, "expected": [4]}]'

    async def facts(self, url: str, credentials: object, model: str, version: str, needs: Needs) -> VersionFacts:
        self.needs.append(needs)
        if self.error is not None:
            raise self.error
        digests = {path: Missing("gone") if path == "gone" else "ab" for path in needs.digests}
        file = self.facts_now.model_file if needs.model_file else Unknown("it was not read")
        return replace(self.facts_now, model_file=file, digests=digests)

    async def file(
        self, url: str, credentials: object, model: str, version: str, path: str, limit: int
    ) -> bytes | None:
        return self.samples


class Doubling:
    """Answers twice the input, whichever revision is asked."""

    def __init__(self) -> None:
        self.error: str | None = "connection refused"
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, namespace: str, service: str, path: str, body: str, timeout: float) -> Any:  # noqa: ASYNC109
        self.sent.append((namespace, service, body))
        if self.error is not None:
            raise ReplayError(self.error)
        return [2 * int(body.rsplit("[", 1)[1].rstrip("]}"))]

    async def close(self) -> None: ...


class Bench:
    def __init__(self) -> None:
        self.registry, self.replay, self.woken = Registry(), Doubling(), []
        secrets = RegistrySecrets(MemoryCluster())
        self.desk = QuestionDesk(self.registry, secrets, self.replay, self.woken.append, again=0.02)


async def test_facts_are_read_again_while_they_are_asked_and_files_are_not() -> None:
    bench = Bench()
    assert bench.desk.answers(KEY, SOURCE) == {}
    bench.desk.submit(KEY, [QUESTION])
    await asyncio.sleep(0.1)
    answer = bench.desk.answers(KEY, SOURCE)[QUESTION]
    assert isinstance(answer, VersionFacts) and answer.digests == {"model.pkl": "ab", "gone": Missing("gone")}
    assert bench.registry.needs[0] == NEEDS
    assert set(bench.registry.needs[1:]) == {Needs(run=True)}
    assert bench.woken == [KEY], "an unchanged answer wakes nobody"
    bench.registry.facts_now = replace(bench.registry.facts_now, tags={"approved-by": "ann"})
    await asyncio.sleep(0.05)
    answer = bench.desk.answers(KEY, SOURCE)[QUESTION]
    assert isinstance(answer, VersionFacts) and answer.tags == {"approved-by": "ann"}
    assert answer.model_file == ModelFile(("sklearn",)) and answer.digests["model.pkl"] == "ab"
    assert bench.woken == [KEY, KEY]
    bench.desk.submit(KEY, [])
    asked = len(bench.registry.needs)
    await asyncio.sleep(0.05)
    assert len(bench.registry.needs) <= asked + 1
    assert bench.desk.answers(KEY, SOURCE) == {}
    await bench.desk.close()


@pytest.mark.parametrize(
    ("reason", "answer"),
    [(Reason.REGISTRY_UNREACHABLE, Unknown("it is down")), (Reason.VERSION_NOT_FOUND, Missing("it is down"))],
)
async def test_trouble_is_an_answer(reason: Reason, answer: object) -> None:
    bench = Bench()
    bench.registry.error = RegistryError(reason, "it is down")
    bench.desk.answers(KEY, SOURCE)
    bench.desk.submit(KEY, [QUESTION])
    await asyncio.sleep(0.01)
    assert bench.desk.answers(KEY, SOURCE) == {QUESTION: answer}
    await bench.desk.close()


async def test_another_registry_is_asked_anew() -> None:
    bench = Bench()
    bench.desk.answers(KEY, SOURCE)
    bench.desk.submit(KEY, [QUESTION])
    await asyncio.sleep(0.01)
    assert bench.desk.answers(KEY, replace(SOURCE, url="http://other")) == {}
    await bench.desk.close()


async def test_golden_requests_are_sent_until_they_are_answered_and_then_no_more() -> None:
    bench = Bench()
    bench.desk.answers(KEY, SOURCE)
    bench.desk.submit(KEY, [GOLDEN])
    await asyncio.sleep(0.01)
    assert bench.desk.answers(KEY, SOURCE) == {GOLDEN: Unknown("connection refused")}
    bench.replay.error = None
    await asyncio.sleep(0.05)
    expected = Exchanges((Exchange([2], [2]), Exchange([4], [4], [4])))
    assert bench.desk.answers(KEY, SOURCE) == {GOLDEN: expected}
    sent = len(bench.replay.sent)
    await asyncio.sleep(0.05)
    assert len(bench.replay.sent) == sent
    assert bench.replay.sent[-1] == ("risk", "fraud-v1", '{"inputs": [2]}')
    await bench.desk.close()


@pytest.mark.parametrize(("samples", "why"), [(None, "has no file"), (b"nonsense", "not JSON")])
async def test_samples_that_are_not_there_or_no_samples_are_missing(samples: bytes | None, why: str) -> None:
    bench = Bench()
    bench.registry.samples = samples
    bench.desk.answers(KEY, SOURCE)
    bench.desk.submit(KEY, [GOLDEN])
    await asyncio.sleep(0.01)
    answer = bench.desk.answers(KEY, SOURCE)[GOLDEN]
    assert isinstance(answer, Missing) and why in answer.message
    await bench.desk.close()


@asynccontextmanager
async def serving(status: int, text: str, seconds: float = 0.0) -> AsyncIterator[ServiceReplay]:
    async def answer(request: web.Request) -> web.Response:
        await request.json()
        await asyncio.sleep(seconds)
        return web.Response(status=status, text=text, headers={"Location": "http://127.0.0.1:9/"})

    app = web.Application()
    app.add_routes([web.post("/invocations", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    replay = ServiceReplay(lambda namespace, service: f"http://127.0.0.1:{port}")
    try:
        yield replay
    finally:
        await replay.close()
        await runner.cleanup()


async def test_an_answer_is_parsed() -> None:
    async with serving(200, '{"predictions": [1, NaN]}') as replay:
        answer = await replay.send("risk", "fraud-v2", "/invocations", "{}", 1.0)
    assert answer["predictions"][0] == 1


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [(400, "bad\ncolumn", "HTTP 400: bad column"), (500, "crash", "HTTP 500: crash"), (200, "<html>", "not JSON")],
)
async def test_a_refusal_is_an_answer(status: int, text: str, why: str) -> None:
    async with serving(status, text) as replay:
        answer = await replay.send("risk", "fraud-v2", "/invocations", "{}", 1.0)
    assert isinstance(answer, Refused) and why in answer.message


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_passes_is_worth_another_try(status: int) -> None:
    async with serving(status, "") as replay:
        with pytest.raises(ReplayError, match=f"fraud-v2 answered HTTP {status}"):
            await replay.send("risk", "fraud-v2", "/invocations", "{}", 1.0)


async def test_silence_and_an_absent_server_are_worth_another_try() -> None:
    async with serving(200, "[]", seconds=1.0) as replay:
        with pytest.raises(ReplayError, match="did not answer within"):
            await replay.send("risk", "fraud-v2", "/invocations", "{}", 0.1)
    nobody = ServiceReplay(lambda namespace, service: "http://127.0.0.1:9")
    with pytest.raises(ReplayError, match="could not be reached"):
        await nobody.send("risk", "fraud-v2", "/invocations", "{}", 1.0)
    await nobody.close()


async def test_a_redirect_is_not_followed() -> None:
    async with serving(307, "elsewhere") as replay:
        answer = await replay.send("risk", "fraud-v2", "/invocations", "{}", 1.0)
    assert isinstance(answer, Refused) and "HTTP 307" in answer.message
