"""Drift of the stable revision: what is asked, what the answers mean, and what is told of it.

`look_for_drift` does one turn of it: it decides from the recorded status, the answers and the time, and never touches a rollout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from steersman.api.drift import Drift
from steersman.api.drift_status import DriftStatus
from steersman.core.analysis.model import MetricQuery, QueryResult
from steersman.core.drift.findings import events, findings
from steersman.core.drift.looks import Subject, begin, due, fold
from steersman.core.snapshot import EventIntent

__all__ = ["Looked", "Subject", "findings", "look_for_drift"]


@dataclass(frozen=True)
class Looked:
    """What one turn changes."""

    status: DriftStatus | None = None
    queries: tuple[MetricQuery, ...] = ()
    next_look: float = inf
    """Seconds since the epoch."""
    events: tuple[EventIntent, ...] = ()


def look_for_drift(
    settings: Drift | None, before: DriftStatus | None, subject: Subject, results: Sequence[QueryResult], now: float
) -> Looked:
    """Take the answers in, and say what to ask next. Without settings, or without a stable revision, there is nothing to follow."""
    if settings is None or not subject.stable:
        return Looked()
    status = fold(settings, begin(before, subject, settings, now), subject, results)
    asked, next_look = due(settings, status, subject, now)
    return Looked(status, asked, next_look, tuple(events(before, status)))
