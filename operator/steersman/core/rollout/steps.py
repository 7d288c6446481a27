"""What each kind of canary step does."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.duration import format_duration
from steersman.api.status import AnalysisStage
from steersman.api.steps import Pause, SetCanaryScale, SetHeaderRoute, SetMirrorRoute, Step
from steersman.core.analysis.assess import begin
from steersman.core.rollout import experiment
from steersman.core.rollout.gate import in_force, pods_there, step_analysis_passed
from steersman.core.rollout.scaling import candidate_size
from steersman.core.rollout.turn import Turn
from steersman.core.rollout.weights import PROMPT_SECONDS, is_provisional, reach, traffic_changed


def carry_out(turn: Turn, step: Step) -> bool:
    """Carry the current step on; True once it is done."""
    if step.set_weight is not None:
        # Steps may have been edited in mid-rollout; traffic never goes down by a step.
        return (
            step.set_weight < turn.candidate_weight
            or reach(turn, step.set_weight)
            or _pause_may_begin(turn, step.set_weight)
        )
    if step.analysis is not None:
        return _analysis(turn)
    if step.set_header_route is not None:
        return _header_route(turn, step.set_header_route)
    if step.set_mirror_route is not None:
        return _mirror(turn, step.set_mirror_route)
    if step.set_canary_scale is not None:
        return _canary_scale(turn, step.set_canary_scale)
    if step.experiment is not None:
        return experiment.conduct(turn, step.experiment)
    return _pause(turn, step.pause or Pause())


def _pause_may_begin(turn: Turn, weight: int) -> bool:
    """Whether the timed pause after a weight begins with the intent, as it does when the route follows within PROMPT_SECONDS.

    It saves a write of the status at every weight. With an analysis the moment in which the route carries it is recorded.
    """
    rollout, steps = turn.rollout, turn.steps
    following = steps[rollout.step + 1] if rollout.step + 1 < len(steps) else None
    just_set = turn.candidate_weight == weight and turn.before.candidate_weight != weight
    return (
        just_set
        and rollout.weight_reached_at is None
        and rollout.analysis is None
        and following is not None
        and following.pause is not None
        and following.pause.duration is not None
    )


def _pause(turn: Turn, pause: Pause) -> bool:
    rollout = turn.rollout
    if pause.duration is None:
        if not rollout.promote_requested:
            turn.wait(f"Waiting for promote at {turn.candidate_weight} %", Reason.AWAITING_PROMOTION)
        return rollout.promote_requested
    until = rollout.step_started_at + pause.duration
    over = rollout.promote_requested or turn.now >= until
    if is_provisional(turn):
        if turn.routed():
            if over:
                turn.set_rollout(weight_reached_at=rollout.step_started_at)
        elif not _may_follow(turn):
            # Back to the step that sets the weight, for the pause to count anew.
            turn.enter(rollout.phase, step=rollout.step - 1)
            return False
        elif over:
            return False
    if over:
        return True
    turn.wait(f"Pausing for {format_duration(pause.duration)} at {turn.candidate_weight} %")
    turn.wake(until)
    return False


def _may_follow(turn: Turn) -> bool:
    """Whether the route may still be on its way."""
    prompt = turn.rollout.step_started_at + PROMPT_SECONDS
    if turn.now >= prompt or turn.rollout.promote_requested:
        return False
    turn.wake(prompt)
    return True


def _analysis(turn: Turn) -> bool:
    analysis = turn.rollout.step_analysis
    if analysis is None or analysis.stage != AnalysisStage.STEP:
        metrics = turn.step_metrics.get(turn.rollout.step, ())
        turn.set_rollout(step_analysis=begin(AnalysisStage.STEP, metrics, turn.now))
    return step_analysis_passed(turn)


def _header_route(turn: Turn, wanted: SetHeaderRoute) -> bool:
    routes = turn.rollout.header_routes
    others = [route for route in routes if route.name != wanted.name]
    after = [*others, wanted] if wanted.match else others
    if {route.name: route for route in routes} == {route.name: route for route in after}:
        return _done(turn)
    if not pods_there(turn, candidate_size(turn)):
        return False
    turn.set_rollout(header_routes=after)
    what = f"{wanted.name} leads to {turn.rollout.revision}" if wanted.match else f"{wanted.name} has ended"
    turn.event(Reason.HEADER_ROUTE_SET, f"Header route {what}")
    return _changed(turn, f"the route to carry header route {wanted.name}")


def _mirror(turn: Turn, wanted: SetMirrorRoute) -> bool:
    if turn.rollout.mirror == wanted.percentage:
        return _done(turn)
    if not pods_there(turn, candidate_size(turn)):
        return False
    turn.set_rollout(mirror=wanted.percentage)
    turn.event(Reason.MIRROR_SET, f"{turn.rollout.revision} gets copies of {wanted.percentage} % of the requests")
    return _changed(turn, "the route to carry the mirror")


def _canary_scale(turn: Turn, wanted: SetCanaryScale) -> bool:
    scale = None if wanted.match_traffic_weight else wanted
    if turn.rollout.canary_scale != scale:
        turn.set_rollout(canary_scale=scale)
        turn.event(Reason.SCALE_SET, f"{turn.rollout.revision} is scaled to {candidate_size(turn)} pods")
    return pods_there(turn, candidate_size(turn))


def _changed(turn: Turn, wait: str) -> bool:
    traffic_changed(turn)
    turn.wait(wait, Reason.WEIGHTS_PENDING)
    return False


def _done(turn: Turn) -> bool:
    if turn.rollout.weight_reached_at is None:
        if not in_force(turn):
            return False
        turn.set_rollout(weight_reached_at=turn.now)
    return True
