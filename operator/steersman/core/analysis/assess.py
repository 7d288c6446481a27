"""Fold answers into an analysis' status. Replaying the same answers changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steersman.api.analysis import SequentialJudge
from steersman.api.status import (
    AnalysisStage,
    AnalysisStatus,
    Measurement,
    MeasurementPhase,
    MetricStatus,
    SequentialStatus,
)
from steersman.core.analysis import (
    bursts,
    comparison,
    histogram,
    judging_means,
    mann_whitney,
    sequential,
    threshold,
)
from steersman.core.analysis.measurement import Judgement
from steersman.core.analysis.model import (
    AnalysisContext,
    BoundMetric,
    MetricQuery,
    Part,
    QueryResult,
    Sample,
    Verdict,
)
from steersman.core.analysis.schedule import baseline, counts_from, find, fresh, is_due, look_queries
from steersman.core.analysis.scoring import scored_templates
from steersman.core.analysis.verdict import verdict
from steersman.core.analysis.weighing import Span, warm_up

KEPT_MEASUREMENTS = 10

Answers = Mapping[MetricQuery, QueryResult]


def begin(stage: AnalysisStage, metrics: Sequence[BoundMetric], now: float) -> AnalysisStatus:
    """An analysis that starts now, with nothing looked at yet."""
    return AnalysisStatus(
        stage=stage, started_at=now, metrics=[fresh(bound, baseline(bound, now)) for bound in metrics]
    )


def advance(
    metrics: Sequence[BoundMetric],
    status: AnalysisStatus,
    context: AnalysisContext,
    results: Sequence[QueryResult],
    now: float,
) -> AnalysisStatus:
    """The status after these answers.

    A look counts once: answers to a look already attempted, to queries that this status would not ask, or to a part of
    a look only, change nothing. A look with a failed query is an Error, and its time is covered by the next look.
    Metrics that are no longer bound are dropped, new ones join with their first answer.
    """
    answers = {result.query: result for result in results}
    advanced = [_advance(bound, find(status, bound.name), context, answers) for bound in metrics]
    updated = status.model_copy(update={"metrics": [metric for metric in advanced if metric is not None]})
    scores = [template.status() for template in scored_templates(metrics, updated)]
    updated = updated.model_copy(update={"scores": scores})
    since = None
    if verdict(metrics, updated, context).verdict is Verdict.INCONCLUSIVE:
        since = now if status.inconclusive_since is None else status.inconclusive_since
    return updated.model_copy(update={"inconclusive_since": since})


def weight_changed(status: AnalysisStatus) -> AnalysisStatus:
    """The status when a new weight is set: requests count anew towards min_requests, and so does time held.

    What was concluded is no evidence for the new weight. It is forgotten, not only older than the weight, for a clock that was set back makes it newer.
    """
    return status.model_copy(
        update={"metrics": [_weighed_anew(metric) for metric in status.metrics], "inconclusive_since": None}
    )


def _weighed_anew(metric: MetricStatus) -> MetricStatus:
    memory = metric.sequential
    if memory is not None:
        memory = memory.model_copy(update={"requests_since_weight": 0.0})
    return metric.model_copy(update={"sequential": memory, "last_conclusive_at": None})


def _advance(
    bound: BoundMetric, metric: MetricStatus | None, context: AnalysisContext, answers: Answers
) -> MetricStatus | None:
    moments = sorted({query.at for query in answers if query.metric == bound.name and not query.reference})
    for at in moments:
        known = metric or fresh(bound, at - bound.interval)
        if not is_due(known, at):
            continue
        asked = look_queries(bound, known, context, at)
        if asked and all(query in answers for query in asked):
            metric = _fold(bound, known, context, [answers[query] for query in asked], at)
    return metric


def _fold(
    bound: BoundMetric, metric: MetricStatus, context: AnalysisContext, results: Sequence[QueryResult], at: float
) -> MetricStatus:
    judgement = _judge(bound, metric, context, results, at)
    phase = judgement.phase
    conclusive = phase in (MeasurementPhase.PASS, MeasurementPhase.FAIL)
    measurement = Measurement(at=at, phase=phase, value=judgement.value, message=judgement.message)
    return metric.model_copy(
        update={
            "phase": phase,
            "message": judgement.message,
            "last_attempt_at": at,
            "last_look_at": at if judgement.moves else metric.last_look_at,
            "last_conclusive_at": at if conclusive else metric.last_conclusive_at,
            "passes": metric.passes + (phase is MeasurementPhase.PASS),
            "failures": metric.failures + (phase is MeasurementPhase.FAIL),
            "inconclusive": metric.inconclusive + (phase is MeasurementPhase.INCONCLUSIVE),
            "errors": metric.errors + (phase is MeasurementPhase.ERROR),
            "sequential": judgement.sequential or metric.sequential,
            "comparison": judgement.comparison or metric.comparison,
            "mann_whitney": judgement.mann_whitney or metric.mann_whitney,
            "measurements": [*metric.measurements, measurement][-KEPT_MEASUREMENTS:],
        }
    )


def _judge(
    bound: BoundMetric, metric: MetricStatus, context: AnalysisContext, results: Sequence[QueryResult], at: float
) -> Judgement:
    for result in results:
        # Without stable's past the size of bursts is learned during the rollout.
        of_past = bound.metric.sequential is not None and result.query.over is not None
        if result.error is not None and not of_past:
            return Judgement(MeasurementPhase.ERROR, f"the query failed: {result.error}", moves=False)
    if bound.metric.threshold is not None:
        return threshold.judge(bound.metric.threshold, results[0].samples)
    if bound.metric.comparison is not None:
        return comparison.judge(bound.metric.comparison, metric.comparison, results, context)
    if bound.metric.mann_whitney is not None:
        return mann_whitney.judge(bound.metric.mann_whitney, results)
    assert bound.metric.sequential is not None  # noqa: S101  a metric has exactly one judge
    try:
        return _judge_sequential(bound, bound.metric.sequential, metric, context, results, at)
    except sequential.NoCountsError as error:
        return Judgement(MeasurementPhase.INCONCLUSIVE, str(error), moves=False)


def _judge_sequential(
    bound: BoundMetric,
    settings: SequentialJudge,
    metric: MetricStatus,
    context: AnalysisContext,
    results: Sequence[QueryResult],
    at: float,
) -> Judgement:
    state = _memory(settings, metric)
    look = _parts(results, reference=False)
    here = sequential.row(bound, settings, context, context.candidate)
    there = sequential.row(bound, settings, context, context.stable)
    seen = [each.value(look[Part.REQUESTS]) for each in (here, there)]
    if any(value is not None for value in seen) and sequential.without_past(look):
        return sequential.judge_without_past(state, at - counts_from(metric))
    if bursts.is_wanted(settings, state):
        state = _with_past(settings, state, [result for result in results if result.query.over is not None], there)
    span = _span(bound, settings, metric, context, at)
    if settings.buckets is not None:
        return _judge_means(settings, state, context, results, (here, there), span)
    candidate = sequential.read_counts(look, here)
    if sequential.needs_reference(context):
        state = _with_reference(state, _parts(results, reference=True), there)
        return sequential.judge_against_reference(settings, state, candidate, span)
    stable = sequential.read_counts(look, there)
    if all(value is None for value in seen):
        raise _no_series(settings, context)
    return sequential.judge_against_stable(settings, state, candidate, stable, span)


def _memory(settings: SequentialJudge, metric: MetricStatus) -> SequentialStatus:
    """What the judge remembers; nothing when the template was changed from failures to means or back, for their numbers do not add up."""
    state = metric.sequential or sequential.start()
    if state.means is not None:
        return state if settings.buckets is not None else sequential.start()
    counted = state.candidate_requests > 0 or state.stable_requests > 0
    return sequential.start() if counted and settings.buckets is not None else state


def _with_past(
    settings: SequentialJudge, state: SequentialStatus, past: Sequence[QueryResult], row: sequential.Row
) -> SequentialStatus:
    if settings.highest is not None:
        return bursts.fold_means(state, past, row, settings.highest)
    return bursts.fold(state, past, row)


def _judge_means(
    settings: SequentialJudge,
    state: SequentialStatus,
    context: AnalysisContext,
    results: Sequence[QueryResult],
    rows: tuple[sequential.Row, sequential.Row],
    span: Span,
) -> Judgement:
    look = _parts(results, reference=False)
    candidate, stable = (_histogram(settings, look, row) for row in rows)
    if sequential.needs_reference(context):
        past = _parts(results, reference=True)
        if past:
            state = judging_means.with_reference(state, _histogram(settings, past, rows[1]))
        return judging_means.judge_against_reference(settings, state, candidate, span)
    if not candidate.up_to and not stable.up_to:
        raise _no_series(settings, context)
    return judging_means.judge_against_stable(settings, state, candidate, stable, span)


def _histogram(
    settings: SequentialJudge, answers: Mapping[Part, Sequence[Sample]], row: sequential.Row
) -> histogram.Histogram:
    """A revision's; requests without buckets may as well be a wrong selector, so they are no data."""
    found = histogram.read(answers[Part.BUCKETS], row, settings.highest or 1.0)
    if not found.up_to and row.value(answers[Part.REQUESTS]):
        raise sequential.NoCountsError(f"no data: {settings.buckets} has no series of {row.revision}")
    return found


def _no_series(settings: SequentialJudge, context: AnalysisContext) -> sequential.NoCountsError:
    return sequential.NoCountsError(
        f"no data: {settings.requests} has no series of {context.candidate} or {context.stable}"
    )


def _span(
    bound: BoundMetric, settings: SequentialJudge, metric: MetricStatus, context: AnalysisContext, at: float
) -> Span:
    begins = counts_from(metric)
    reached = context.weight_reached_at
    return Span(
        window=at - begins,
        interval=bound.interval,
        unpaired=metric.last_look_at is None and bool(bound.metric.initial_delay),
        settled=reached is not None and begins >= reached + warm_up(settings, bound.interval),
    )


def _with_reference(
    state: SequentialStatus, reference: Mapping[Part, Sequence[Sample]], row: sequential.Row
) -> SequentialStatus:
    if not reference:
        return state
    stable = sequential.read_counts(reference, row)
    return state.model_copy(update={"reference_requests": stable.requests, "reference_failures": stable.failures})


def _parts(results: Sequence[QueryResult], *, reference: bool) -> dict[Part, tuple[Sample, ...]]:
    return {
        result.query.part: result.samples
        for result in results
        if result.query.reference is reference and result.query.over is None
    }
