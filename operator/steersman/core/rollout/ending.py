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
from steersman.core.history import with_entry
from steersman.core.rollout import watch
from steersman.core.rollout.scaling import can_carry
from steersman.core.rollout.turn import Turn


def abort(turn: Turn, outcome: Outcome, reason: Reason, message: str) -> None:
    """Send all traffic back to stable; the candidate is dealt with once that is in force."""
    had_weight = turn.candidate_weight
    turn.enter(
        RolloutPhase.ABORTING,
        outcome=outcome,
        reason=str(reason),
        message=message,
        held=False,
        weight_reached_at=None,
        header_routes=[],
        mirror=0,
    )
    if turn.status.stable is not None:
        lower = _lowest_weight(turn, had_weight)
        # Where stable cannot take over anything yet, an experiment's baseline keeps what it has too.
        turn.set_weight(lower, turn.baseline_weight if lower == had_weight else 0)
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
    if turn.status.stable is not None and not (_all_given_back(turn) and turn.routed()):
        return
    rollout = turn.rollout
    outcome = rollout.outcome or Outcome.CANCELLED
    # A first revision that is replaced never served anybody: no delay.
    delay = turn.spec.strategy.scale_down_delay if turn.status.stable is not None else 0.0
    if rollout.experiment is not None:
        retire(turn, rollout.experiment.baseline, delay)
    if turn.status.candidate is not None:
        retire(turn, turn.status.candidate, delay)
    rollback = turn.status.rollback
    if outcome == Outcome.ABORTED and rollback is not None and rollback.revision == rollout.revision:
        # The way back failed too: what serves now stays.
        turn.set(rollback=None)
    elif outcome == Outcome.ABORTED:
        quarantine(turn, rollout.revision, rollout.version, rollout.reason, rollout.message)
        turn.event(
            Reason.ROLLED_BACK, f"Stable {turn.status.stable.name if turn.status.stable else ''} has all traffic"
        )
    if turn.status.stable is not None:
        turn.set(weights=[w for w in turn.status.weights if w.revision == turn.status.stable.name])
    _close(turn, outcome, rollout.reason, rollout.message)


def _all_given_back(turn: Turn) -> bool:
    weight = turn.candidate_weight
    if weight == 0:
        return True
    lower = _lowest_weight(turn, weight)
    if lower < weight:
        turn.set_weight(lower)
        turn.event(Reason.WEIGHT_SET, f"{turn.rollout.revision} from {weight} % to {lower} %")
        turn.wait(f"the route to carry {lower} %", Reason.WEIGHTS_PENDING)
    else:
        turn.wait("the pods of stable, to give it more of the traffic back")
    return lower == 0


def _lowest_weight(turn: Turn, present: int) -> int:
    """The lowest of the plan's weights that leaves stable no more than its pods can carry; 0 where it was never scaled down.

    A candidate without pods, or a stable whose pods do not come within progressDeadline, gives everything back at once.
    """
    late = turn.rollout.step_started_at + turn.spec.progress_deadline
    if turn.available(turn.rollout.revision) == 0 or turn.now >= late:
        return 0
    turn.wake(late)
    planned = [step.set_weight for step in turn.steps if step.set_weight is not None and step.set_weight < present]
    return next((weight for weight in (0, *planned) if can_carry(turn, 100 - weight)), present)


def quarantine(turn: Turn, revision: str, version: str, reason: str, message: str) -> None:
    """Do not try this revision again until something about it changes."""
    entry = Quarantine(
        revision=revision,
        version=version,
        generation=turn.generation,
        reason=reason,
        message=message,
        since=turn.now,
    )
    turn.set(quarantine=entry)
    turn.event(
        Reason.QUARANTINED,
        f"{revision} is not tried again until the spec changes, the registry names another version, or somebody says retry",
        warning=True,
    )


def promote(turn: Turn) -> None:
    """The candidate has all traffic: it is stable now."""
    rollout = turn.rollout
    old, new = turn.status.stable, turn.status.candidate
    turn.set(
        stable=new,
        weights=[w for w in turn.status.weights if w.revision == rollout.revision],
        quarantine=turn.status.quarantine if turn.status.rollback is not None else None,
    )
    message = f"{rollout.revision} is stable" + (f", {old.name} was" if old else "")
    turn.event(Reason.PROMOTED, message)
    if old is not None:
        retire(turn, old, max(turn.spec.strategy.scale_down_delay, watch.begin_if_wanted(turn, old)))
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


def retire(turn: Turn, revision: RevisionStatus, delay: float) -> None:
    """Keep a revision's pods for so many seconds without traffic, then let them go."""
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
        last_analysis=rollout.analysis or (turn.status.last_analysis if rollout.fast else None),
        history=with_entry(turn.status, entry),
    )
