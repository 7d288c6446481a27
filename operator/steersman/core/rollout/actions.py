"""Manual actions, asked for by the annotation steersman.dev/action."""

from __future__ import annotations

from collections.abc import Callable

from steersman.api.conditions import Reason
from steersman.api.meta import ANNOTATION_ACTION
from steersman.api.status import ActionStatus, Outcome, RolloutPhase, StrategyName
from steersman.core.rollout import blue_green, canary
from steersman.core.rollout.ending import abort
from steersman.core.rollout.turn import Turn


def handle(turn: Turn) -> bool:
    """Carry out a newly asked action once; True while its annotation is still to be removed.

    The status that records the effect is written before the annotation is removed, and a recorded action is not carried out
    again until its annotation was seen to be gone: a crash in between repeats nothing.
    """
    asked = (turn.snapshot.manifest["metadata"].get("annotations") or {}).get(ANNOTATION_ACTION)
    last = turn.status.action
    if asked is None:
        if last is not None and not last.cleared:
            turn.set(action=last.model_copy(update={"cleared": True}))
        return False
    if last is not None and not last.cleared and last.action == asked[:32]:
        return True
    perform = _ACTIONS.get(asked)
    if perform is None:
        known = ", ".join(_ACTIONS)
        result = f"ignored: {asked[:32]!r} is not an action; write one of {known}"
    else:
        result = perform(turn)
    turn.set(action=ActionStatus(action=asked[:32], at=turn.now, result=result))
    if result.startswith("ignored"):
        turn.event(Reason.ACTION_IGNORED, f"{asked[:32]!r} {result}", warning=True)
    return True


def _promote(turn: Turn) -> str:
    rollout = turn.status.rollout
    if rollout is None or rollout.phase == RolloutPhase.ABORTING:
        return "ignored: no rollout waits for promotion"
    lifted = turn.status.paused
    if lifted:
        turn.set(paused=False)
    if canary.waits_for_person(turn) or (
        rollout.strategy == StrategyName.BLUE_GREEN and blue_green.waits_for_person(turn)
    ):
        turn.set_rollout(promote_requested=True, held=False)
        turn.event(Reason.RESUMED, f"{rollout.revision}: promote was asked for")
        return "done: the rollout goes on"
    return "done: resumed" if lifted else "ignored: the rollout does not wait for anybody"


def _abort(turn: Turn) -> str:
    rollout = turn.status.rollout
    if rollout is None:
        return "ignored: no rollout is under way"
    if rollout.phase == RolloutPhase.ABORTING:
        return "ignored: the rollout is being ended already"
    if turn.status.stable is None:
        return "ignored: this is the first revision, there is no stable to return to"
    abort(turn, Outcome.ABORTED, Reason.ABORTED_BY_USER, "abort was asked for")
    return "done: traffic returns to stable"


def _retry(turn: Turn) -> str:
    quarantine = turn.status.quarantine
    if quarantine is None:
        return "ignored: nothing is quarantined"
    turn.set(quarantine=None)
    turn.event(Reason.RETRIED, f"{quarantine.revision} may be tried again")
    return "done: the revision is tried again"


def _pause(turn: Turn) -> str:
    rollout = turn.status.rollout
    if rollout is None or rollout.phase == RolloutPhase.ABORTING:
        return "ignored: no rollout is under way"
    if turn.status.paused:
        return "ignored: the rollout is paused already"
    turn.set(paused=True)
    turn.event(Reason.PAUSED, f"{rollout.revision} is held at {turn.candidate_weight} %")
    return "done: paused"


def _resume(turn: Turn) -> str:
    if not turn.status.paused:
        return (
            "ignored: spec.paused holds the rollout, set it to false"
            if turn.spec.paused
            else "ignored: nothing is paused"
        )
    turn.set(paused=False)
    turn.event(Reason.RESUMED, "resume was asked for")
    return "done: resumed"


_ACTIONS: dict[str, Callable[[Turn], str]] = {
    "promote": _promote,
    "abort": _abort,
    "retry": _retry,
    "pause": _pause,
    "resume": _resume,
}
