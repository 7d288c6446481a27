"""Raising the candidate's weight: gate, pods, route, in this order."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.status import AnalysisStage, RolloutPhase
from steersman.core.analysis.assess import begin, weight_changed
from steersman.core.rollout.gate import in_force, pass_gate, pods_there
from steersman.core.rollout.scaling import candidate_pods
from steersman.core.rollout.turn import Turn

PROMPT_SECONDS = 2.0
"""A route that follows within so long of the intent is not worth a write of the status of its own."""


def is_provisional(turn: Turn) -> bool:
    """Whether a pause began with the intent of its weight, whose coming into force is not recorded."""
    rollout = turn.status.rollout
    return (
        rollout is not None
        and rollout.phase == RolloutPhase.STEPPING
        and rollout.weight_reached_at is None
        and turn.candidate_weight > 0
        and 0 < rollout.step < len(turn.steps)
        and turn.steps[rollout.step].pause is not None
        and turn.steps[rollout.step - 1].set_weight == turn.candidate_weight
    )


def reach(turn: Turn, weight: int) -> bool:
    """Work towards a weight; True in the turn in which the route is seen to carry it."""
    if turn.candidate_weight == weight:
        if not in_force(turn):
            return False
        turn.set_rollout(weight_reached_at=turn.now)
        return True
    if turn.rollout.weight_reached_at is None and turn.candidate_weight > 0:
        # A weight was intended but the steps changed before it was in force.
        turn.set_rollout(weight_reached_at=turn.now)
    if not (pass_gate(turn) and pods_there(turn, candidate_pods(turn, weight))):
        return False
    old = turn.candidate_weight
    turn.set_weight(weight)
    if weight == 100:
        turn.set_rollout(header_routes=[], mirror=0)
    traffic_changed(turn)
    turn.event(Reason.WEIGHT_SET, f"{turn.rollout.revision} from {old} % to {weight} %")
    turn.wait(f"the route to carry {weight} %", Reason.WEIGHTS_PENDING)
    return False


def traffic_changed(turn: Turn) -> None:
    """The candidate gets other requests from now on: the analysis begins, or counts anew towards its minimum."""
    turn.set_rollout(weight_reached_at=None, gate_open=False, step_started_at=turn.now)
    if not turn.rollout.fast:
        start_analysis(turn, AnalysisStage.BACKGROUND)


def start_analysis(turn: Turn, stage: AnalysisStage) -> None:
    """Begin the stage's analysis, or tell the one under way that the weight changed."""
    analysis = turn.rollout.analysis
    if analysis is not None and analysis.stage == stage:
        turn.set_rollout(analysis=weight_changed(analysis))
    elif turn.metrics.get(stage) and turn.status.stable is not None:
        turn.set_rollout(analysis=begin(stage, turn.metrics[stage], turn.now))
