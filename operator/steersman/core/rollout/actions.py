"""Manual actions, asked for by the annotation steersman.dev/action."""

from __future__ import annotations

from collections.abc import Callable

from steersman.api.conditions import Reason
from steersman.api.gate_status import GatePhase
from steersman.api.meta import ANNOTATION_ACTION
from steersman.api.status import ActionStatus, Outcome, RolloutPhase, StrategyName
from steersman.core.rollout import blue_green, canary
from steersman.core.rollout.ending import abort
from steersman.core.rollout.gate_jobs import tried_again
from steersman.core.rollout.rollback import roll_back
from steersman.core.rollout.turn import Consideration, Turn

KEPT_CHARACTERS = 80
"""Of an asked action; the longest that means something is rollback: and a revision's name."""


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
    shown = asked[:KEPT_CHARACTERS]
    if last is not None and not last.cleared and last.action == shown:
        return True
    result = _perform(turn, asked)
    turn.set(action=ActionStatus(action=shown, at=turn.now, result=result))
    if result.startswith("ignored"):
        turn.event(Reason.ACTION_IGNORED, f"{shown!r} {result}", warning=True)
    return True


def possible(turn: Turn) -> list[str]:
    """The actions that would not be ignored now."""
    return [word for word in WORDS if not isinstance(_consider(turn, word), str)]


def _perform(turn: Turn, asked: str) -> str:
    """Carry out an action; what came of it begins with `ignored` when it makes no sense now."""
    considered = _consider(turn, asked)
    return f"ignored: {considered}" if isinstance(considered, str) else f"done: {considered()}"


def _consider(turn: Turn, asked: str) -> Consideration:
    word, _, argument = asked.partition(":")
    consider = _ACTIONS.get(asked)
    if consider is not None:
        return consider(turn)
    if word == "rollback":
        return roll_back(turn, argument)
    known = ", ".join([*WORDS, "rollback:<revision or version>"])
    return f"{asked[:KEPT_CHARACTERS]!r} is not an action; write one of {known}"


def _promote(turn: Turn) -> Consideration:
    rollout, lifted = turn.under_way, turn.status.paused
    if rollout is None:
        return "no rollout waits for promotion"
    blue_green_waits = rollout.strategy == StrategyName.BLUE_GREEN and blue_green.waits_for_person(turn)
    waits = canary.waits_for_person(turn) or blue_green_waits
    if not (waits or lifted):
        return "the rollout does not wait for anybody"

    def deed() -> str:
        if lifted:
            turn.set(paused=False)
        if not waits:
            return "resumed"
        turn.set_rollout(promote_requested=True, held=False)
        turn.event(Reason.RESUMED, f"{rollout.revision}: promote was asked for")
        return "the rollout goes on"

    return deed


def _promote_full(turn: Turn) -> Consideration:
    rollout = turn.under_way
    if rollout is None:
        return "no rollout is under way"
    if rollout.fast or turn.status.stable is None:
        return "the rollout has no steps to leave out"

    def deed() -> str:
        turn.set(paused=False)
        turn.set_rollout(fast=True, held=False)
        turn.event(Reason.RESUMED, f"{rollout.revision}: promote-full was asked for, the remaining steps are left out")
        return "the remaining steps are left out"

    return deed


def _abort(turn: Turn) -> Consideration:
    rollout = turn.status.rollout
    if rollout is None:
        return "no rollout is under way"
    if rollout.phase == RolloutPhase.ABORTING:
        return "the rollout is being ended already"
    if turn.status.stable is None:
        return "this is the first revision, there is no stable to return to"

    def deed() -> str:
        abort(turn, Outcome.ABORTED, Reason.ABORTED_BY_USER, "abort was asked for")
        return "traffic returns to stable"

    return deed


def _retry(turn: Turn) -> Consideration:
    quarantine, rollback = turn.status.quarantine, turn.status.rollback
    gates = turn.status.gates if turn.under_way is None else None
    refused = gates is not None and gates.phase in (GatePhase.FAIL, GatePhase.ERROR)
    if quarantine is None and rollback is None and not refused:
        return "nothing is quarantined, nothing was rolled back, and no gate refused anything"

    def deed() -> str:
        if gates is not None and refused:
            turn.set(gates=tried_again(gates, turn.now))
        if quarantine is None and rollback is None and gates is not None:
            turn.event(Reason.RETRIED, f"the gates of {gates.revision} are judged again")
            return "the gates are judged again"
        turn.set(quarantine=None, rollback=None)
        revision = (
            quarantine.revision if quarantine is not None else rollback.instead_of if rollback is not None else ""
        )
        turn.event(Reason.RETRIED, f"{revision} may be tried again")
        return "the revision is tried again"

    return deed


def _pause(turn: Turn) -> Consideration:
    rollout = turn.under_way
    if rollout is None:
        return "no rollout is under way"
    if turn.status.paused:
        return "the rollout is paused already"

    def deed() -> str:
        turn.set(paused=True)
        turn.event(Reason.PAUSED, f"{rollout.revision} is held at {turn.candidate_weight} %")
        return "paused"

    return deed


def _resume(turn: Turn) -> Consideration:
    if not turn.status.paused:
        return "spec.paused holds the rollout, set it to false" if turn.spec.paused else "nothing is paused"

    def deed() -> str:
        turn.set(paused=False)
        turn.event(Reason.RESUMED, "resume was asked for")
        return "resumed"

    return deed


def _retrain(turn: Turn) -> Consideration:
    if turn.spec.retraining is None:
        return "spec.retraining is not set"
    status = turn.status.retraining
    if status is not None and status.current is not None:
        return f"the retraining {status.current.id} is under way"
    if status is not None and status.problem:
        return status.problem

    def deed() -> str:
        turn.retrain_asked = True
        return "a retraining begins"

    return deed


_ACTIONS: dict[str, Callable[[Turn], Consideration]] = {
    "promote": _promote,
    "promote-full": _promote_full,
    "abort": _abort,
    "retry": _retry,
    "pause": _pause,
    "resume": _resume,
    "retrain": _retrain,
}

WORDS = (*_ACTIONS, "rollback")
"""Every action; rollback may be followed by a colon and a revision or version."""
