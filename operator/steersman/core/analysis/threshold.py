"""The threshold judge: one query's value must lie within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from steersman.api.analysis import Metric, ThresholdJudge
from steersman.api.status import MeasurementPhase
from steersman.core.analysis.measurement import Judgement
from steersman.core.analysis.model import AnalysisContext, BoundMetric, MetricQuery, Part, Sample
from steersman.core.analysis.query_text import check_query, query_text


def check(metric: Metric, settings: ThresholdJudge, args: Mapping[str, str]) -> None:
    """Raise PlaceholderError when query or provider cannot be used with these arguments."""
    check_query(metric, settings.query, args)


def queries(
    bound: BoundMetric, settings: ThresholdJudge, context: AnalysisContext, first_look_at: float, at: float
) -> tuple[MetricQuery, ...]:
    """The one query of a look."""
    window = math.ceil(max(bound.interval, at - first_look_at))
    where, text = query_text(settings.query, bound, context, window)
    return (MetricQuery(bound.name, Part.VALUE, where, text, at),)


def judge(settings: ThresholdJudge, samples: Sequence[Sample]) -> Judgement:
    """Pass within the bounds (inclusive), Fail outside, Inconclusive without exactly one finite number."""
    if not samples:
        return _inconclusive("no data: the query returned no series")
    if len(samples) > 1:
        return _inconclusive(f"the query returned {len(samples)} series; aggregate it, for example with sum()")
    value = samples[0].value
    if not math.isfinite(value):
        return _inconclusive(f"the query returned {value}, which is no measurement")
    if settings.min is None and settings.max is None:
        # Only a job may leave both out: 1 is its success.
        settings = settings.model_copy(update={"min": 1.0})
    if settings.min is not None and value < settings.min:
        return Judgement(MeasurementPhase.FAIL, f"{value:.6g} is below the minimum {settings.min:.6g}", value)
    if settings.max is not None and value > settings.max:
        return Judgement(MeasurementPhase.FAIL, f"{value:.6g} is above the maximum {settings.max:.6g}", value)
    return Judgement(MeasurementPhase.PASS, f"{value:.6g} is within {_bounds(settings)}", value)


def _bounds(settings: ThresholdJudge) -> str:
    if settings.min is None:
        return f"the maximum {settings.max:.6g}"
    if settings.max is None:
        return f"the minimum {settings.min:.6g}"
    return f"{settings.min:.6g} to {settings.max:.6g}"


def _inconclusive(message: str) -> Judgement:
    return Judgement(MeasurementPhase.INCONCLUSIVE, message)
