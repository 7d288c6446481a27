"""Metrics, contexts and answers for the tests of analysis."""

from __future__ import annotations

from collections.abc import Callable

from steersman.api.analysis import AnalysisTemplateSpec, Metric, SequentialJudge, ThresholdJudge
from steersman.api.status import AnalysisStage, AnalysisStatus, MetricStatus
from steersman.core.analysis import advance, bind, due
from steersman.core.analysis.model import AnalysisContext, BoundMetric, MetricQuery, Part, QueryResult, Sample

NAMESPACE, STABLE, CANDIDATE = "risk", "fraud-v1-aaaaaaaa", "fraud-v2-bbbbbbbb"
START = 1_800_000_000.0
"""On the grid of 15 s."""
SETTLED = 2.0


def context(
    stage: AnalysisStage = AnalysisStage.BACKGROUND, weight_reached_at: float | None = START
) -> AnalysisContext:
    return AnalysisContext(NAMESPACE, "fraud", STABLE, CANDIDATE, stage, weight_reached_at)


def sequential_metric(**overrides: object) -> Metric:
    judge = SequentialJudge(
        requests="requests_total", failures='requests_total{code=~"5.."}', alpha=0.01, burst=1, outliers=0, warm_up=0
    )
    return Metric.model_validate({"name": "errors", "sequential": judge, **overrides})


def threshold_metric(**overrides: object) -> Metric:
    return Metric.model_validate(
        {"name": "latency", "threshold": ThresholdJudge(query="sum(latency)", max=0.5), **overrides}
    )


def bound(*metrics: Metric, interval: float = 15.0) -> tuple[BoundMetric, ...]:
    return bind([("template", AnalysisTemplateSpec(metrics=list(metrics)))] if metrics else [], [], interval)


Rows = dict[str, float | None]
Answerer = Callable[[MetricQuery], QueryResult]


def rows(query: MetricQuery, values: Rows) -> QueryResult:
    samples = tuple(
        Sample({"namespace": NAMESPACE, "steersman_dev_revision": revision}, value)
        for revision, value in values.items()
        if value is not None
    )
    return QueryResult(query, samples)


def counts(candidate: tuple[float | None, float | None], stable: tuple[float | None, float | None]) -> Answerer:
    """Answer with (requests, failures or successes) of both revisions; None is no series."""

    def answer(query: MetricQuery) -> QueryResult:
        which = 0 if query.part is Part.REQUESTS else 1
        return rows(query, {CANDIDATE: candidate[which], STABLE: stable[which]})

    return answer


def value(*values: float) -> Answerer:
    """Answer a threshold's query with so many series."""
    return lambda query: QueryResult(query, tuple(Sample({"n": str(n)}, each) for n, each in enumerate(values)))


def failing(message: str = "connection refused") -> Answerer:
    return lambda query: QueryResult(query, error=message)


def look(
    metrics: tuple[BoundMetric, ...],
    status: AnalysisStatus,
    at: float,
    answer: Answerer,
    where: AnalysisContext | None = None,
) -> AnalysisStatus:
    """Ask what is due at a grid point and fold the answers in; there must be something due."""
    where = where or context()
    queries, _ = due(metrics, status, where, at + SETTLED)
    assert queries
    return advance(metrics, status, where, [answer(query) for query in queries], at + SETTLED)


def only(status: AnalysisStatus) -> MetricStatus:
    (metric,) = status.metrics
    return metric
