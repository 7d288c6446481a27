"""What is remembered of a retraining that ended."""

from __future__ import annotations

from typing import Final

from steersman.api.conditions import Reason
from steersman.api.retraining_status import KEPT, RetrainingEntry, RetrainingOutcome, RetrainingRun, RetrainingStatus
from steersman.core.retraining.work import short

REASONS: Final = {
    RetrainingOutcome.SUCCEEDED: Reason.RETRAINING_SUCCEEDED,
    RetrainingOutcome.FAILED: Reason.RETRAINING_FAILED,
    RetrainingOutcome.CANCELLED: Reason.RETRAINING_CANCELLED,
}


def entry(
    run: RetrainingRun, outcome: RetrainingOutcome, message: str, now: float, version: str = ""
) -> RetrainingEntry:
    """What is remembered of a retraining."""
    return RetrainingEntry(
        id=run.id,
        trigger=run.trigger,
        reason=run.reason,
        target=run.target,
        outcome=outcome,
        message=short(message),
        started_at=run.started_at,
        ended_at=now,
        attempts=run.attempt,
        url=run.url,
        stable_version=run.stable_version,
        version=version,
    )


def with_entry(status: RetrainingStatus, ended: RetrainingEntry) -> RetrainingStatus:
    """The status once the retraining under way has ended."""
    history = [ended, *status.history][:KEPT]
    return status.model_copy(update={"current": None, "last_ended_at": ended.ended_at, "history": history})
