"""What the current step waits for, with the time left where there is a limit."""

from __future__ import annotations

from steersman.api.modeldeployment import InconclusiveAction, ModelDeployment
from steersman.api.status import AnalysisStatus, ExperimentStatus, RevisionStatus, RolloutPhase, RolloutStatus
from steersman.api.steps import Experiment, SetHeaderRoute, Step
from steersman.api.strategy import BlueGreen
from steersman.cli.view.plan import candidate_weight, current_step, weight_of
from steersman.cli.view.text import countdown, human_duration


def waiting_for(md: ModelDeployment, rollout: RolloutStatus, now: float) -> str:
    """What the rollout waits for at this point of its plan."""
    parts: list[str] = []
    if md.status.paused:
        parts.append("paused by hand until resumed")
    elif md.spec.paused:
        parts.append("paused by spec.paused")
    if rollout.promote_requested:
        parts.append("promotion was asked for")
    elif rollout.held:
        parts.append("held, the evidence is inconclusive: promote or abort")
    else:
        parts.append(_progress(md, rollout, now))
    return "; ".join(parts)


def way_back(md: ModelDeployment, rollout: RolloutStatus, now: float) -> str:
    """What a rollout that is being ended waits for; empty when stable has all of the intended weight."""
    weight = candidate_weight(md, rollout)
    if weight == 0:
        return ""
    left = md.spec.progress_deadline - (now - rollout.step_started_at)
    return f"{weight} % left, {_pods(md.status.stable)}; all at once in {countdown(left)}"


def _progress(md: ModelDeployment, rollout: RolloutStatus, now: float) -> str:
    if rollout.phase is RolloutPhase.STEPPING:
        step = None if rollout.fast else current_step(md, rollout)
        return _step(md, rollout, step, now) if step is not None else _next_weight(md, rollout, 100, now)
    if rollout.phase is RolloutPhase.PROMOTING:
        return _next_weight(md, rollout, 100, now)
    if rollout.phase is RolloutPhase.PRE_PROMOTION and rollout.gate_open:
        plan = md.spec.strategy.blue_green or BlueGreen()
        return _pause(rollout, plan.auto_promotion_delay if plan.auto_promotion else None, now)
    if rollout.phase in (RolloutPhase.PRE_PROMOTION, RolloutPhase.POST_PROMOTION):
        return _evidence(md, rollout, rollout.analysis, now)
    return _candidate(md, rollout, now)


def _step(md: ModelDeployment, rollout: RolloutStatus, step: Step, now: float) -> str:
    if step.set_weight is not None:
        return _next_weight(md, rollout, step.set_weight, now)
    if step.analysis is not None:
        return _evidence(md, rollout, rollout.step_analysis, now)
    if step.set_header_route is not None:
        return _header_route(md, rollout, step.set_header_route, now)
    if step.set_mirror_route is not None:
        known = step.set_mirror_route.percentage == rollout.mirror
        return _route(md, rollout, "the mirror", now) if known else _candidate(md, rollout, now)
    if step.set_canary_scale is not None:
        return _candidate(md, rollout, now)
    if step.experiment is not None:
        return _experiment(md, rollout, step.experiment, now)
    return _pause(rollout, step.pause.duration if step.pause is not None else None, now)


def _header_route(md: ModelDeployment, rollout: RolloutStatus, wanted: SetHeaderRoute, now: float) -> str:
    there = next((route for route in rollout.header_routes if route.name == wanted.name), None)
    if (there == wanted) if wanted.match else (there is None):
        return _route(md, rollout, "the header route" if wanted.match else "the header route no more", now)
    return _candidate(md, rollout, now)


def _pause(rollout: RolloutStatus, duration: float | None, now: float) -> str:
    if duration is None:
        return "waits for promote"
    return f"{countdown(duration - (now - rollout.step_started_at))} left"


def _next_weight(md: ModelDeployment, rollout: RolloutStatus, weight: int, now: float) -> str:
    """A weight is raised by evidence first, then pods, then the route."""
    if candidate_weight(md, rollout) == weight:
        return _route(md, rollout, f"{weight} %", now)
    if rollout.analysis is not None and not rollout.gate_open:
        return _evidence(md, rollout, rollout.analysis, now)
    return _candidate(md, rollout, now)


def _experiment(md: ModelDeployment, rollout: RolloutStatus, step: Experiment, now: float) -> str:
    running = rollout.experiment
    if running is None:
        return _candidate(md, rollout, now)
    if running.over:
        return _route(md, rollout, f"{running.weight_before} % again", now)
    if running.running_since is None:
        return _experiment_start(md, rollout, step, running, now)
    left = (step.duration or 0.0) - (now - running.running_since)
    analysis = rollout.step_analysis
    if analysis is None or (left > 0 and analysis.inconclusive_since is None):
        return f"{countdown(left)} left"
    return _evidence(md, rollout, analysis, now)


def _experiment_start(
    md: ModelDeployment, rollout: RolloutStatus, step: Experiment, running: ExperimentStatus, now: float
) -> str:
    baseline = running.baseline
    if weight_of(md, baseline.name) == step.weight:
        return _route(md, rollout, f"{step.weight} % each", now)
    if baseline.available_replicas < baseline.replicas:
        return f"waits for {_pods(baseline, 'of the baseline')}, {_deadline(md, rollout, now)}"
    return _next_weight(md, rollout, step.weight, now)


def _evidence(md: ModelDeployment, rollout: RolloutStatus, analysis: AnalysisStatus | None, now: float) -> str:
    since = analysis.inconclusive_since if analysis is not None else None
    if since is None:
        return "waits for the analysis"
    limit = md.spec.analysis.inconclusive
    left = limit.after - (now - max(since, rollout.step_started_at))
    then = "it is aborted" if limit.action is InconclusiveAction.ABORT else "it waits for a person"
    return f"inconclusive for {human_duration(now - since)}, {countdown(left)} until {then}"


def _route(md: ModelDeployment, rollout: RolloutStatus, what: str, now: float) -> str:
    return f"waits for the route to carry {what}, {_deadline(md, rollout, now)}"


def _candidate(md: ModelDeployment, rollout: RolloutStatus, now: float) -> str:
    return f"waits for {_pods(md.status.candidate)}, {_deadline(md, rollout, now)}"


def _pods(revision: RevisionStatus | None, whose: str = "") -> str:
    words = f"pods {whose}".strip()
    return words if revision is None else f"{words} ({revision.available_replicas}/{revision.replicas} available)"


def _deadline(md: ModelDeployment, rollout: RolloutStatus, now: float) -> str:
    left = md.spec.progress_deadline - (now - rollout.step_started_at)
    return f"{countdown(left)} to the deadline" if left > 0 else "past its deadline"
