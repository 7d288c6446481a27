"""Status of retraining: what the triggers have seen, the retraining under way, and those that ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from steersman.api.meta import ApiModel, Timestamp

KEPT: Final = 10
"""Retrainings that are remembered."""
MANUAL: Final = "manual"
"""The trigger of a retraining that a person asked for."""


class RetrainingPhase(StrEnum):
    """Where a retraining stands."""

    STARTING = "Starting"
    """The target is asked to begin."""
    RUNNING = "Running"
    """The target said that it began."""
    BACK_OFF = "BackOff"
    """An attempt failed; the next one waits."""
    REGISTERING = "Registering"
    """The pipeline succeeded; the registry is asked for a new version."""


class RetrainingOutcome(StrEnum):
    """How a retraining ended."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    """Somebody deleted its Job, or spec.retraining was taken away or names another target."""


class RetrainingRun(ApiModel):
    """The retraining under way."""

    id: str
    """The idempotency key of its first attempt; later ones have `-2` and so on after it."""
    trigger: str
    reason: str
    """Why, in words: what the trigger saw."""
    target: str
    """Which action it is, e.g. job."""
    phase: RetrainingPhase = RetrainingPhase.STARTING
    started_at: Timestamp
    stable_version: str = ""
    """The stable model version then."""
    attempt: int = 1
    attempt_at: Timestamp
    """When the attempt began; the timeout counts from here. While phase is BackOff: when the next one begins."""
    sends: int = 1
    """Requests to begin this attempt; more than one only where the one before surely began nothing."""
    send_at: Timestamp | None = None
    """When the next request to begin is sent; None while the latest is not answered."""
    ref: str = ""
    """The run's name in the target."""
    url: str = ""
    """Where a person sees the run."""
    message: str = ""
    version_before: str | None = None
    """The newest version of the model before; None while the registry has not said."""
    succeeded_at: Timestamp | None = None

    @property
    def key(self) -> str:
        """The idempotency key of the attempt."""
        return self.id if self.attempt == 1 else f"{self.id}-{self.attempt}"


class RetrainingEntry(ApiModel):
    """A retraining that ended."""

    id: str
    trigger: str
    reason: str
    target: str
    outcome: RetrainingOutcome
    message: str
    started_at: Timestamp
    ended_at: Timestamp
    attempts: int = 1
    url: str = ""
    stable_version: str = ""
    version: str = ""
    """The version that was registered by the end of it; empty when none was seen."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The idempotency keys of its attempts."""
        return (self.id, *(f"{self.id}-{number}" for number in range(2, self.attempts + 1)))


class TriggerStatus(ApiModel):
    """What a trigger remembers."""

    name: str
    settings: str = ""
    """Hash of its settings: another one begins anew."""
    looked_at: Timestamp | None = None
    """The latest look, answered or not."""
    moment: Timestamp | None = None
    """Schedule: the latest moment that was met or skipped."""
    seen: str | None = None
    """Data: what the latest answer was."""
    trained: str | None = None
    """Data: what it was when a training last began."""
    value: float | None = None
    """Growth: the latest value."""
    baseline: float | None = None
    """Growth: the value when a training last began."""
    outside: int = 0
    """Metric: looks in a row outside the bounds."""
    fired_for: str | None = None
    """Metric, drift: the stable version for which it has begun a retraining already."""
    fired_at: Timestamp | None = None
    error: str = ""
    """Why the latest look has no answer."""


class RetrainingStatus(ApiModel):
    """Retraining as a whole."""

    number: int = 0
    """Retrainings so far."""
    current: RetrainingRun | None = None
    last_ended_at: Timestamp | None = None
    """The cooldown counts from here."""
    waiting: str = ""
    """What a trigger that fired waits for."""
    problem: str = ""
    """Why nothing can be begun."""
    triggers: Annotated[list[TriggerStatus], Field(max_length=10)] = []
    history: Annotated[list[RetrainingEntry], Field(max_length=KEPT)] = []
    """The latest ten, newest first."""
