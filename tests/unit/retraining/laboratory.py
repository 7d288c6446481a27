"""Retraining alone: the pure decision, a registry, and a target that behaves as well or badly as it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from steersman.api.conditions import Condition, Reason
from steersman.api.retraining import Retraining
from steersman.api.retraining_status import RetrainingEntry, RetrainingRun, RetrainingStatus
from steersman.core.analysis.model import AnalysisContext, BoundMetric, MetricQuery, QueryResult, Sample
from steersman.core.retraining.decide import decide
from steersman.core.retraining.model import (
    Answer,
    AskNewest,
    Began,
    Begin,
    Cancel,
    Errand,
    Follow,
    Look,
    Registry,
    Run,
    RunState,
)
from steersman.core.retraining.work import View, Work

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z, a Thursday."""
HOOK = {"webhook": {"url": "https://train.example.com/", "secret": {"secretName": "hook", "key": "secret"}}}
GITHUB = {
    "github": {"owner": "o", "repository": "r", "workflow": "train.yaml", "credentials": {"secretName": "github"}}
}
JOB_POD: dict[str, Any] = {"containers": [{"name": "train", "image": "registry.example/train:1"}]}
JOB: dict[str, Any] = {"job": {"template": {"spec": {"template": {"spec": JOB_POD}}}}}


def spec(*triggers: dict[str, Any], **changes: Any) -> Retraining:
    return Retraining.model_validate({"triggers": list(triggers), "action": GITHUB} | changes)


@dataclass
class Training:
    """A run in the target."""

    key: str
    began: float
    """By the true time."""
    state: RunState = RunState.RUNNING
    ended: float | None = None


@dataclass
class Target:
    """What runs pipelines. `answers` says how it answers the next request to begin."""

    repeatable: bool = False
    findable: bool = True
    answers: str = "yes"
    """yes, refused, busy (HTTP 429), down, lost (it begins, and the answer does not come) or late (the same, and cannot be found)."""
    trainings: dict[str, Training] = field(default_factory=dict)

    def begin(self, errand: Begin, true_time: float) -> Answer:
        key = errand.order.key
        if not errand.fresh and not self.repeatable:
            return self._found(errand)
        if self.answers == "refused":
            return Answer(errand, Began.REFUSED, error="refused (HTTP 401)")
        if self.answers in ("busy", "down"):
            return Answer(errand, Began.NOT_YET, error="not now", again_after=7.0 if self.answers == "busy" else 0.0)
        if key in self.trainings:
            assert self.repeatable, f"{key} was begun twice"
        else:
            self.trainings[key] = Training(key, true_time)
        if self.answers == "yes":
            return Answer(errand, Began.YES, Run(ref=f"run of {key}", url="https://ci.example.com/1"))
        if self.repeatable:
            return Answer(errand, Began.NOT_YET, error="no answer in time")
        return self._found(errand) if self.answers == "lost" else Answer(errand, Began.UNKNOWN, error="no answer")

    def _found(self, errand: Begin) -> Answer:
        if self.findable and errand.order.key in self.trainings:
            return Answer(errand, Began.YES, Run(ref=f"run of {errand.order.key}"))
        return Answer(errand, Began.UNKNOWN, error="it is not found")

    def end(self, state: RunState, true_time: float) -> None:
        for training in self.trainings.values():
            if training.state == RunState.RUNNING:
                training.state, training.ended = state, true_time

    @property
    def running(self) -> list[Training]:
        return [training for training in self.trainings.values() if training.state == RunState.RUNNING]


