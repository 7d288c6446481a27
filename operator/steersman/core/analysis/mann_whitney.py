"""The mannWhitney judge: the values of both revisions over time, classified as Kayenta does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from steersman.api.analysis import Metric
from steersman.api.comparison_judges import Direction, EffectMeasure, MannWhitneyJudge, NanStrategy
from steersman.api.judgement_status import Classification, MannWhitneyStatus
from steersman.api.status import MeasurementPhase
from steersman.core.analysis.kayenta.classify import Outcome, classify
from steersman.core.analysis.kayenta.effect import NO_CHANGE, mean
from steersman.core.analysis.kayenta.preprocessing import prepared, without_gaps
from steersman.core.analysis.measurement import Judgement
from steersman.core.analysis.model import AnalysisContext, BoundMetric, MetricQuery, Over, Part, QueryResult, Series
from steersman.core.analysis.past import before_the_switch, needs_reference
from steersman.core.analysis.query_text import check_query_of_each, query_text

MOST_POINTS = 1000
"""The most values of a side that are asked for: the latest."""

REFERENCE_POINTS = 60
"""How many steps before a switch are stable's baseline, unless there is a lookback."""

_PHASES = {
    Classification.PASS: MeasurementPhase.PASS,
    Classification.HIGH: MeasurementPhase.FAIL,
    Classification.LOW: MeasurementPhase.FAIL,
    Classification.NODATA_FAIL_METRIC: MeasurementPhase.FAIL,
    Classification.NODATA: MeasurementPhase.INCONCLUSIVE,
    Classification.ERROR: MeasurementPhase.INCONCLUSIVE,
}


def check(metric: Metric, settings: MannWhitneyJudge, args: Mapping[str, str]) -> None:
    """Raise PlaceholderError when the query cannot be rendered with these arguments."""
    check_query_of_each(metric, settings.query, args)


def queries(
    bound: BoundMetric, settings: MannWhitneyJudge, context: AnalysisContext, first_look_at: float, at: float
) -> tuple[MetricQuery, MetricQuery]:
    """Both sides' values up to a look; stable's of the same time or, after a switch, of the time before it."""

    def ask(part: Part, revision: str, over: Over, moment: float, *, reference: bool = False) -> MetricQuery:
        where, text = query_text(settings.query, bound, context, settings.step, revision)
        return MetricQuery(bound.name, part, where, text, moment, over, reference)

    over = since(settings, first_look_at, at)
    candidate = ask(Part.CANDIDATE, context.candidate, over, at)
    if not needs_reference(context):
        return candidate, ask(Part.STABLE, context.stable, over, at)
    moment = before_the_switch(bound, first_look_at)
    length = settings.lookback or REFERENCE_POINTS * settings.step
    past = since(settings, moment - length, moment)
    return candidate, ask(Part.STABLE, context.stable, past, moment, reference=True)


def since(settings: MannWhitneyJudge, first_look_at: float, at: float) -> Over:
    """The moments of the values of a look: the ends of whole steps from the start on, the same at every look.

    The latest of them only, as far as the lookback reaches and not more than MOST_POINTS. Before the first step is over it is the look
    itself, which is one value and so never enough.
    """
    step = settings.step
    whole = math.floor((at - first_look_at) / step)
    if whole < 1:
        return Over(at, step)
    kept = MOST_POINTS if settings.lookback is None else max(1, math.floor(settings.lookback / step))
    return Over(first_look_at + max(1, whole - min(kept, MOST_POINTS) + 1) * step, step)


def judge(settings: MannWhitneyJudge, results: Sequence[QueryResult]) -> Judgement:
    """Pass, Fail when High, Low or without data that must be there, otherwise Inconclusive."""
    sides = {result.query.part: result for result in results}
    here, there = sides[Part.CANDIDATE], sides[Part.STABLE]
    state = MannWhitneyStatus(
        rule=rule(settings), since=here.query.over.start if here.query.over else None, step=settings.step
    )
    for name, side in (("candidate", here), ("stable", there)):
        if len(side.series) > 1:
            message = f"{name}: the query returned {len(side.series)} series; aggregate it, for example with sum()"
            return Judgement(MeasurementPhase.INCONCLUSIVE, message, mann_whitney=state)
    return _judge_values(settings, state, _values(here), _values(there))


