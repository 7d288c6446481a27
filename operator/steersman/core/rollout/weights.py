"""Raising the candidate's weight: gate, pods, route, in this order."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.status import AnalysisStage, StrategyName
from steersman.core.analysis.assess import begin, weight_changed
from steersman.core.rollout.gate import deadline, pass_gate
from steersman.core.rollout.turn import Turn


def goal_weight(turn: Turn) -> int:
    """The weight that the candidate is scaled for: the present one or, once allowed, the next."""
    rollout = turn.rollout
    if rollout.strategy != StrategyName.CANARY:
        return 100
    if rollout.gate_open or turn.candidate_weight == 0:
        return next_weight(turn)
    return turn.candidate_weight


def next_weight(turn: Turn) -> int:
    """The first weight at or after the current step; 100 when no step sets one."""
    steps = turn.steps
    return next((s.set_weight for s in steps[turn.rollout.step :] if s.set_weight is not None), 100)


def reach(turn: Turn, weight: int) -> bool:
    """Work towards a weight; True in the turn in which the route is seen to carry it."""
    if turn.candidate_weight == weight:
        if not turn.routed():
            deadline(turn)
            return False
        turn.set_rollout(weight_reached_at=turn.now)
        return True
    if turn.rollout.weight_reached_at is None and turn.candidate_weight > 0:
        # A weight was intended but the steps changed before it was in force.
        turn.set_rollout(weight_reached_at=turn.now)
    if not pass_gate(turn):
        return False
    if not turn.enough_pods(turn.provider.scale(turn.spec.replicas, weight).candidate):
        deadline(turn)
        return False
    old = turn.candidate_weight
    turn.set_weight(weight)
    turn.set_rollout(weight_reached_at=None, gate_open=False, step_started_at=turn.now)
    start_analysis(turn, AnalysisStage.BACKGROUND)
    turn.event(Reason.WEIGHT_SET, f"{turn.rollout.revision} from {old} % to {weight} %")
    turn.wait(f"the route to carry {weight} %", Reason.WEIGHTS_PENDING)
    return False


def start_analysis(turn: Turn, stage: AnalysisStage) -> None:
    """Begin the stage's analysis, or tell the one under way that the weight changed."""
    analysis = turn.rollout.analysis
    if analysis is not None and analysis.stage == stage:
        turn.set_rollout(analysis=weight_changed(analysis))
    elif turn.metrics.get(stage) and turn.status.stable is not None:
        turn.set_rollout(analysis=begin(stage, turn.metrics[stage], turn.now))
