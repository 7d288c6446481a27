"""When a metric is looked at, and with which queries.

Looks lie on a grid of whole multiples of the interval since the epoch, the same for all rollouts, so that equal queries
of many rollouts are equal in time too and are sent once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from steersman.api.status import AnalysisStatus, MetricStatus
from steersman.core.analysis import bursts, comparison, mann_whitney, sequential, threshold
from steersman.core.analysis.model import AnalysisContext, BoundMetric, MetricQuery
from steersman.core.analysis.source import source

SETTLE_SECONDS = 2.0
"""How long after a grid point it is looked at. A scrape carries the time at which it began but arrives when it is done;
a look before that would miss it, and the next look, which finds it in its past, would miss it too."""


def grid_point(now: float, interval: float) -> float:
    """The latest grid point that may be looked at."""
    return math.floor((now - SETTLE_SECONDS) / interval) * interval


def baseline(bound: BoundMetric, started_at: float) -> float:
    """The grid point from which a metric of an analysis counts; the first look is one interval later.

    Sequential: at or before the start, for the candidate has no requests to count before its first weight, and no
    failure of stable at the very start may be missed. The others: at or after it, so that windows lie within the rollout.
    """
    start = (started_at + (bound.metric.initial_delay or 0.0)) / bound.interval
    return (math.floor(start) if bound.metric.sequential is not None else math.ceil(start)) * bound.interval


def fresh(bound: BoundMetric, first_look_at: float) -> MetricStatus:
    """A metric before its first look."""
    return MetricStatus(
        name=bound.name,
        first_look_at=first_look_at,
        sequential=sequential.start() if bound.metric.sequential is not None else None,
    )


def find(status: AnalysisStatus, name: str) -> MetricStatus | None:
    """A metric's status by name."""
    return next((metric for metric in status.metrics if metric.name == name), None)


def counts_from(metric: MetricStatus) -> float:
    """The end of the latest look whose counts were taken, or the baseline."""
    return metric.last_look_at or metric.first_look_at or 0.0


def is_due(metric: MetricStatus, at: float) -> bool:
    """Whether a grid point lies after the baseline and after every earlier attempt and look."""
    return at > max(metric.first_look_at or 0.0, metric.last_attempt_at or 0.0, metric.last_look_at or 0.0)


def look_queries(
    bound: BoundMetric, metric: MetricStatus, context: AnalysisContext, at: float
) -> tuple[MetricQuery, ...]:
    """All queries of a metric's look at a grid point; one look covers the whole time since the last one that counted."""
    first_look_at = metric.first_look_at or 0.0
    if bound.metric.threshold is not None:
        return threshold.queries(bound, bound.metric.threshold, context, first_look_at, at)
    if bound.metric.comparison is not None:
        return comparison.queries(bound, bound.metric.comparison, context, metric.comparison, first_look_at, at)
    if bound.metric.mann_whitney is not None:
        return mann_whitney.queries(bound, bound.metric.mann_whitney, context, first_look_at, at)
    settings = bound.metric.sequential
    if settings is None:
        return ()
    where = source(bound.metric, context, bound.args)
    look = sequential.queries(bound, settings, where, at - counts_from(metric), at)
    state = metric.sequential
    if bursts.is_wanted(settings, state):
        look += bursts.queries(bound, settings, where, context, first_look_at)
    if sequential.needs_reference(context) and (state is None or state.reference_requests is None):
        window = sequential.REFERENCE_SECONDS
        return look + sequential.queries(bound, settings, where, window, first_look_at, reference=True)
    return look


def due(
    metrics: Sequence[BoundMetric], status: AnalysisStatus, context: AnalysisContext, now: float
) -> tuple[tuple[MetricQuery, ...], float]:
    """The queries to send now, and the time of the next due look (infinity without metrics).

    Missed grid points are not made up for: one look covers them.
    """
    queries: list[MetricQuery] = []
    next_at = math.inf
    for bound in metrics:
        at = grid_point(now, bound.interval)
        metric = find(status, bound.name) or fresh(bound, at - bound.interval)
        if is_due(metric, at):
            queries.extend(look_queries(bound, metric, context, at))
        following = max(at, metric.first_look_at or 0.0) + bound.interval
        next_at = min(next_at, following + SETTLE_SECONDS)
    return tuple(queries), next_at