def _judge_values(
    settings: MannWhitneyJudge, state: MannWhitneyStatus, here: list[float], there: list[float]
) -> Judgement:
    """Values by moment, NaN where there is none."""
    nothing = not any(map(math.isfinite, here)) and not any(map(math.isfinite, there))
    # Gaps may stand for 0, but what was never seen on either side may as well be misspelt.
    strategy = NanStrategy.REMOVE if nothing else settings.nan_strategy
    seen = [len(without_gaps(side, strategy)) for side in (here, there)]
    early = min(len(here), len(there)) < settings.min_points
    if early or any(0 < points < settings.min_points for points in seen):
        counted = state.model_copy(update={"candidate_points": seen[0], "stable_points": seen[1]})
        message = f"InsufficientData: candidate has {seen[0]} and stable {seen[1]} of {settings.min_points} values"
        return Judgement(MeasurementPhase.INCONCLUSIVE, message, mann_whitney=counted)
    candidate, stable = (prepared(side, strategy, settings.outliers) for side in (here, there))
    outcome = classify(settings.model_copy(update={"nan_strategy": strategy}), candidate, stable)
    state = _filled(settings, state, outcome, candidate, stable)
    phase = _PHASES[outcome.classification]
    if state.critical and outcome.classification is Classification.NODATA:
        phase = MeasurementPhase.FAIL
    hint = "; for counts without series write `or vector(0)`" if nothing else ""
    words = f"{outcome.classification}{' (critical)' if state.critical else ''}: {_numbers(outcome, candidate, stable)}"
    return Judgement(phase, words + hint, _number(outcome.effect), mann_whitney=state)


def _filled(
    settings: MannWhitneyJudge,
    state: MannWhitneyStatus,
    outcome: Outcome,
    candidate: Sequence[float],
    stable: Sequence[float],
) -> MannWhitneyStatus:
    found = outcome.shift
    # Kayenta fails a canary whose critical metric has no data. Lack of data is no failure here, unless it was said to be one.
    critical = outcome.critical and (outcome.classification is not Classification.NODATA or settings.must_have_data)
    return state.model_copy(
        update={
            "classification": outcome.classification,
            "critical": critical,
            "candidate_points": len(candidate),
            "stable_points": len(stable),
            "candidate_mean": mean(candidate) if candidate else None,
            "stable_mean": mean(stable) if stable else None,
            "u": found.u if found else None,
            "p_value": found.p_value if found else None,
            "estimate": found.estimate if found else None,
            "lower": found.lower if found else None,
            "upper": found.upper if found else None,
            "effect": _number(outcome.effect),
        }
    )


def _numbers(outcome: Outcome, candidate: Sequence[float], stable: Sequence[float]) -> str:
    if outcome.shift is None:
        return outcome.reason
    found = outcome.shift
    return (
        f"shift {found.estimate:.4g} ({found.lower:.4g} to {found.upper:.4g}), effect {outcome.effect:.4g}, "
        f"of {len(candidate)} and {len(stable)} values; {outcome.reason}"
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _values(result: QueryResult) -> list[float]:
    """One value for each moment that was asked for; NaN for a gap, and everywhere without a series."""
    over = result.query.over
    assert over is not None  # noqa: S101  this judge asks over time
    values = [math.nan] * (math.floor((result.query.at - over.start) / over.step) + 1)
    for series in result.series[:1]:
        _place(values, series, over)
    return values


def _place(values: list[float], series: Series, over: Over) -> None:
    for moment, value in series.points:
        index = round((moment - over.start) / over.step)
        if 0 <= index < len(values):
            values[index] = value


def rule(settings: MannWhitneyJudge) -> str:
    """When the metric is High or Low, in words."""
    size = settings.effect_size
    default = NO_CHANGE[size.measure]
    effect = "ratio of means" if size.measure is EffectMeasure.MEAN_RATIO else "share of greater pairs"
    words = []
    if settings.direction is not Direction.DECREASE:
        words.append(f"High: lower end > {settings.tolerance:g} |estimate| and {effect} >= ")
        words[-1] += f"{default if size.allowed_increase is None else size.allowed_increase:g}"
    if settings.direction is not Direction.INCREASE:
        words.append(f"Low: upper end < -{settings.tolerance:g} |estimate| and {effect} <= ")
        words[-1] += f"{default if size.allowed_decrease is None else size.allowed_decrease:g}"
    if settings.critical:
        bounds = ((size.critical_increase, ">="), (size.critical_decrease, "<="))
        limits = " or ".join(f"{sign} {bound:g}" for bound, sign in bounds if bound is not None)
        words.append(f"critical{f' at {limits}' if limits else ''}")
    return f"{100 * settings.confidence:g} % interval of the shift; {'; '.join(words)}"
