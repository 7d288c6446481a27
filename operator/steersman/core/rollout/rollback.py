"""Back to an earlier revision although the spec asks for another: by hand, or after a regression.

`spec` is never written: the status remembers what serves instead, until the spec, or the version that it means, changes.
"""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.status import HistoryEntry, Outcome, RollbackStatus
from steersman.core.analysis.model import Verdict
from steersman.core.history import earlier
from steersman.core.revision import Revision
from steersman.core.rollout.analyses import of_watch
from steersman.core.rollout.ending import abort, quarantine
from steersman.core.rollout.stored import stored
from steersman.core.rollout.turn import Consideration, Turn


def target(turn: Turn, desired: Revision | None) -> Revision | None:
    """The revision to lead to: the one that the spec asks for, or the one that was rolled back to."""
    _lift(turn, desired)
    pinned = turn.status.rollback
    return desired if pinned is None else stored(turn, pinned.revision)


def _lift(turn: Turn, desired: Revision | None) -> None:
    pinned = turn.status.rollback
    if pinned is None:
        return
    moved = desired is not None and desired.name != pinned.instead_of
    if moved or pinned.generation != turn.generation or stored(turn, pinned.revision) is None:
        turn.set(rollback=None)


def comes_back(turn: Turn, revision: str) -> bool:
    """Whether a revision may skip the steps: its pods are still there from when it was stable, or it is within rollbackWindow."""
    before = [entry.revision for entry in earlier(turn.status) if not entry.regressed]
    if revision not in before:
        return False
    warm = any(entry.revision == revision for entry in turn.status.retiring)
    return warm or revision in before[: turn.spec.rollback_window.revisions]


def pin(turn: Turn, to: HistoryEntry, instead_of: str, reason: Reason, message: str) -> None:
    """Have an earlier revision serve instead of the one that the spec asks for."""
    turn.set(
        rollback=RollbackStatus(
            revision=to.revision,
            version=to.version,
            instead_of=instead_of,
            generation=turn.generation,
            reason=str(reason),
            message=message,
            since=turn.now,
        )
    )


def roll_back(turn: Turn, argument: str) -> Consideration:
    """The action rollback: to the revision or version named or, without one, to what was stable before."""
    rollout, stable = turn.under_way, turn.status.stable
    if stable is None:
        return "nothing is stable yet"
    if rollout is not None and not argument:
        return lambda: _back_to_stable(turn)
    candidates = [entry for entry in earlier(turn.status) if stored(turn, entry.revision) is not None]
    chosen = next((entry for entry in candidates if not argument or argument in (entry.revision, entry.version)), None)
    if chosen is None:
        known = ", ".join(entry.revision for entry in candidates) or "none"
        return f"no earlier revision {argument!r} to roll back to; there are: {known}"[:300]

    def deed() -> str:
        asked_for = turn.status.rollback.instead_of if turn.status.rollback is not None else stable.name
        if rollout is not None:
            asked_for = rollout.revision
            abort(turn, Outcome.CANCELLED, Reason.ROLLBACK_REQUESTED, f"rollback to {chosen.revision} was asked for")
        message = f"rollback from {stable.name} was asked for"
        pin(turn, chosen, asked_for, Reason.ROLLBACK_REQUESTED, message)
        turn.event(Reason.ROLLBACK_REQUESTED, f"{chosen.revision} comes back: {message}", warning=True)
        return f"{chosen.revision} comes back"

    return deed


def _back_to_stable(turn: Turn) -> str:
    abort(turn, Outcome.ABORTED, Reason.ABORTED_BY_USER, "rollback was asked for")
    return "traffic returns to stable"


def after_regression(turn: Turn) -> None:
    """End a watch that found a regression: the previous revision comes back, the promoted one is quarantined."""
    entry, watch, stable = of_watch(turn), turn.status.watch, turn.status.stable
    if entry is None or watch is None or stable is None:
        return
    judged = entry.assess()
    if judged.verdict != Verdict.FAILED:
        return
    back = next((found for found in earlier(turn.status) if found.revision == watch.previous), None)
    message = f"{watch.revision} got worse after its promotion: {judged.message}"
    history = [
        past.model_copy(update={"regressed": True}) if past.revision == watch.revision else past
        for past in turn.status.history
    ]
    turn.set(watch=None, last_analysis=watch.analysis, history=history)
    turn.event(Reason.REGRESSION, message, warning=True)
    quarantine(turn, watch.revision, stable.version, str(Reason.REGRESSION), message)
    if back is not None:
        pin(turn, back, watch.revision, Reason.REGRESSION, message)
