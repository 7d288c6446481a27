"""Canary: step by step. The first revision of all is the case without steps."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.duration import format_duration
from steersman.api.status import RolloutPhase, StrategyName
from steersman.api.steps import Pause
from steersman.core.rollout.ending import promote
from steersman.core.rollout.gate import deadline
from steersman.core.rollout.turn import Turn
from steersman.core.rollout.weights import goal_weight, next_weight, reach


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
    wanted = turn.provider.scale(turn.spec.replicas, goal_weight(turn)).candidate
    if turn.status.stable is None:
        if turn.enough_pods(wanted):
            turn.enter(RolloutPhase.PROMOTING)
        else:
            deadline(turn)
        return
    if turn.provider.exclusive_pods and turn.status.retiring:
        turn.wait(f"the pods of {turn.status.retiring[0].revision} to be gone")
        return
    # The proxy learns of the candidate at weight 0, long before it sends it a request.
    if turn.enough_pods(wanted) and turn.routed():
        turn.enter(RolloutPhase.STEPPING, step=0)
    else:
        deadline(turn)


def _step(turn: Turn) -> None:
    steps = turn.steps
    rollout = turn.rollout
    if rollout.step >= len(steps) or steps[rollout.step].set_weight == 100:
        turn.enter(RolloutPhase.PROMOTING, promote_requested=False)
        return
    step = steps[rollout.step]
    if step.set_weight is not None:
        # Steps may have been edited in mid-rollout; traffic never goes down by a step.
        if step.set_weight < turn.candidate_weight or reach(turn, step.set_weight):
            _next_step(turn)
    elif _pause_is_over(turn, step.pause or Pause()):
        _next_step(turn)


def _next_step(turn: Turn) -> None:
    turn.enter(RolloutPhase.STEPPING, step=turn.rollout.step + 1, promote_requested=False)


def _pause_is_over(turn: Turn, pause: Pause) -> bool:
    rollout = turn.rollout
    if rollout.promote_requested:
        return True
    if pause.duration is None:
        turn.wait(f"Waiting for promote at {turn.candidate_weight} %", Reason.AWAITING_PROMOTION)
        return False
    until = rollout.step_started_at + pause.duration
    if turn.now >= until:
        return True
    turn.wait(f"Pausing for {format_duration(pause.duration)} at {turn.candidate_weight} %")
    turn.wake(until)
    return False


def waits_for_person(turn: Turn) -> bool:
    """Whether promote would have an effect now: a pause, or a gate that is not open."""
    rollout = turn.rollout
    if rollout.strategy != StrategyName.CANARY or rollout.gate_open:
        return False
    if rollout.phase == RolloutPhase.PROMOTING:
        return turn.candidate_weight < 100
    if rollout.phase != RolloutPhase.STEPPING:
        return False
    steps = turn.steps
    at_pause = rollout.step < len(steps) and steps[rollout.step].pause is not None
    return at_pause or (turn.candidate_weight > 0 and next_weight(turn) > turn.candidate_weight)