class Laboratory:
    """One ModelDeployment's retraining, and the process that looks after it."""

    def __init__(self, wanted: Retraining, now: float = START) -> None:
        self.spec = wanted
        self.now = now
        """By the operator's clock."""
        self.true_time = now
        self.status = RetrainingStatus()
        self.target = Target()
        self.newest = 7
        self.registry_answers = True
        self.data = "1"
        self.value: float | None = None
        self.metrics: dict[str, BoundMetric | str] = {}
        self.stable_version = "7"
        self.busy = ""
        self.conditions: list[Condition] = []
        self.events: list[tuple[Reason, str]] = []
        self.begun: list[RetrainingRun] = []
        self.ended: list[RetrainingEntry] = []
        self.asked = False
        self.last: Work | None = None
        self._pending: dict[Errand, Errand] = {}
        self._answers: dict[Errand, Answer] = {}
        self._queries: list[MetricQuery] = []
        self._results: list[QueryResult] = []

    def view(self) -> View:
        stable = f"fraud-v{self.stable_version}" if self.stable_version else ""
        return View(
            spec=self.spec,
            now=self.now,
            name="fraud",
            namespace="risk",
            uid="u1",
            model="fraud",
            stable=stable,
            stable_version=self.stable_version,
            busy=self.busy,
            conditions=self.conditions,
            metrics=self.metrics,
            context=AnalysisContext("risk", "fraud", stable, stable, None, None),  # type: ignore[arg-type]
            registry=Registry("http://mlflow:5000", None, "risk", "fraud"),
            results=list(self._results),
            answers=list(self._answers.values()),
        )

    def turn(self, *, crash: str = "") -> Work:
        """One look of the operator; `crash`: "before" the status is written, or "after" that and before anything is sent."""
        work = decide(self.view(), self.status, asked=self.asked)
        self.last = work
        if crash == "before":
            self.restart()
            return work
        began = work.status.current
        if began is not None and (self.status.current is None or self.status.current.id != began.id):
            self.begun.append(began)
        if work.status.current is None and self.status.current is not None:
            self.ended.append(work.status.history[0])
        # As the API server keeps it.
        self.status = RetrainingStatus.model_validate(json.loads(json.dumps(work.status.to_wire())))
        self.asked = False
        self.events += [(event.reason, event.message) for event in work.events]
        self._answers, self._results = {}, []
        if crash == "after":
            self.restart()
            return work
        self._submit(work.errands)
        self._queries = list(work.queries)
        return work

    def turn_only(self) -> RetrainingStatus:
        """What would be decided."""
        return decide(self.view(), self.status, asked=self.asked).status

    def restart(self) -> None:
        """Another process: it knows the status and nothing else."""
        self._pending, self._answers, self._queries, self._results = {}, {}, [], []

    def _submit(self, errands: list[Errand]) -> None:
        for errand in list(self._pending):
            if errand not in errands and not isinstance(errand, Begin):
                del self._pending[errand]
        for errand in errands:
            if isinstance(errand, Cancel):
                self.target.end(RunState.FAILED, self.true_time)
            elif errand not in self._pending:
                self._pending[errand] = errand

    def work(self) -> None:
        """The background does its errands."""
        for errand in list(self._pending.values()):
            answer = self._answer(errand)
            if answer is not None:
                self._answers[errand] = answer
                if not isinstance(errand, Follow):
                    del self._pending[errand]
        if self.value is not None:
            self._results += [QueryResult(query, (Sample({}, self.value),)) for query in self._queries]
        self._queries = []

    def _answer(self, errand: Errand) -> Answer | None:
        if isinstance(errand, Begin):
            return self.target.begin(errand, self.true_time)
        if isinstance(errand, Follow):
            training = self.target.trainings[errand.order.key]
            told = training.state != RunState.RUNNING
            return Answer(errand, run=Run(training.state, errand.ref, message="it said so")) if told else None
        if isinstance(errand, AskNewest):
            down = Answer(errand, error="no answer")
            return Answer(errand, value=str(self.newest)) if self.registry_answers else down
        if isinstance(errand, Look):
            return Answer(errand, value=self.data)
        return None

    def go(self, seconds: float, step: float = 60.0) -> None:
        """Let time pass."""
        end = self.true_time + seconds
        while self.true_time < end:
            for _ in range(4):
                self.turn()
                self.work()
            part = min(step, end - self.true_time)
            self.true_time += part
            self.now += part
        self.turn()

    @property
    def current(self) -> RetrainingRun:
        assert self.status.current is not None
        return self.status.current

    @property
    def reasons(self) -> list[Reason]:
        return [reason for reason, _ in self.events]
