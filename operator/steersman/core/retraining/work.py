"""The working state of one turn of retraining: what is seen, the status as it becomes, and what happens beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from steersman.api.conditions import Condition, Reason
from steersman.api.meta import ApiModel
from steersman.api.retraining import Retraining
from steersman.api.retraining_status import RetrainingRun, RetrainingStatus, TriggerStatus
from steersman.core.analysis.model import AnalysisContext, BoundMetric, MetricQuery, QueryResult
from steersman.core.naming import canonical_json
from steersman.core.retraining.model import Answer, Errand, Registry
from steersman.core.snapshot import Children, EventIntent

MESSAGE: Final = 256
"""Characters that are kept of what others say."""

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class View:
    """What one turn of retraining sees."""

    spec: Retraining
    now: float
    name: str
    namespace: str
    uid: str
    model: str
    stable: str
    """Name of the stable revision; empty without one."""
    stable_version: str
    busy: str
    """What is under way that a trigger waits for, e.g. a rollout; empty for nothing."""
    conditions: Sequence[Condition] = ()
    """Of the status before."""
    metrics: Mapping[str, BoundMetric | str] = field(default_factory=dict)
    """By trigger: what it measures, or why it cannot."""
    context: AnalysisContext | None = None
    registry: Registry | None = None
    """None while it is not known."""
    results: Sequence[QueryResult] = ()
    answers: Sequence[Answer] = ()
    children: Children = field(default_factory=Children)


class Work:
    """Mutable, but only within one call."""

    def __init__(self, view: View, status: RetrainingStatus) -> None:
        self.view = view
        self.before = status
        self.status = status
        self.events: list[EventIntent] = []
        self.errands: list[Errand] = []
        self.queries: list[MetricQuery] = []
        self.wake_times: list[float] = []

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self.view.now

    @property
    def spec(self) -> Retraining:
        """What is asked for."""
        return self.view.spec

    @property
    def run(self) -> RetrainingRun:
        """The retraining under way. Only call when there is one."""
        if self.status.current is None:
            raise ValueError("no retraining is under way")
        return self.status.current

    def set(self, **changes: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=changes)

    def set_run(self, **changes: Any) -> None:
        """Change fields of the retraining under way."""
        self.set(current=self.run.model_copy(update=changes))

    def memory(self, name: str) -> TriggerStatus:
        """What a trigger remembers."""
        return next(
            (each for each in self.status.triggers if each.name == name),
            TriggerStatus(name=name),
        )

    def remember(self, name: str, **changes: Any) -> None:
        """Change what a trigger remembers."""
        self.replace(self.memory(name).model_copy(update=changes))

    def replace(self, changed: TriggerStatus) -> None:
        """Let a trigger remember this."""
        name = changed.name
        if any(each.name == name for each in self.status.triggers):
            self.set(triggers=[changed if each.name == name else each for each in self.status.triggers])
        else:
            self.set(triggers=[*self.status.triggers, changed])

    def event(self, reason: Reason, message: str, *, warning: bool = False) -> None:
        """Record an event once the status is written."""
        self.events.append(EventIntent(reason, message, warning))

    def wake(self, at: float) -> None:
        """Look again at this time although nothing changed."""
        self.wake_times.append(at)


def settings_json(settings: ApiModel) -> str:
    """Settings as canonical JSON, without defaults."""
    return canonical_json(settings.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True))


def short(text: str) -> str:
    """A message that may be kept: one line, printable."""
    text = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return text if len(text) <= MESSAGE else text[: MESSAGE - 1] + "…"
