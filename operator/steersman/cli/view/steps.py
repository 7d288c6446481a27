"""The steps of the rollout under way: what is done, what is going on and for how long, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from steersman.api.analysis import TemplateRef
from steersman.api.modeldeployment import InconclusiveAction, ModelDeployment
from steersman.api.status import RolloutPhase, RolloutStatus, StrategyName
from steersman.api.steps import Step
from steersman.api.strategy import BlueGreen, Canary
from steersman.cli.view.text import countdown, human_duration

_ORDER = list(RolloutPhase)
"""Phases in the order in which a rollout goes through them."""


class StepState(StrEnum):
    """Where a step stands; the value is its marker."""

    DONE = "✓"
    CURRENT = "▶"
    NEXT = "○"
    FAILED = "✗"


@dataclass(frozen=True)
class StepLine:
    """One step as it is shown."""

    state: StepState
    label: str
    detail: str = ""
    """What the current step waits for."""


def step_lines(md: ModelDeployment, now: float) -> list[StepLine]:
    """Every step of the rollout under way; nothing without one."""
    rollout = md.status.rollout
    if rollout is None:
        return []
    if rollout.phase is RolloutPhase.ABORTING:
        return [StepLine(StepState.FAILED, "return all traffic to stable", _reason(rollout))]
    if rollout.strategy is StrategyName.INITIAL:
        return _number_off(["start the first revision", "send it all traffic"], _simple_index(rollout), md, now)
    if rollout.strategy is StrategyName.BLUE_GREEN:
        return _blue_green(md, rollout, md.spec.strategy.blue_green or BlueGreen(), now)
    return _canary(md, rollout, md.spec.strategy.canary or Canary(), now)


def _reason(rollout: RolloutStatus) -> str:
    return ": ".join(part for part in (rollout.reason, rollout.message) if part)


def _simple_index(rollout: RolloutStatus) -> int:
    return 0 if rollout.phase is RolloutPhase.STARTING else 1


def _canary(md: ModelDeployment, rollout: RolloutStatus, canary: Canary, now: float) -> list[StepLine]:
    labels = ["start the candidate", *(_step_label(step) for step in canary.plan), "promote: weight 100 %"]
    if rollout.phase is RolloutPhase.STARTING:
        current = 0
    elif rollout.phase is RolloutPhase.STEPPING:
        current = min(rollout.step, len(canary.plan)) + 1
    else:
        current = len(labels) - 1
    return _number_off(labels, current, md, now)


def _blue_green(md: ModelDeployment, rollout: RolloutStatus, plan: BlueGreen, now: float) -> list[StepLine]:
    stages: list[tuple[RolloutPhase, bool, str]] = [(RolloutPhase.STARTING, False, "start the preview")]
    if plan.pre_promotion_analysis:
        stages.append(
            (
                RolloutPhase.PRE_PROMOTION,
                False,
                "analyse the preview" + _templates(plan.pre_promotion_analysis.templates),
            )
        )
    if not plan.auto_promotion:
        stages.append((RolloutPhase.PRE_PROMOTION, True, "pause until promoted"))
    elif plan.auto_promotion_delay:
        stages.append((RolloutPhase.PRE_PROMOTION, True, f"pause {human_duration(plan.auto_promotion_delay)}"))
    stages.append((RolloutPhase.PROMOTING, False, "switch all traffic"))
    # Without an analysis of its own the switch is watched with the general one.
    after = plan.post_promotion_analysis.templates if plan.post_promotion_analysis else md.spec.analysis.templates
    if after:
        stages.append((RolloutPhase.POST_PROMOTION, False, "analyse after the switch" + _templates(after)))
    here = _ORDER.index(rollout.phase), rollout.gate_open and rollout.phase is RolloutPhase.PRE_PROMOTION
    # A stage that this plan does not have is only passed through: the next one is shown as current.
    ahead = [index for index, (phase, opened, _) in enumerate(stages) if (_ORDER.index(phase), opened) >= here]
    return _number_off([label for _, _, label in stages], min([*ahead, len(stages) - 1]), md, now)


def _templates(templates: Sequence[TemplateRef]) -> str:
    return f" ({', '.join(template.name for template in templates)})"


def _step_label(step: Step) -> str:
    if step.pause is None:
        return f"set weight {step.set_weight} %"
    if step.pause.duration is None:
        return "pause until promoted"
    return f"pause {human_duration(step.pause.duration)}"


def _number_off(labels: list[str], current: int, md: ModelDeployment, now: float) -> list[StepLine]:
    return [
        StepLine(
            StepState.DONE if index < current else StepState.CURRENT if index == current else StepState.NEXT,
            label,
            _waiting_for(md, now) if index == current else "",
        )
        for index, label in enumerate(labels)
    ]


def _waiting_for(md: ModelDeployment, now: float) -> str:
    """What the current step waits for, with the time left where there is a limit."""
    rollout = md.status.rollout
    if rollout is None:
        return ""
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


def _progress(md: ModelDeployment, rollout: RolloutStatus, now: float) -> str:
    """What the operator waits for at this point of the plan."""
    if rollout.phase is RolloutPhase.STEPPING:
        step = current_step(md, rollout)
        if step is not None and step.pause is not None:
            return _pause(rollout, step.pause.duration, now)
        return _next_weight(md, rollout, step.set_weight if step and step.set_weight else 100, now)
    if rollout.phase is RolloutPhase.PROMOTING:
        return _next_weight(md, rollout, 100, now)
    if rollout.phase is RolloutPhase.PRE_PROMOTION and rollout.gate_open:
        plan = md.spec.strategy.blue_green or BlueGreen()
        return _pause(rollout, plan.auto_promotion_delay if plan.auto_promotion else None, now)
    if rollout.phase in (RolloutPhase.PRE_PROMOTION, RolloutPhase.POST_PROMOTION):
        return _evidence(md, rollout, now)
    return f"waits for {_pods(md)}, {_deadline(md, rollout, now)}"


def current_step(md: ModelDeployment, rollout: RolloutStatus) -> Step | None:
    """The canary step that is carried out; None after the last one."""
    steps = (md.spec.strategy.canary or Canary()).plan
    return steps[rollout.step] if rollout.step < len(steps) else None


def candidate_weight(md: ModelDeployment, rollout: RolloutStatus) -> int:
    """Intended weight of the candidate, percent."""
    return next((share.weight for share in md.status.weights if share.revision == rollout.revision), 0)


def _pause(rollout: RolloutStatus, duration: float | None, now: float) -> str:
    if duration is None:
        return "waits for promote"
    return f"{countdown(duration - (now - rollout.step_started_at))} left"


def _next_weight(md: ModelDeployment, rollout: RolloutStatus, weight: int, now: float) -> str:
    """A weight is raised by evidence first, then pods, then the route."""
    present = candidate_weight(md, rollout)
    if present == weight:
        return f"waits for the route to carry {weight} %, {_deadline(md, rollout, now)}"
    if rollout.analysis is not None and not rollout.gate_open:
        return _evidence(md, rollout, now)
    return f"waits for {_pods(md)}, {_deadline(md, rollout, now)}"


def _evidence(md: ModelDeployment, rollout: RolloutStatus, now: float) -> str:
    since = rollout.analysis.inconclusive_since if rollout.analysis else None
    if since is None:
        return "waits for the analysis"
    limit = md.spec.analysis.inconclusive
    left = limit.after - (now - max(since, rollout.step_started_at))
    then = "it is aborted" if limit.action is InconclusiveAction.ABORT else "it waits for a person"
    return f"inconclusive for {human_duration(now - since)}, {countdown(left)} until {then}"


def _pods(md: ModelDeployment) -> str:
    candidate = md.status.candidate
    return "pods" if candidate is None else f"pods ({candidate.available_replicas}/{candidate.replicas} available)"


def _deadline(md: ModelDeployment, rollout: RolloutStatus, now: float) -> str:
    left = md.spec.progress_deadline - (now - rollout.step_started_at)
    return f"{countdown(left)} to the deadline" if left > 0 else "past its deadline"
