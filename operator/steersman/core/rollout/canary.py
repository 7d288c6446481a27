"""Canary: step by step. The first revision of all is the case without steps."""

from __future__ import annotations

from steersman.api.status import RolloutPhase, StrategyName
from steersman.core.rollout import experiment, golden, steps
from steersman.core.rollout.ending import promote
from steersman.core.rollout.gate import in_force, pods_there
from steersman.core.rollout.scaling import candidate_size, next_weight
from steersman.core.rollout.turn import Turn
from steersman.core.rollout.weights import reach


def advance(turn: Turn) -> None:
    """One transition of a canary or of the first revision."""
    phase = turn.rollout.phase
    if phase == RolloutPhase.STARTING:
        _start(turn)
    elif phase == RolloutPhase.STEPPING:
        _step(turn)
    elif phase == RolloutPhase.PROMOTING and reach(turn, 100):
        promote(turn)


def _start(turn: Turn) -> None:
    if turn.status.stable is None:
        if pods_there(turn, candidate_size(turn)) and golden.passed(turn):
            turn.enter(RolloutPhase.PROMOTING)
        return
    if turn.provider.exclusive_pods and turn.status.retiring:
        turn.wait(f"the pods of {turn.status.retiring[0].revision} to be gone")
        return
    # The proxy learns of the candidate at weight 0, long before it sends it a request.
    if pods_there(turn, candidate_size(turn)) and golden.passed(turn) and in_force(turn):
        turn.enter(RolloutPhase.PROMOTING if turn.rollout.fast else RolloutPhase.STEPPING, step=0)


def _step(turn: Turn) -> None:
    rollout = turn.rollout
    step = turn.steps[rollout.step] if rollout.step < len(turn.steps) else None
    # Steps may have been edited in mid-rollout, or are to be left out from here on.
    if (rollout.fast or step is None or step.experiment is None) and not experiment.finish(turn):
        return
    if rollout.fast or step is None or step.set_weight == 100:
        turn.enter(RolloutPhase.PROMOTING, promote_requested=False, step_analysis=None)
    elif steps.carry_out(turn, step):
        turn.enter(RolloutPhase.STEPPING, step=rollout.step + 1, promote_requested=False, step_analysis=None)


def waits_for_person(turn: Turn) -> bool:
    """Whether promote would have an effect now: a pause, an analysis or experiment step, or a gate that is not open."""
    rollout = turn.rollout
    if rollout.strategy != StrategyName.CANARY or rollout.gate_open or rollout.fast:
        return False
    if rollout.phase == RolloutPhase.PROMOTING:
        return turn.candidate_weight < 100
    if rollout.phase != RolloutPhase.STEPPING:
        return False
    step = turn.steps[rollout.step] if rollout.step < len(turn.steps) else None
    waits = step is not None and (step.pause is not None or rollout.step_analysis is not None or rollout.experiment)
    return bool(waits) or (turn.candidate_weight > 0 and next_weight(turn) > turn.candidate_weight)
