"""Blue-green: the whole candidate beside stable, an analysis of the preview, one switch, an analysis after it."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.duration import format_duration
from steersman.api.status import AnalysisStage, RolloutPhase
from steersman.api.strategy import BlueGreen
from steersman.core.analysis.model import Verdict
from steersman.core.rollout import golden
from steersman.core.rollout.ending import promote
from steersman.core.rollout.gate import in_force, pass_gate, pods_there
from steersman.core.rollout.scaling import candidate_size
from steersman.core.rollout.turn import Turn
from steersman.core.rollout.weights import start_analysis


def advance(turn: Turn) -> None:
    """One transition of a blue-green rollout."""
    phase = turn.rollout.phase
    if phase == RolloutPhase.STARTING:
        _start(turn)
    elif phase == RolloutPhase.PRE_PROMOTION:
        _pre_promotion(turn)
    elif phase == RolloutPhase.PROMOTING:
        _switch(turn)
    elif phase == RolloutPhase.POST_PROMOTION and pass_gate(turn, Verdict.COMPLETE):
        promote(turn)


def _start(turn: Turn) -> None:
    if not (pods_there(turn, candidate_size(turn)) and golden.passed(turn) and in_force(turn)):
        return
    if turn.rollout.fast:
        turn.enter(RolloutPhase.PROMOTING)
    else:
        # The preview's weight is always what it is: 0 of production, all of its own.
        turn.enter(RolloutPhase.PRE_PROMOTION, weight_reached_at=turn.now)
        start_analysis(turn, AnalysisStage.PRE_PROMOTION)


def _pre_promotion(turn: Turn) -> None:
    asked = turn.rollout.promote_requested or turn.rollout.fast
    if not pass_gate(turn, Verdict.COMPLETE):
        return
    settings = turn.spec.strategy.blue_green or BlueGreen()
    if not asked:
        if not settings.auto_promotion:
            turn.wait("The preview is ready: waiting for promote", Reason.AWAITING_PROMOTION)
            return
        until = turn.rollout.step_started_at + settings.auto_promotion_delay
        if turn.now < until:
            turn.wait(f"The preview is ready: switching after {format_duration(settings.auto_promotion_delay)}")
            turn.wake(until)
            return
    turn.enter(RolloutPhase.PROMOTING, promote_requested=False)


def _switch(turn: Turn) -> None:
    if turn.candidate_weight != 100:
        if not pods_there(turn, turn.base):
            return
        turn.set_weight(100)
        turn.set_rollout(weight_reached_at=None, step_started_at=turn.now)
        turn.event(Reason.WEIGHT_SET, f"{turn.rollout.revision} from 0 % to 100 %")
        turn.wait("the route to carry the switch", Reason.WEIGHTS_PENDING)
        return
    if not in_force(turn):
        return
    if turn.rollout.fast:
        promote(turn)
        return
    turn.enter(RolloutPhase.POST_PROMOTION, weight_reached_at=turn.now)
    if turn.metrics.get(AnalysisStage.POST_PROMOTION):
        start_analysis(turn, AnalysisStage.POST_PROMOTION)
    else:
        turn.set_rollout(analysis=None)


def waits_for_person(turn: Turn) -> bool:
    """Whether promote would have an effect now."""
    return turn.rollout.phase in (RolloutPhase.PRE_PROMOTION, RolloutPhase.POST_PROMOTION)
