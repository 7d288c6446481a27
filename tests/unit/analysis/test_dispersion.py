"""How many failures one cause brings, told from stable's counts: before the rollout and during it."""

from __future__ import annotations

import random

import pytest
from tests.unit.analysis.builders import CANDIDATE, NAMESPACE, STABLE, START, context, counts, sequential_metric

from steersman.api.analysis import AnalysisTemplateSpec, SequentialJudge
from steersman.api.status import MeasurementPhase
from steersman.core.analysis import advance, begin, bind, due
from steersman.core.analysis.dispersion import MARGIN, Spread, of_past
from steersman.core.analysis.model import AnalysisContext, BoundMetric, MetricQuery, QueryResult, Series
from steersman.core.foresight.draw import poisson

JUDGE = SequentialJudge(requests="requests_total", failures='requests_total{code=~"5.."}')
GOOD = SequentialJudge(requests="requests_total", successes='requests_total{code!~"5.."}')


def drawn(mean: float, size: int, intervals: int = 240, seed: int = 1) -> list[float]:
    draw = random.Random(seed)
    return [float(poisson(draw, mean / size) * size) for _ in range(intervals)]


@pytest.mark.parametrize("mean", [0.2, 3.0, 30.0, 300.0])
@pytest.mark.parametrize("seed", range(5))
def test_single_failures_count_each(mean: float, seed: int) -> None:
    assert of_past(drawn(mean, 1, seed=seed)).size == 1.0


@pytest.mark.parametrize("mean", [5.0, 30.0, 300.0])
@pytest.mark.parametrize("seed", range(5))
def test_bursts_count_as_one(mean: float, seed: int) -> None:
    assert 14.0 <= of_past(drawn(mean, 20, seed=seed)).size <= 20.0 * MARGIN * 1.5


def test_neither_a_drift_nor_an_outage_is_a_burst() -> None:
    drift = [count + 2.0 * number for number, count in enumerate(drawn(30.0, 1))]
    assert of_past(drift).size == 1.0
    outage = drawn(30.0, 1)
    outage[100:104] = [5000.0] * 4
    assert of_past(outage).size < 2.0


def test_nothing_is_known_of_nothing() -> None:
    assert of_past([]).size == of_past([0.0] * 99).size == Spread().size == 1.0


def test_an_interval_of_another_length_is_not_compared() -> None:
    assert Spread().add(10.0).skip().add(500.0).squares == 0.0


def bound(judge: SequentialJudge) -> tuple[BoundMetric, ...]:
    return bind([("t", AnalysisTemplateSpec(metrics=[sequential_metric(sequential=judge)]))], [], 15.0)


def asked(judge: SequentialJudge, where: AnalysisContext | None = None) -> list[MetricQuery]:
    where = where or context()
    metrics = bound(judge)
    queries, _ = due(metrics, begin(where.stage, metrics, START), where, START + 17)
    return [query for query in queries if query.over is not None]


def test_stables_past_hour_is_asked_for_once_and_of_stable_alone() -> None:
    (query,) = asked(JUDGE)
    assert query.over is not None
    assert (query.at, query.over.start, query.over.step) == (START, START - 3600.0, 15.0)
    assert f'{{code=~"5..", namespace="{NAMESPACE}", steersman_dev_revision="{STABLE}"}}' in query.text
    assert len(asked(GOOD)) == 2, "failures are requests less successes"
    assert asked(JUDGE.model_copy(update={"burst": 5})) == []


def test_looks_more_often_than_scrapes_compare_longer_intervals() -> None:
    metrics = bind([("t", AnalysisTemplateSpec(metrics=[sequential_metric(sequential=JUDGE)]))], [], 2.0)
    queries, _ = due(metrics, begin(context().stage, metrics, START), context(), START + 4)
    assert [query.over.step for query in queries if query.over] == [15.0]


def looked(judge: SequentialJudge, past: list[float] | None) -> tuple[float, MeasurementPhase, int]:
    """Size of bursts after one look, its result, and the queries of the next."""
    metrics = bound(judge)
    status = begin(context().stage, metrics, START)
    queries, _ = due(metrics, status, context(), START + 17)
    answer = counts((60, 0), (540, 1) if judge is JUDGE else (540, 539))

    def of(query: MetricQuery) -> QueryResult:
        if query.over is None:
            return answer(query)
        if past is None:
            return QueryResult(query, error="too many samples")
        values = past if judge is JUDGE or query.part.value == "requests" else [0.0] * len(past)
        points = tuple((query.over.start + n * query.over.step, value) for n, value in enumerate(values) if value)
        labels = {"namespace": NAMESPACE, "steersman_dev_revision": STABLE}
        other = Series({**labels, "steersman_dev_revision": CANDIDATE}, ((START, 1e6),))
        return QueryResult(query, series=(other, Series(labels, points)))

    status = advance(metrics, status, context(), [of(query) for query in queries], START + 17)
    again, _ = due(metrics, status, context(), START + 32)
    (metric,) = status.metrics
    assert metric.sequential is not None
    return metric.sequential.burst, metric.phase, len(again)


@pytest.mark.parametrize("judge", [JUDGE, GOOD])
def test_the_past_says_how_many_count_as_one(judge: SequentialJudge) -> None:
    size, phase, again = looked(judge, drawn(5.0, 20))
    assert 14.0 <= size <= 45.0 and phase is MeasurementPhase.PASS and again == 2
    assert looked(judge, drawn(5.0, 1))[0] == 1.0


def test_a_past_that_cannot_be_had_holds_up_nothing() -> None:
    assert looked(JUDGE, None) == (1.0, MeasurementPhase.PASS, 2)
    assert looked(JUDGE, []) == (1.0, MeasurementPhase.PASS, 2)
