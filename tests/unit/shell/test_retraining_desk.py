"""The desk of retraining: what it sends, what it does not send twice, and what it never says."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.retraining_actions import Target
from steersman.core.retraining.model import (
    Answer,
    AskNewest,
    Began,
    Begin,
    Cancel,
    Errand,
    Follow,
    Look,
    Order,
    Registry,
    Run,
    RunState,
)
from steersman.ports import MetricError, NotFound, PipelineError, RegistryError, Secrets
from steersman.shell.retraining import RetrainingDesk
from steersman.shell.secret_reader import SecretReader

KEY = ("risk", "fraud")
SECRET = "s3cret-v4lue"
SETTINGS = json.dumps({"owner": "o", "repository": "r", "workflow": "w", "credentials": {"secretName": "s"}})
ORDER = Order("fraud-retrain-1-abcde", Target.GITHUB, SETTINGS, "risk", 0.0, {"retraining_id": "x"})
FRESH, AGAIN = Begin(ORDER, 1, fresh=True), Begin(ORDER, 1, fresh=False)
REGISTRY = Registry("http://mlflow", None, "risk", "fraud")


class FakeKube:
    """Secrets."""

    def __init__(self) -> None:
        self.reads = 0
        self.secrets: dict[str, dict[str, str]] = {"s": {"token": SECRET}}

    async def get(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        self.reads += 1
        if name not in self.secrets:
            raise NotFound
        assert namespace == "risk"
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in self.secrets[name].items()}}


class FakePipeline:
    """A target."""

    def __init__(self) -> None:
        self.repeatable = False
        self.started: list[str] = []
        self.cancelled: list[str] = []
        self.trouble: PipelineError | None = None
        self.found: list[Run | None] = []
        self.states: list[Run | PipelineError] = []

    async def start(self, order: Order, secrets: Secrets) -> Run:
        assert secrets.text("s", "token") == SECRET
        self.started.append(order.key)
        if self.trouble is not None:
            raise self.trouble
        return Run(ref="1", url="https://ci/1", message=f"token {SECRET}")

    async def find(self, order: Order, secrets: Secrets) -> Run | None:
        return self.found.pop(0) if self.found else None

    async def state(self, order: Order, ref: str, secrets: Secrets) -> Run:
        found = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(found, PipelineError):
            raise found
        return found

    async def cancel(self, order: Order, ref: str, secrets: Secrets) -> None:
        self.cancelled.append(ref)
        raise PipelineError(f"no: {SECRET}")


class FakeSource:
    async def look(self, settings: str, secrets: Secrets) -> str | None:
        raise MetricError(f"refused {SECRET}")


class FakeRegistry:
    def __init__(self) -> None:
        self.tag: str | None = "v1"

    async def newest(self, url: str, credentials: Any, model: str) -> str | None:
        if model == "broken":
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, "no answer")
        return "8"

    async def model_tag(self, url: str, credentials: Any, model: str, key: str) -> str | None:
        return self.tag


class Bench:
    def __init__(self) -> None:
        self.kube, self.pipeline, self.registry = FakeKube(), FakePipeline(), FakeRegistry()
        self.woken: list[tuple[str, str]] = []
        self.observed: list[tuple[str, str]] = []
        self.leads = True

        async def no_credentials(namespace: str, name: str | None) -> None:
            return None

        self.desk = RetrainingDesk(
            {Target.GITHUB: self.pipeline},
            {"http": FakeSource()},
            self.registry,  # type: ignore[arg-type]
            no_credentials,
            SecretReader(self.kube),  # type: ignore[arg-type]
            self.woken.append,
            lambda: self.leads,
            lambda what, result: self.observed.append((what, result)),
            poll_seconds=0.01,
        )

    async def until(self, true: Callable[[], Any]) -> None:
        for _ in range(1000):
            if true():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it does not come")

    async def answer(self, errand: Errand) -> Answer:
        self.desk.submit(KEY, [errand])
        await self.until(lambda: self.desk.answers(KEY))
        (answer,) = self.desk.answers(KEY)
        return answer


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.desk.close()


async def test_a_run_is_begun_once_however_often_it_is_submitted(bench: Bench) -> None:
    answer = await bench.answer(FRESH)
    assert (answer.began, answer.run) == (Began.YES, Run(ref="1", url="https://ci/1", message="token ***"))
    # The next turns say that the intent is not fresh: this process knows that it has sent it.
    bench.desk.submit(KEY, [AGAIN])
    assert bench.desk.answers(KEY) == (answer,)
    bench.desk.recorded(KEY, [answer])
    assert bench.desk.answers(KEY) == ()
    assert bench.pipeline.started == [ORDER.key]
    assert bench.woken == [KEY] and bench.observed == [("github", "yes")]


async def test_what_another_process_may_have_sent_is_looked_for_and_never_sent(bench: Bench) -> None:
    bench.pipeline.found = [None, None, Run(ref="7")]
    assert (await bench.answer(AGAIN)).run == Run(ref="7")
    assert bench.pipeline.started == []


async def test_what_is_not_found_is_unknown(bench: Bench) -> None:
    answer = await bench.answer(AGAIN)
    assert (answer.began, bench.pipeline.started) == (Began.UNKNOWN, [])


async def test_a_target_that_knows_the_key_is_just_asked_again(bench: Bench) -> None:
    bench.pipeline.repeatable = True
    assert (await bench.answer(AGAIN)).began == Began.YES
    bench.desk.recorded(KEY, bench.desk.answers(KEY))
    bench.pipeline.trouble = PipelineError("no answer in time", Began.UNKNOWN)
    assert (await bench.answer(Begin(ORDER, 2, fresh=True))).began == Began.NOT_YET


async def test_a_lost_answer_leads_to_a_look(bench: Bench) -> None:
    bench.pipeline.trouble = PipelineError(f"HTTP 502 for {SECRET}", Began.UNKNOWN)
    answer = await bench.answer(FRESH)
    assert (answer.began, answer.error) == (Began.UNKNOWN, "HTTP 502 for ***")
    bench.desk.recorded(KEY, [answer])
    bench.pipeline.found = [Run(ref="9")]
    assert (await bench.answer(Begin(ORDER, 2, fresh=True))).run == Run(ref="9")
    assert len(bench.pipeline.started) == 2


async def test_a_refusal_reads_the_secret_anew(bench: Bench) -> None:
    bench.pipeline.trouble = PipelineError("HTTP 401", Began.REFUSED, access=True)
    assert (await bench.answer(FRESH)).began == Began.REFUSED
    bench.desk.recorded(KEY, bench.desk.answers(KEY))
    await bench.answer(Begin(ORDER, 2, fresh=True))
    assert bench.kube.reads == 2


async def test_a_secret_that_is_missing_has_begun_nothing(bench: Bench) -> None:
    bench.kube.secrets = {}
    answer = await bench.answer(FRESH)
    assert (answer.began, answer.error) == (Began.NOT_YET, "there is no Secret 's' in namespace 'risk'")
    bench.desk.recorded(KEY, [answer])
    # But one that another process may have sent stays unknown.
    other = Order("other", Target.GITHUB, SETTINGS, "risk", 0.0)
    assert (await bench.answer(Begin(other, 1, fresh=False))).began == Began.UNKNOWN


async def test_who_does_not_lead_begins_nothing(bench: Bench) -> None:
    bench.leads = False
    assert (await bench.answer(FRESH)).began == Began.NOT_YET
    assert bench.pipeline.started == []


async def test_a_run_is_followed_and_only_news_is_told(bench: Bench) -> None:
    known = Run(ref="1")
    trouble = PipelineError(f"HTTP 500 {SECRET}")
    bench.pipeline.states = [known, known, trouble, trouble, trouble, known, Run(ref="2"), Run(RunState.FAILED, "2")]
    errand = Follow(ORDER, "1", known)
    bench.desk.submit(KEY, [errand])
    told: list[Run] = []

    def collect() -> bool:
        for answer in bench.desk.answers(KEY):
            assert answer.run is not None
            told.append(answer.run)
            bench.desk.recorded(KEY, [answer])
        return bool(told) and told[-1].state != RunState.RUNNING

    await bench.until(collect)
    assert [(run.state, run.ref, run.message) for run in told] == [
        (RunState.RUNNING, "1", "it cannot be followed now: HTTP 500 ***"),
        (RunState.RUNNING, "1", ""),
        (RunState.RUNNING, "2", ""),
        (RunState.FAILED, "2", ""),
    ]


async def test_following_ends_when_it_is_not_wanted_and_beginning_does_not(bench: Bench) -> None:
    bench.pipeline.states = [Run(ref="1")]
    bench.desk.submit(KEY, [Follow(ORDER, "1", Run(ref="1")), FRESH])
    bench.desk.submit(KEY, [])
    await bench.until(lambda: bench.desk.answers(KEY))
    assert [type(answer.errand) for answer in bench.desk.answers(KEY)] == [Begin]
    bench.desk.drop(KEY)
    assert bench.desk.answers(KEY) == ()


async def test_ending_a_run_is_tried_and_says_no_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.desk.submit(KEY, [Cancel(ORDER, "1")])
    await bench.until(lambda: bench.pipeline.cancelled)
    await bench.until(lambda: "could not be cancelled" in caplog.text)
    assert SECRET not in caplog.text


async def test_data_and_registry(bench: Bench) -> None:
    settings = json.dumps({"url": "https://x", "credentials": {"secretName": "s"}})
    answer = await bench.answer(Look("data", "http", settings, "risk", 0.0))
    assert (answer.value, answer.error) == (None, "refused ***")
    bench.desk.recorded(KEY, [answer])
    tag = Look("tag", "modelTag", json.dumps({"key": "dataset"}), "risk", 0.0, REGISTRY)
    answer = await bench.answer(tag)
    assert answer.value == "v1"
    bench.desk.recorded(KEY, [answer])
    bench.registry.tag = "x" * 5000
    answer = await bench.answer(Look("tag", "modelTag", json.dumps({"key": "dataset"}), "risk", 60.0, REGISTRY))
    assert answer.value is not None and len(answer.value) < 200
    bench.desk.recorded(KEY, [answer])
    answer = await bench.answer(AskNewest(REGISTRY, 0.0))
    assert answer.value == "8"
    bench.desk.recorded(KEY, [answer])
    answer = await bench.answer(AskNewest(Registry("http://mlflow", None, "risk", "broken"), 0.0))
    assert answer.error == "no answer"


async def test_an_unexpected_failure_of_a_target_is_unknown_and_no_trace_is_shown(bench: Bench) -> None:
    bench.pipeline.trouble = ZeroDivisionError()  # type: ignore[assignment]
    answer = await bench.answer(FRESH)
    assert answer.began == Began.UNKNOWN and "see the operator's log" in answer.error
