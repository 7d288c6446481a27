"""The steps of the rollout under way: what is done, what is going on and for how long, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import RolloutPhase, RolloutStatus, StrategyName
from steersman.api.steps import Step
from steersman.api.strategy import BlueGreen
from steersman.cli.view.plan import steps_of
from steersman.cli.view.step_words import step_label, templates
from steersman.cli.view.text import human_duration
from steersman.cli.view.waiting import waiting_for, way_back

_ORDER = list(RolloutPhase)
"""Phases in the order in which a rollout goes through them."""
MOST_LINES = 14
"""Lines of a plan that are shown; of a longer one the beginning and the end are summed up."""
_DONE_SHOWN, _NEXT_SHOWN = 3, 5
_PROMOTE = "promote: weight 100 %"


class StepState(StrEnum):
    """Where a step stands; the value is its marker."""

    DONE = "✓"
    CURRENT = "▶"
    NEXT = "○"
    LEFT_OUT = "-"
    FAILED = "✗"


@dataclass(frozen=True)
class StepLine:
    """One step as it is shown."""

    state: StepState
    label: str
    detail: str = ""
    """What the current step waits for."""


def step_lines(md: ModelDeployment, now: float) -> list[StepLine]:
    """The steps of the rollout under way; nothing without one."""
    rollout = md.status.rollout
    if rollout is None:
        return []
    if rollout.phase is RolloutPhase.ABORTING:
        return _way_back(md, rollout, now)
    if rollout.strategy is StrategyName.INITIAL:
        labels = ["start the first revision", "send it all traffic"]
        return _number_off(labels, 0 if rollout.phase is RolloutPhase.STARTING else 1, md, rollout, now)
    if rollout.strategy is StrategyName.BLUE_GREEN:
        return _blue_green(md, rollout, md.spec.strategy.blue_green or BlueGreen(), now)
    return _canary(md, rollout, steps_of(md), now)


def _way_back(md: ModelDeployment, rollout: RolloutStatus, now: float) -> list[StepLine]:
    why = ": ".join(part for part in (rollout.reason, rollout.message) if part)
    lines = [StepLine(StepState.FAILED, "return all traffic to stable", why)]
    waits = way_back(md, rollout, now)
    return [*lines, StepLine(StepState.CURRENT, "as the pods of stable come", waits)] if waits else lines


def _canary(md: ModelDeployment, rollout: RolloutStatus, steps: Sequence[Step], now: float) -> list[StepLine]:
    # A last step to 100 % is the promotion.
    labels = [step_label(step) for step in steps if step.set_weight != 100]
    done = 0 if rollout.phase is RolloutPhase.STARTING else min(rollout.step, len(labels))
    if rollout.fast:
        lines = _number_off(["start the candidate", *labels[:done], _PROMOTE], _fast(rollout, done), md, rollout, now)
        left_out = len(labels) - done
        if left_out:
            lines.insert(-1, StepLine(StepState.LEFT_OUT, f"{left_out} {'steps' if left_out > 1 else 'step'} left out"))
    else:
        current = 0 if rollout.phase is RolloutPhase.STARTING else done + 1
        if rollout.phase is RolloutPhase.PROMOTING:
            current = len(labels) + 1
        lines = _number_off(["start the candidate", *labels, _PROMOTE], current, md, rollout, now)
    return _summed_up(lines)


def _fast(rollout: RolloutStatus, done: int) -> int:
    return 0 if rollout.phase is RolloutPhase.STARTING else done + 1


def _blue_green(md: ModelDeployment, rollout: RolloutStatus, plan: BlueGreen, now: float) -> list[StepLine]:
    if rollout.fast:
        current = 0 if rollout.phase is RolloutPhase.STARTING else 1
        return _number_off(["start the candidate", "switch all traffic"], current, md, rollout, now)
    stages: list[tuple[RolloutPhase, bool, str]] = [(RolloutPhase.STARTING, False, "start the preview")]
    before = plan.pre_promotion_analysis
    if before is not None:
        stages.append((RolloutPhase.PRE_PROMOTION, False, "analyse the preview" + templates(before.templates)))
    if not plan.auto_promotion:
        stages.append((RolloutPhase.PRE_PROMOTION, True, "pause until promoted"))
    elif plan.auto_promotion_delay:
        stages.append((RolloutPhase.PRE_PROMOTION, True, f"pause {human_duration(plan.auto_promotion_delay)}"))
    stages.append((RolloutPhase.PROMOTING, False, "switch all traffic"))
    # Without an analysis of its own the switch is watched with the general one.
    after = plan.post_promotion_analysis.templates if plan.post_promotion_analysis else md.spec.analysis.templates
    if after:
        stages.append((RolloutPhase.POST_PROMOTION, False, "analyse after the switch" + templates(after)))
    here = _ORDER.index(rollout.phase), rollout.gate_open and rollout.phase is RolloutPhase.PRE_PROMOTION
    # A stage that this plan does not have is only passed through: the next one is shown as current.
    ahead = [index for index, (phase, opened, _) in enumerate(stages) if (_ORDER.index(phase), opened) >= here]
    return _number_off([label for _, _, label in stages], min([*ahead, len(stages) - 1]), md, rollout, now)


def _number_off(
    labels: Sequence[str], current: int, md: ModelDeployment, rollout: RolloutStatus, now: float
) -> list[StepLine]:
    return [
        StepLine(
            StepState.DONE if index < current else StepState.CURRENT if index == current else StepState.NEXT,
            label,
            waiting_for(md, rollout, now) if index == current else "",
        )
        for index, label in enumerate(labels)
    ]


def _summed_up(lines: list[StepLine]) -> list[StepLine]:
    """A long plan around its current step: what is done before and what comes after in one line each."""
    if len(lines) <= MOST_LINES:
        return lines
    here = next(index for index, line in enumerate(lines) if line.state is StepState.CURRENT)
    first, last = max(0, here - _DONE_SHOWN), min(len(lines) - 1, here + 1 + _NEXT_SHOWN)
    shown = lines[first:last]
    if first > 1:
        shown.insert(0, StepLine(StepState.DONE, f"{first} steps"))
    elif first == 1:
        shown.insert(0, lines[0])
    hidden = len(lines) - 1 - last
    if hidden > 1:
        shown.append(StepLine(StepState.NEXT, f"{hidden} more steps"))
    elif hidden == 1:
        shown.append(lines[last])
    return [*shown, lines[-1]]
