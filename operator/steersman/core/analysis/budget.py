"""One bound of false alarms for a whole rollout, divided among its sequential metrics.

The chance that any of several tests gives a false alarm is at most the sum of theirs (the union bound, or Bonferroni's
inequality), however much the metrics depend on one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from steersman.core.analysis.model import BoundMetric


def spends(bound: BoundMetric) -> bool:
    """Whether a metric can give a false alarm that the bound is about: a threshold is a matter of taste, a dry run of nothing."""
    return bound.metric.sequential is not None and not bound.metric.dry_run


def part(own: float, alpha: float, metrics: int) -> float:
    """What a metric may spend: an equal part of alpha, and not more than its own alpha."""
    return min(own, alpha / max(1, metrics))


def divide(groups: Iterable[Sequence[BoundMetric]], alpha: float) -> list[tuple[BoundMetric, ...]]:
    """The metrics of a rollout's analyses with the part of `alpha` that each may spend as its judge's alpha."""
    kept = [tuple(group) for group in groups]
    number = sum(spends(bound) for group in kept for bound in group)
    return [tuple(_limited(bound, alpha, number) for bound in group) for group in kept]


def _limited(bound: BoundMetric, alpha: float, metrics: int) -> BoundMetric:
    judge = bound.metric.sequential
    if judge is None or not spends(bound):
        return bound
    limited = judge.model_copy(update={"alpha": part(judge.alpha, alpha, metrics)})
    return replace(bound, metric=bound.metric.model_copy(update={"sequential": limited}))
