"""What the answers of several metric servers have in common."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from steersman.adapters.transport import Answer
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import MetricError


def document(answer: Answer) -> Any:
    """The JSON of an answer. Raises MetricError."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise answer.malformed() from None


def no_series(provider: str) -> MetricError:
    """What to say when values over time are asked for where there is one value only."""
    return MetricError(
        f"{provider} has one value at a time: judge it by a threshold, or use a provider with values over time"
    )


def span(query: MetricQuery, lookback: float) -> tuple[float, float]:
    """From when to when values are asked for (seconds since the epoch)."""
    return (query.over.start if query.over is not None else query.at - lookback, query.at)


def latest(series: Iterable[Series]) -> tuple[Sample, ...]:
    """The last value of each series that has any."""
    return tuple(Sample(each.labels, each.points[-1][1]) for each in series if each.points)


def within(points: Iterable[tuple[float, float]], start: float, end: float) -> tuple[tuple[float, float], ...]:
    """The points of a time, in order, without what is no number."""
    return tuple(sorted(point for point in points if start <= point[0] <= end and not math.isnan(point[1])))


def pairs(
    raw: Sequence[Sequence[Any]], *, time_at: int, value_at: int, scale: float = 1.0
) -> list[tuple[float, float]]:
    """(seconds, value) of a list of pairs, without nulls. Raises TypeError, ValueError, IndexError for anything else."""
    return [(_number(pair[time_at]) * scale, _number(pair[value_at])) for pair in raw if pair[value_at] is not None]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return float(value)
