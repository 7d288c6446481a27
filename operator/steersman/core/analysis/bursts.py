"""Stable's failures, or means, in the hour before the rollout, from which the size of bursts is estimated (dispersion.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from steersman.api.analysis import SequentialJudge
from steersman.api.status import SequentialStatus
from steersman.core.analysis import histogram, sequential
from steersman.core.analysis.dispersion import Spread, of_past
from steersman.core.analysis.model import (
    AnalysisContext,
    BoundMetric,
    MetricQuery,
    Over,
    Part,
    QueryResult,
    Sample,
    Source,
)
from steersman.core.analysis.remembering import with_spread

PAST_SECONDS: Final = 3600.0
"""How far back."""
STEP_SECONDS: Final = 15.0
"""Least length of the intervals that are compared: scrapes are seldom more frequent."""


def is_wanted(settings: SequentialJudge, state: SequentialStatus | None) -> bool:
    """Whether stable's past is still to be asked for: once, where the size of bursts is not given."""
    return settings.burst is None and (state is None or state.spread is None)


def queries(
    bound: BoundMetric, settings: SequentialJudge, where: Source, context: AnalysisContext, until: float
) -> tuple[MetricQuery, ...]:
    """Stable's counts in each interval up to a moment. They name the revision: the past of all would be too much to answer."""
    row = sequential.row(bound, settings, context, context.stable)
    step = max(bound.interval, STEP_SECONDS)
    over = Over(until - math.floor(PAST_SECONDS / step) * step, step)
    asked = sequential.queries(bound, settings, where, step, until, of=row)
    # Failures and buckets say all; successes have to be taken from requests.
    needed = [query for query in asked if settings.successes is not None or query.part is not Part.REQUESTS]
    return tuple(replace(query, over=over, reference=True) for query in needed)


def fold(state: SequentialStatus, results: Sequence[QueryResult], row: sequential.Row) -> SequentialStatus:
    """The judge's memory with the answers. Without an answer it does with what the rollout will show."""
    counts = {result.query.part: _counts(result, row) for result in results}
    if Part.FAILURES in counts:
        failures = counts[Part.FAILURES]
    else:
        pairs = zip(counts.get(Part.REQUESTS, ()), counts.get(Part.SUCCESSES, ()), strict=False)
        failures = [max(0.0, requests - successes) for requests, successes in pairs]
    return with_spread(state, of_past(failures))


def fold_means(
    state: SequentialStatus, results: Sequence[QueryResult], row: sequential.Row, highest: float
) -> SequentialStatus:
    """The same of means. An interval without observations, or with an answer that makes no sense, is left out."""
    spread = Spread()
    for moment in sorted(_samples(results, row).items()):
        try:
            found = histogram.read(moment[1], row, highest)
        except sequential.NoCountsError:
            spread = spread.skip()
        else:
            values = found.values(found.bounds)
            spread = spread.add(values.mean, values.variance_of_mean) if values.number > 1.0 else spread.skip()
    return with_spread(state, spread.skip())


def _samples(results: Sequence[QueryResult], row: sequential.Row) -> dict[int, list[Sample]]:
    """The buckets at each interval's end."""
    moments: dict[int, list[Sample]] = {}
    for result in results:
        over = result.query.over
        if over is None or result.error is not None:
            continue
        for number in range(round((result.query.at - over.start) / over.step) + 1):
            moments[number] = []
        for series in result.series:
            if row.has(series.labels):
                for at, value in series.points:
                    moments.setdefault(round((at - over.start) / over.step), []).append(Sample(series.labels, value))
    return moments


def _counts(result: QueryResult, row: sequential.Row) -> list[float]:
    """One per interval. No point is no count: a counter of failures begins with the first."""
    over = result.query.over
    if over is None or result.error is not None:
        return []
    points = {
        round((at - over.start) / over.step): value
        for series in result.series
        if row.has(series.labels)
        for at, value in series.points
        if math.isfinite(value)
    }
    return [points.get(number, 0.0) for number in range(round((result.query.at - over.start) / over.step) + 1)]
