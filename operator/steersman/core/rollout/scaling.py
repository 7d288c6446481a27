"""How many pods each revision has: they follow from weights, are recorded as intent, and rendered from there."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

from steersman.api.conditions import Reason
from steersman.api.quantity import resolve
from steersman.api.status import RolloutPhase, StrategyName
from steersman.api.steps import SetCanaryScale
from steersman.api.strategy import Canary
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Problem


def candidate_pods(turn: Turn, weight: int) -> int:
    """Pods that the candidate needs to carry a weight (0 to 100)."""
    if weight == 0:
        return 0
    wanted = turn.provider.scale(turn.base, weight).candidate
    return wanted if turn.provider.exclusive_pods else max(wanted, _canary(turn).min_pods_per_revision)


def stable_pods(turn: Turn, weight: int) -> int:
    """Pods that stable needs to carry a weight (0 to 100) of its own."""
    if turn.provider.exclusive_pods:
        return turn.provider.scale(turn.base, 100 - weight).stable if 0 < weight < 100 else turn.base
    return max(ceil(turn.base * weight / 100), min(turn.base, _canary(turn).min_pods_per_revision))


def candidate_size(turn: Turn) -> int:
    """Pods that the candidate should have now; at least one."""
    return max(1, _candidate_size(turn))


def _candidate_size(turn: Turn) -> int:
    rollout, blue_green = turn.rollout, turn.spec.strategy.blue_green
    if rollout.strategy == StrategyName.BLUE_GREEN:
        preview = blue_green.preview_replicas if blue_green is not None else None
        waiting = rollout.phase in (RolloutPhase.STARTING, RolloutPhase.PRE_PROMOTION)
        return preview if preview is not None and waiting and not rollout.fast else turn.base
    asked = rollout.canary_scale or _first_scale(turn)
    goal = goal_weight(turn) if asked is None or rollout.gate_open else turn.candidate_weight
    if rollout.experiment is not None:
        # What it had before is what it has afterwards, at once.
        goal = max(turn.candidate_weight, rollout.experiment.weight_before)
    wanted = candidate_pods(turn, max(goal, rollout.mirror, _weight_of_step(turn)))
    if asked is not None and asked.replicas is not None:
        wanted = max(wanted, asked.replicas)
    elif asked is not None and asked.weight is not None:
        wanted = max(wanted, candidate_pods(turn, asked.weight))
    return wanted


def goal_weight(turn: Turn) -> int:
    """The weight that the candidate is scaled for: the present one or, once allowed, the next."""
    rollout = turn.rollout
    if rollout.strategy != StrategyName.CANARY or rollout.fast:
        return 100
    if rollout.gate_open or turn.candidate_weight == 0:
        return next_weight(turn)
    return turn.candidate_weight


def next_weight(turn: Turn) -> int:
    """The first weight at or after the current step; 100 when no step sets one."""
    return next((s.set_weight for s in turn.steps[turn.rollout.step :] if s.set_weight is not None), 100)


def scale(turn: Turn) -> None:
    """Record the intended pods of stable and candidate."""
    stable, candidate = turn.status.stable, turn.status.candidate
    if turn.under_way is not None and candidate is not None:
        candidate = candidate.model_copy(update={"replicas": candidate_size(turn)})
        turn.set(candidate=candidate)
    if stable is not None:
        beside = candidate.replicas if candidate is not None else 0
        turn.set(stable=stable.model_copy(update={"replicas": _intended_stable_pods(turn, stable.replicas, beside)}))


def _intended_stable_pods(turn: Turn, now: int, beside: int) -> int:
    rollout = turn.status.rollout
    if rollout is None:
        autoscaling = turn.spec.autoscaling
        return turn.base if autoscaling is None else autoscaling.min_replicas
    weight = turn.candidate_weight
    if turn.provider.exclusive_pods:
        if weight == 100:
            return now
        return stable_pods(turn, 100 - weight) if weight > 0 else turn.base
    canary = _canary(turn)
    if rollout.strategy == StrategyName.BLUE_GREEN or rollout.phase == RolloutPhase.ABORTING or rollout.fast:
        return turn.base
    if weight == 100:
        return now if _gives_way(canary) else turn.base
    share = stable_pods(turn, _largest_stable_weight(turn))
    if rollout.weight_reached_at is None:
        # The route may carry an earlier, larger share still.
        return max(now, share)
    if canary.dynamic_stable_scale:
        return share
    if canary.max_surge is not None:
        room = turn.base + resolve(canary.max_surge, turn.base) - beside
        return max(share, min(turn.base, room))
    return turn.base


def check_surge(turn: Turn) -> Problem | None:
    """Whether every step fits under maxSurge: the next weight's pods beside those that the present weight leaves to stable."""
    canary = _canary(turn)
    if canary.max_surge is None or turn.provider.exclusive_pods:
        return None
    allowed = turn.base + resolve(canary.max_surge, turn.base)
    weights = [0, *(step.set_weight for step in turn.steps if step.set_weight is not None)]
    for present, following in pairwise([*weights, 100] if weights[-1] < 100 else weights):
        needed = candidate_pods(turn, following) + stable_pods(turn, 100 - present)
        if needed > allowed:
            return Problem(
                Reason.INVALID_SPEC,
                f"maxSurge {canary.max_surge} is too small for the step from {present} to {following} %: "
                f"it needs {needed} pods, {allowed} are allowed. Raise maxSurge or make the steps smaller",
            )
    return None


def can_carry(turn: Turn, weight: int) -> bool:
    """Whether stable has the pods for a weight of its own; always, where it is never scaled down."""
    stable = turn.status.stable
    if stable is None or not _gives_way(_canary(turn)) or turn.provider.exclusive_pods:
        return True
    return turn.available(stable.name) >= stable_pods(turn, weight)


def _gives_way(canary: Canary) -> bool:
    return canary.dynamic_stable_scale or canary.max_surge is not None


def _first_scale(turn: Turn) -> SetCanaryScale | None:
    """The scale that a rollout sets before anything else holds from its first pod on."""
    if turn.rollout.phase != RolloutPhase.STARTING or not turn.steps:
        return None
    first = turn.steps[0].set_canary_scale
    return None if first is None or first.match_traffic_weight else first


def _largest_stable_weight(turn: Turn) -> int:
    """Stable's weight, and those that the experiment under way may give it at once."""
    experiment = turn.rollout.experiment
    if experiment is None:
        return turn.stable_weight
    return max(turn.stable_weight, 100 - experiment.weight_before, 100 - 2 * _weight_of_step(turn))


def _weight_of_step(turn: Turn) -> int:
    """The weight that the current step's experiment or mirror amounts to."""
    rollout = turn.rollout
    if rollout.phase != RolloutPhase.STEPPING or rollout.step >= len(turn.steps):
        return 0
    step = turn.steps[rollout.step]
    if step.set_mirror_route is not None:
        return step.set_mirror_route.percentage
    over = rollout.experiment is not None and rollout.experiment.over
    return step.experiment.weight if step.experiment is not None and not over else 0


def _canary(turn: Turn) -> Canary:
    return turn.spec.strategy.canary or Canary()
