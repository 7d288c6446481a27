"""The experiment step: a fresh baseline of stable beside the candidate, each with the same weight."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.duration import format_duration
from steersman.api.status import AnalysisStage, ExperimentStatus
from steersman.api.steps import Experiment
from steersman.core.analysis.assess import begin
from steersman.core.naming import revision_name
from steersman.core.rollout.ending import retire
from steersman.core.rollout.gate import deadline, in_force, pass_gate, pods_there, step_analysis_passed
from steersman.core.rollout.scaling import can_carry, candidate_pods
from steersman.core.rollout.turn import Turn
from steersman.core.rollout.weights import traffic_changed


def conduct(turn: Turn, step: Experiment) -> bool:
    """Carry an experiment on; True once it is over and the weights are as before."""
    running = turn.rollout.experiment
    if running is None:
        _set_up(turn, step)
    elif running.over:
        return _tidy_up(turn)
    elif running.running_since is None:
        _start(turn, step, running)
    elif _is_done(turn, step, running.running_since):
        end(turn)
    return False


def end(turn: Turn) -> None:
    """Give the baseline's weight back; the candidate has what it had before."""
    running = turn.rollout.experiment
    if running is None or running.over:
        return
    turn.set_rollout(experiment=running.model_copy(update={"over": True}), step_analysis=None)
    turn.set_weight(running.weight_before)
    traffic_changed(turn)
    turn.event(Reason.EXPERIMENT_ENDED, f"{turn.rollout.revision} back to {running.weight_before} %")
    turn.wait("the route to carry the weights of before the experiment", Reason.WEIGHTS_PENDING)


def finish(turn: Turn) -> bool:
    """End an experiment early, for its step is not the present one any more; True once nothing of it is left."""
    if turn.rollout.experiment is None:
        return True
    end(turn)
    return _tidy_up(turn)


def _set_up(turn: Turn, step: Experiment) -> None:
    stable = turn.status.stable
    if stable is None:
        raise ValueError("an experiment needs a stable revision")
    # A name of its own for each candidate: counters of an earlier baseline must not be taken for this one's.
    name = revision_name(turn.name, stable.version, {"baseline": stable.name, "candidate": turn.rollout.revision})
    baseline = turn.revision_status(name, stable.version, candidate_pods(turn, step.weight))
    turn.set_rollout(
        experiment=ExperimentStatus(baseline=baseline, weight_before=turn.candidate_weight), step_started_at=turn.now
    )
    turn.set(retiring=[entry for entry in turn.status.retiring if entry.revision != name])
    turn.event(Reason.EXPERIMENT_STARTED, f"{name} is a fresh copy of {stable.name}: {step.weight} % each")


def _start(turn: Turn, step: Experiment, running: ExperimentStatus) -> None:
    if turn.candidate_weight == step.weight and _has_weight(turn, running.baseline.name, step.weight):
        if in_force(turn):
            turn.set_rollout(
                experiment=running.model_copy(update={"running_since": turn.now}), weight_reached_at=turn.now
            )
            metrics = turn.step_metrics.get(turn.rollout.step, ())
            if metrics:
                turn.set_rollout(step_analysis=begin(AnalysisStage.EXPERIMENT, metrics, turn.now))
        return
    if turn.rollout.weight_reached_at is not None and not pass_gate(turn):
        return
    have = turn.available(running.baseline.name)
    if have < running.baseline.replicas:
        turn.wait(f"{have} of {running.baseline.replicas} pods of the baseline {running.baseline.name} are available")
        deadline(turn)
    elif not can_carry(turn, 100 - 2 * step.weight):
        turn.wait("the pods of stable, for its share of the experiment")
        deadline(turn)
    # The proxy learns of the baseline at weight 0 first.
    elif pods_there(turn, candidate_pods(turn, step.weight)) and in_force(turn):
        turn.set_weight(step.weight, baseline=step.weight)
        traffic_changed(turn)
        turn.event(Reason.WEIGHT_SET, f"{turn.rollout.revision} and its baseline to {step.weight} % each")
        turn.wait("the route to carry the experiment's weights", Reason.WEIGHTS_PENDING)


def _is_done(turn: Turn, step: Experiment, since: float) -> bool:
    if turn.rollout.promote_requested or turn.rollout.fast:
        return True
    if not step_analysis_passed(turn):
        return False
    until = since + (step.duration or 0.0)
    if turn.now < until:
        turn.wait(f"The experiment runs for {format_duration(step.duration or 0.0)} at {step.weight} % each")
        turn.wake(until)
        return False
    return True


def _tidy_up(turn: Turn) -> bool:
    running = turn.rollout.experiment
    if running is None or not in_force(turn):
        return False
    turn.set_rollout(experiment=None, weight_reached_at=turn.now)
    weights = [w for w in turn.status.weights if w.revision != running.baseline.name]
    turn.set(weights=weights)
    retire(turn, running.baseline, turn.spec.strategy.scale_down_delay)
    return True


def _has_weight(turn: Turn, revision: str, weight: int) -> bool:
    return any(w.revision == revision and w.weight == weight for w in turn.status.weights)
