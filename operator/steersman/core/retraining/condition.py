"""The condition Retraining."""

from __future__ import annotations

from steersman.api.conditions import ConditionStatus, Reason
from steersman.api.retraining import Retraining
from steersman.api.retraining_status import RetrainingPhase, RetrainingStatus
from steersman.core.retraining.ending import REASONS

_RUNNING = {
    RetrainingPhase.STARTING: "its target is asked to begin",
    RetrainingPhase.RUNNING: "it runs",
    RetrainingPhase.BACK_OFF: "an attempt failed, the next one waits",
    RetrainingPhase.REGISTERING: "the pipeline succeeded, its version is waited for",
}


def finding(spec: Retraining | None, status: RetrainingStatus | None) -> tuple[ConditionStatus, Reason, str] | None:
    """Status, reason and message; None when there is nothing to say."""
    if spec is None or status is None:
        return None
    run = status.current
    if run is not None:
        retrying = run.phase == RetrainingPhase.BACK_OFF
        reason = Reason.RETRAINING_RETRYING if retrying else Reason.RETRAINING_STARTED
        said = f": {run.message}" if run.message else ""
        return ConditionStatus.TRUE, reason, f"{run.id} ({run.trigger}): {_RUNNING[run.phase]}{said}"
    if status.problem:
        return ConditionStatus.FALSE, Reason.RETRAINING_INVALID, status.problem
    if spec.suspend:
        return ConditionStatus.FALSE, Reason.RETRAINING_SUSPENDED, "spec.retraining.suspend is set"
    if status.waiting:
        return ConditionStatus.FALSE, Reason.RETRAINING_WAITING, status.waiting
    if status.history:
        last = status.history[0]
        return ConditionStatus.FALSE, REASONS[last.outcome], f"{last.id} ({last.trigger}): {last.message}"
    return ConditionStatus.FALSE, Reason.NOT_RETRAINED, "no retraining has begun yet"
