"""The comparison judge: one query's value of the candidate must be within bounds relative to stable's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from steersman.api.analysis import Metric
from steersman.api.comparison_judges import ComparisonJudge
from steersman.api.judgement_status import ComparisonStatus
from steersman.api.status import MeasurementPhase
from steersman.core.analysis.measurement import Judgement
from steersman.core.analysis.model import AnalysisContext, BoundMetric, MetricQuery, Part, QueryResult, Sample
from steersman.core.analysis.past import REFERENCE_SECONDS, before_the_switch, needs_reference
from steersman.core.analysis.query_text import check_query_of_each, query_text


def check(metric: Metric, settings: ComparisonJudge, args: Mapping[str, str]) -> None:
    """Raise PlaceholderError when the query cannot be rendered with these arguments."""
    check_query_of_each(metric, settings.query, args)


def queries(
    bound: BoundMetric,
    settings: ComparisonJudge,
    context: AnalysisContext,
    known: ComparisonStatus | None,
    first_look_at: float,
    at: float,
) -> tuple[MetricQuery, ...]:
    """The candidate's query of a look, and stable's: of the same time or, once, of the time before a switch."""

    def ask(part: Part, revision: str, window: float, moment: float, *, reference: bool = False) -> MetricQuery:
        where, text = query_text(settings.query, bound, context, window, revision)
        return MetricQuery(bound.name, part, where, text, moment, reference=reference)

    window = max(bound.interval, at - first_look_at)
    candidate = ask(Part.CANDIDATE, context.candidate, window, at)
    if not needs_reference(context):
        return candidate, ask(Part.STABLE, context.stable, window, at)
    if known is not None and known.reference is not None:
        return (candidate,)
    moment = before_the_switch(bound, first_look_at)
    return candidate, ask(Part.STABLE, context.stable, REFERENCE_SECONDS, moment, reference=True)


def judge(
    settings: ComparisonJudge, known: ComparisonStatus | None, results: Sequence[QueryResult], context: AnalysisContext
) -> Judgement:
    """Pass while every bound holds, Fail when one does not; Inconclusive without one finite number of each side."""
    samples = {result.query.part: result.samples for result in results}
    here = _value(samples.get(Part.CANDIDATE, ()))
    there: float | str
    if known is not None and known.reference is not None:
        there = known.reference
    else:
        there = _value(samples.get(Part.STABLE, ()))
    state = ComparisonStatus(
        rule=rule(settings),
        candidate=here if isinstance(here, float) else None,
        stable=there if isinstance(there, float) else None,
        reference=there if isinstance(there, float) and needs_reference(context) else None,
    )
    for side, found in (("candidate", here), ("stable", there)):
        if isinstance(found, str):
            return Judgement(MeasurementPhase.INCONCLUSIVE, f"{side}: {found}", comparison=state)
    assert isinstance(here, float) and isinstance(there, float)  # noqa: S101  a str has returned above
    phase, why = compare(settings, here, there)
    value = here / there if there > 0.0 and _of_ratio(settings) else here - there
    past = " before the switch" if needs_reference(context) else ""
    message = f"candidate {here:.6g}, stable {there:.6g}{past}: {why}"
    return Judgement(phase, message, value if math.isfinite(value) else None, comparison=state)


def compare(settings: ComparisonJudge, candidate: float, stable: float) -> tuple[MeasurementPhase, str]:
    """Judge two finite values, and say why.

    A ratio needs a stable above 0. When both are 0 they are equal, which passes. When only stable is 0, the candidate is infinitely far above
    or below it: a bound on that side is then taken from the difference (maxIncrease, maxDecrease) and, without one, nothing can be said.
    """
    difference = candidate - stable
    if settings.max_increase is not None and difference > settings.max_increase:
        return _fail(f"the increase {difference:.6g} is above the maximum {settings.max_increase:.6g}")
    if settings.max_decrease is not None and -difference > settings.max_decrease:
        return _fail(f"the decrease {-difference:.6g} is above the maximum {settings.max_decrease:.6g}")
    if not _of_ratio(settings):
        return MeasurementPhase.PASS, f"the difference {difference:.6g} is within {rule(settings)}"
    if candidate == stable:
        return _with_ratio(settings, 1.0) if stable > 0.0 else (MeasurementPhase.PASS, "they are equal")
    if stable > 0.0:
        return _with_ratio(settings, candidate / stable)
    if stable < 0.0:
        return MeasurementPhase.INCONCLUSIVE, "a ratio to a negative value says nothing; bound the difference"
    return _beside_zero(settings, difference)


def _with_ratio(settings: ComparisonJudge, ratio: float) -> tuple[MeasurementPhase, str]:
    if settings.max_ratio is not None and ratio > settings.max_ratio:
        return _fail(f"the ratio {ratio:.6g} is above the maximum {settings.max_ratio:.6g}")
    if settings.min_ratio is not None and ratio < settings.min_ratio:
        return _fail(f"the ratio {ratio:.6g} is below the minimum {settings.min_ratio:.6g}")
    return MeasurementPhase.PASS, f"the ratio {ratio:.6g} is within {rule(settings)}"


def _beside_zero(settings: ComparisonJudge, difference: float) -> tuple[MeasurementPhase, str]:
    if difference > 0.0:
        bounded, instead, name = settings.max_ratio, settings.max_increase, "maxIncrease"
    else:
        bounded, instead, name = settings.min_ratio, settings.max_decrease, "maxDecrease"
    if bounded is not None and instead is None:
        return MeasurementPhase.INCONCLUSIVE, f"stable is 0, so there is no ratio; {name} would bound the difference"
    return MeasurementPhase.PASS, f"stable is 0; the difference {difference:.6g} is within {rule(settings)}"


def _fail(why: str) -> tuple[MeasurementPhase, str]:
    return MeasurementPhase.FAIL, why


def _of_ratio(settings: ComparisonJudge) -> bool:
    return settings.max_ratio is not None or settings.min_ratio is not None


def rule(settings: ComparisonJudge) -> str:
    """The bounds in words."""
    bounds = (
        (settings.min_ratio, "ratio at least"),
        (settings.max_ratio, "ratio at most"),
        (settings.max_increase, "increase at most"),
        (settings.max_decrease, "decrease at most"),
    )
    return ", ".join(f"{words} {bound:.6g}" for bound, words in bounds if bound is not None)


def _value(samples: Sequence[Sample]) -> float | str:
    """The one finite value, or why there is none."""
    if not samples:
        return "no data: the query returned no series"
    if len(samples) > 1:
        return f"the query returned {len(samples)} series; aggregate it, for example with sum()"
    value = samples[0].value
    return value if math.isfinite(value) else f"the query returned {value}, which is no measurement"
