"""The comparison judge."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.analysis.builders import START, Answerer, bound, context, failing, look, only

from steersman.api.analysis import Metric
from steersman.api.comparison_judges import ComparisonJudge
from steersman.api.status import AnalysisStage
from steersman.api.status import MeasurementPhase as Phase
from steersman.core.analysis import BindingError, begin, due, verdict
from steersman.core.analysis.comparison import compare, rule
from steersman.core.analysis.model import MetricQuery, Part, QueryResult, Sample, Verdict

QUERY = 'avg(x{r="{{revision}}",n="{{namespace}}",d="{{deployment}}"}[{{window}}])'
AFTER = context(AnalysisStage.POST_PROMOTION, None)


def comparison(**fields: Any) -> Metric:
    judge = {"query": QUERY, "maxRatio": 1.5} | fields.pop("judge", {})
    return Metric.model_validate({"name": "latency", "comparison": judge, **fields})


def answers(candidate: list[float], stable: list[float]) -> Answerer:
    """Answer both queries with so many series."""

    def answer(query: MetricQuery) -> QueryResult:
        values = candidate if query.part is Part.CANDIDATE else stable
        return QueryResult(query, tuple(Sample({"n": str(n)}, each) for n, each in enumerate(values)))

    return answer


@pytest.mark.parametrize(
    ("bounds", "candidate", "stable", "phase", "why"),
    [
        ({"maxRatio": 1.5}, 1.5, 1.0, Phase.PASS, "the ratio 1.5 is within ratio at most 1.5"),
        ({"maxRatio": 1.5}, 1.6, 1.0, Phase.FAIL, "the ratio 1.6 is above the maximum 1.5"),
        ({"minRatio": 0.5}, 0.4, 1.0, Phase.FAIL, "the ratio 0.4 is below the minimum 0.5"),
        (
            {"minRatio": 0.5, "maxRatio": 2},
            1.0,
            1.0,
            Phase.PASS,
            "the ratio 1 is within ratio at least 0.5, ratio at most 2",
        ),
        ({"maxIncrease": 0.1}, 0.6, 0.5, Phase.PASS, "the difference 0.1 is within increase at most 0.1"),
        ({"maxIncrease": 0.1}, 0.7, 0.5, Phase.FAIL, "the increase 0.2 is above the maximum 0.1"),
        ({"maxIncrease": 0.1}, -9.0, 0.5, Phase.PASS, "the difference -9.5 is within increase at most 0.1"),
        ({"maxDecrease": 0.1}, 0.3, 0.5, Phase.FAIL, "the decrease 0.2 is above the maximum 0.1"),
        ({"maxRatio": 3, "maxIncrease": 0.1}, 0.2, 0.07, Phase.FAIL, "the increase 0.13 is above the maximum 0.1"),
        ({"maxRatio": 1.5}, 0.0, 0.0, Phase.PASS, "they are equal"),
        ({"maxRatio": 0.9}, 0.0, 0.0, Phase.PASS, "they are equal"),
        ({"maxRatio": 0.9}, 1.0, 1.0, Phase.FAIL, "the ratio 1 is above the maximum 0.9"),
        (
            {"maxRatio": 1.5},
            0.2,
            0.0,
            Phase.INCONCLUSIVE,
            "stable is 0, so there is no ratio; maxIncrease would bound the difference",
        ),
        (
            {"minRatio": 0.5, "maxDecrease": 0},
            0.2,
            0.0,
            Phase.PASS,
            "stable is 0; the difference 0.2 is within ratio at least 0.5, decrease at most 0",
        ),
        (
            {"minRatio": 0.5},
            -0.2,
            0.0,
            Phase.INCONCLUSIVE,
            "stable is 0, so there is no ratio; maxDecrease would bound the difference",
        ),
        (
            {"maxRatio": 1.5, "maxIncrease": 0.3},
            0.2,
            0.0,
            Phase.PASS,
            "stable is 0; the difference 0.2 is within ratio at most 1.5, increase at most 0.3",
        ),
        ({"maxRatio": 1.5, "maxIncrease": 0.1}, 0.2, 0.0, Phase.FAIL, "the increase 0.2 is above the maximum 0.1"),
        (
            {"maxRatio": 1.5},
            1.0,
            -2.0,
            Phase.INCONCLUSIVE,
            "a ratio to a negative value says nothing; bound the difference",
        ),
    ],
)
def test_bounds_are_inclusive_and_a_ratio_needs_a_stable_above_zero(
    bounds: dict[str, float], candidate: float, stable: float, phase: Phase, why: str
) -> None:
    assert compare(ComparisonJudge.model_validate({"query": "x", **bounds}), candidate, stable) == (phase, why)


@given(st.floats(0.1, 10), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_equal_values_never_fail_and_a_worse_candidate_never_passes_what_a_better_fails(
    factor: float, candidate: float, stable: float
) -> None:
    settings = ComparisonJudge(query="x", max_ratio=1 + factor, max_increase=factor)
    assert compare(settings, stable, stable)[0] is not Phase.FAIL
    if compare(settings, candidate, stable)[0] is Phase.FAIL:
        assert compare(settings, candidate + 1.0 + abs(candidate), stable)[0] is Phase.FAIL


def test_both_revisions_are_asked_the_same() -> None:
    metrics = bound(comparison())
    status = begin(AnalysisStage.BACKGROUND, metrics, START)
    for looks, window in ((1, "15s"), (4, "60s")):
        queries, _ = due(metrics, status, context(), START + 15 * looks + 2)
        assert [(query.part, query.text) for query in queries] == [
            (part, f'avg(x{{r="{name}",n="risk",d="fraud"}}[{window}])')
            for part, name in ((Part.CANDIDATE, "fraud-v2-bbbbbbbb"), (Part.STABLE, "fraud-v1-aaaaaaaa"))
        ]
        assert {query.at for query in queries} == {START + 15 * looks}


@pytest.mark.parametrize(
    ("candidate", "stable", "message"),
    [
        ([], [1.0], "candidate: no data: the query returned no series"),
        ([1.0], [], "stable: no data: the query returned no series"),
        ([math.nan], [1.0], "candidate: the query returned nan, which is no measurement"),
        ([1.0], [math.inf], "stable: the query returned inf, which is no measurement"),
        ([1.0], [1.0, 2.0], "stable: the query returned 2 series; aggregate it, for example with sum()"),
    ],
)
def test_without_one_number_of_each_side_nothing_is_said(
    candidate: list[float], stable: list[float], message: str
) -> None:
    metrics = bound(comparison())
    metric = only(
        look(metrics, begin(AnalysisStage.BACKGROUND, metrics, START), START + 15, answers(candidate, stable))
    )
    assert (metric.phase, metric.message, metric.failures) == (Phase.INCONCLUSIVE, message, 0)


def test_a_look_is_recorded_with_its_rule_and_numbers() -> None:
    metrics = bound(comparison(failureLimit=1))
    status = look(metrics, begin(AnalysisStage.BACKGROUND, metrics, START), START + 15, answers([3.0], [1.5]))
    metric = only(status)
    assert metric.message == "candidate 3, stable 1.5: the ratio 2 is above the maximum 1.5"
    assert (metric.phase, metric.measurements[0].value) == (Phase.FAIL, 2.0)
    assert metric.comparison is not None
    assert (metric.comparison.rule, metric.comparison.candidate, metric.comparison.stable) == (
        "ratio at most 1.5",
        3.0,
        1.5,
    )
    assert verdict(metrics, status, context()).verdict is Verdict.PENDING, "one failure is tolerated"
    status = look(metrics, status, START + 30, answers([3.0], [1.5]))
    assert verdict(metrics, status, context()).verdict is Verdict.FAILED


def test_after_a_switch_stables_value_before_it_is_the_reference() -> None:
    metrics = bound(comparison(initialDelay="20s"))
    status = begin(AnalysisStage.POST_PROMOTION, metrics, START + 4)
    first = only(status).first_look_at
    assert first == START + 30
    queries, _ = due(metrics, status, AFTER, START + 47)
    stable = next(query for query in queries if query.part is Part.STABLE)
    assert (stable.at, stable.reference) == (START - 15, True)
    assert "[600s]" in stable.text and stable.at <= START + 4
    status = look(metrics, status, START + 45, answers([1.0], []), AFTER)
    assert only(status).phase is Phase.INCONCLUSIVE
    status = look(metrics, status, START + 60, answers([1.0], [0.5]), AFTER)
    assert only(status).message == "candidate 1, stable 0.5 before the switch: the ratio 2 is above the maximum 1.5"
    queries, _ = due(metrics, status, AFTER, START + 77)
    assert [query.part for query in queries] == [Part.CANDIDATE], "the reference is kept"
    status = look(metrics, status, START + 75, answers([0.6], []), AFTER)
    assert (only(status).phase, only(status).measurements[-1].value) == (Phase.PASS, 1.2)


def test_a_failed_query_is_an_error() -> None:
    metrics = bound(comparison())
    status = look(metrics, begin(AnalysisStage.BACKGROUND, metrics, START), START + 15, failing())
    assert only(status).phase is Phase.ERROR


def test_a_query_that_is_the_same_for_both_is_refused() -> None:
    with pytest.raises(BindingError, match=r"template/latency: the query has no \{\{revision\}\}"):
        bound(comparison(judge={"query": "up"}))
    with pytest.raises(BindingError, match=r"no \{\{revision\}\}"):
        bound(comparison(judge={"query": 'up{r="{{candidate}}"}'}))


@pytest.mark.parametrize(
    ("bounds", "message"),
    [({}, "a comparison needs"), ({"minRatio": 2, "maxRatio": 1}, "minRatio must not be above maxRatio")],
)
def test_bounds_that_make_no_sense_are_refused(bounds: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ComparisonJudge.model_validate({"query": "x", **bounds})


def test_the_rule_names_every_bound() -> None:
    settings = ComparisonJudge(query="x", min_ratio=0.5, max_ratio=2, max_increase=1, max_decrease=0)
    assert rule(settings) == "ratio at least 0.5, ratio at most 2, increase at most 1, decrease at most 0"
