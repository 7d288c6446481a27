"""How a rollout ends: by promotion, or by the way back to stable."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.status import (
    HistoryEntry,
    Outcome,
    Quarantine,
    RetiringRevision,
    RevisionStatus,
    RolloutPhase,
)
from steersman.core.rollout.turn import Turn

HISTORY_LIMIT = 10


def abort(turn: Turn, outcome: Outcome, reason: Reason, message: str) -> None:
    """Send all traffic back to stable; the candidate is dealt with once that is in force."""
    had_weight = turn.candidate_weight
    turn.enter(
        RolloutPhase.ABORTING, outcome=outcome, reason=str(reason), message=message, held=False, weight_reached_at=None
    )
    if turn.status.stable is not None:
        turn.set_weight(0)
    else:
        turn.set(weights=[])
    about = f"{turn.rollout.revision} at {had_weight} %: {message}"
    warning = outcome == Outcome.ABORTED
    if warning and reason != Reason.ROLLOUT_ABORTED:
        turn.event(reason, about, warning=True)
    ended = {Outcome.ABORTED: Reason.ROLLOUT_ABORTED, Outcome.SUPERSEDED: Reason.ROLLOUT_SUPERSEDED}
    turn.event(ended.get(outcome, Reason.ROLLOUT_CANCELLED), f"Traffic returns to stable. {about}", warning=warning)


def finish_abort(turn: Turn) -> None:
    """Once stable has all traffic: retire the candidate, and quarantine it if it failed."""
    if turn.status.stable is not None and not turn.routed():
        return
    rollout = turn.rollout
    outcome = rollout.outcome or Outcome.CANCELLED
    # A first revision that is replaced never served anybody: no delay.
    delay = turn.spec.strategy.scale_down_delay if turn.status.stable is not None else 0.0
    _retire(turn, turn.status.candidate, delay)
    if outcome == Outcome.ABORTED:
        quarantine = Quarantine(
            revision=rollout.revision,
            version=rollout.version,
            generation=turn.generation,
            reason=rollout.reason,
            message=rollout.message,
            since=turn.now,
        )
        turn.set(quarantine=quarantine)
        turn.event(
            Reason.QUARANTINED,
            f"{rollout.revision} is not tried again until the spec changes, the registry names another version, or somebody says retry",
            warning=True,
        )
        turn.event(
            Reason.ROLLED_BACK, f"Stable {turn.status.stable.name if turn.status.stable else ''} has all traffic"
        )
    if turn.status.stable is not None:
        turn.set(weights=[w for w in turn.status.weights if w.revision == turn.status.stable.name])
    _close(turn, outcome, rollout.reason, rollout.message)


def promote(turn: Turn) -> None:
    """The candidate has all traffic: it is stable now."""
    rollout = turn.rollout
    old, new = turn.status.stable, turn.status.candidate
    if old is not None:
        _retire(turn, old, turn.spec.strategy.scale_down_delay)
    turn.set(
        stable=new,
        weights=[w for w in turn.status.weights if w.revision == rollout.revision],
        quarantine=None,
    )
    message = f"{rollout.revision} is stable" + (f", {old.name} was" if old else "")
    turn.event(Reason.PROMOTED, message)
    _close(turn, Outcome.PROMOTED, str(Reason.PROMOTED), message)


def retire_expired(turn: Turn) -> None:
    """Let go of retiring revisions whose delay is over; their objects are then deleted."""
    keep = []
    for retiring in turn.status.retiring:
        if turn.now >= retiring.scale_down_at:
            turn.event(
                Reason.SCALED_DOWN, f"{retiring.revision} had no traffic for the scale-down delay: its pods are deleted"
            )
        else:
            keep.append(retiring)
            turn.wake(retiring.scale_down_at)
    if len(keep) != len(turn.status.retiring):
        turn.set(retiring=keep)


def _retire(turn: Turn, revision: RevisionStatus | None, delay: float) -> None:
    if revision is None:
        return
    entry = RetiringRevision(
        revision=revision.name, version=revision.version, replicas=revision.replicas, scale_down_at=turn.now + delay
    )
    turn.set(retiring=[*(r for r in turn.status.retiring if r.revision != revision.name), entry])


def _close(turn: Turn, outcome: Outcome, reason: str, message: str) -> None:
    rollout = turn.rollout
    entry = HistoryEntry(
        revision=rollout.revision,
        version=rollout.version,
        strategy=rollout.strategy,
        outcome=outcome,
        reason=reason,
        message=message,
        started_at=rollout.started_at,
        ended_at=turn.now,
    )
    turn.set(
        rollout=None,
        candidate=None,
        paused=False,
        last_analysis=rollout.analysis,
        history=[entry, *turn.status.history][:HISTORY_LIMIT],
    )
