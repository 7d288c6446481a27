"""The mannWhitney judge: queries over time, gaps, and what a look says; and the score of a template."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.analysis.builders import START, bound, context, failing, look, only

from steersman.api.analysis import AnalysisTemplateSpec, Metric
from steersman.api.comparison_judges import MannWhitneyJudge
from steersman.api.judgement_status import Classification, ScoreClassification
from steersman.api.status import AnalysisStage, AnalysisStatus
from steersman.api.status import MeasurementPhase as Phase
from steersman.core.analysis import begin, bind, due, verdict
from steersman.core.analysis.mann_whitney import MOST_POINTS, REFERENCE_POINTS, rule, since
from steersman.core.analysis.model import BoundMetric, MetricQuery, Over, Part, QueryResult, Series, Verdict

QUERY = 'avg(x{r="{{revision}}"}[{{window}}])'
AFTER = context(AnalysisStage.POST_PROMOTION, None)
BACKGROUND = AnalysisStage.BACKGROUND

Wave = Callable[[int], float | None]
"""The value at the n-th moment; None is a gap."""


def wave(level: float) -> Wave:
    return lambda n: level + (n * 7 % 11) / 10


HIGH, LOW, USUAL = wave(30.0), wave(5.0), wave(10.0)
NOTHING: Wave = lambda n: None  # noqa: E731


def judge(**fields: Any) -> dict[str, Any]:
    return {"query": QUERY, "step": "15s", "minPoints": 10, **fields}


def metric(name: str = "latency", judged: dict[str, Any] | None = None, **fields: Any) -> Metric:
    return Metric.model_validate({"name": name, "mannWhitney": judged or judge(), **fields})


def moments(query: MetricQuery) -> int:
    assert query.over is not None
    return math.floor((query.at - query.over.start) / query.over.step) + 1


def series(query: MetricQuery, values: Wave) -> QueryResult:
    assert query.over is not None
    points = [(query.over.start + n * query.over.step, values(n)) for n in range(moments(query))]
    kept = tuple((at, value) for at, value in points if value is not None)
    return QueryResult(query, series=(Series({}, kept),) if kept else ())


def waves(candidate: Wave, stable: Wave) -> Callable[[MetricQuery], QueryResult]:
    return lambda query: series(query, candidate if query.part is Part.CANDIDATE else stable)


def looked(
    candidate: Wave, stable: Wave, *metrics: Metric, after: float = 300.0
) -> tuple[tuple[BoundMetric, ...], AnalysisStatus]:
    known = bound(*(metrics or (metric(),)))
    return known, look(known, begin(BACKGROUND, known, START), START + after, waves(candidate, stable))


def test_both_revisions_are_asked_over_the_time_since_the_start() -> None:
    metrics = bound(metric(judged=judge(step="1m")))
    status = begin(BACKGROUND, metrics, START)
    queries, _ = due(metrics, status, context(), START + 302)
    assert [(query.part, query.text) for query in queries] == [
        (Part.CANDIDATE, 'avg(x{r="fraud-v2-bbbbbbbb"}[60s])'),
        (Part.STABLE, 'avg(x{r="fraud-v1-aaaaaaaa"}[60s])'),
    ]
    assert {(query.at, query.over) for query in queries} == {(START + 300, Over(START + 60, 60.0))}
    assert not any(query.reference for query in queries)


@pytest.mark.parametrize(
    ("settings", "at", "start", "points"),
    [
        ({}, 30.0, 30.0, 1),
        ({}, 60.0, 60.0, 1),
        ({}, 130.0, 60.0, 2),
        ({"lookback": "5m"}, 600.0, 360.0, 5),
        ({}, 60.0 * 1500, 60.0 * 501, MOST_POINTS),
    ],
)
def test_values_are_the_ends_of_whole_steps_the_latest_ones(
    settings: dict[str, str], at: float, start: float, points: int
) -> None:
    over = since(MannWhitneyJudge.model_validate({"query": "x", **settings}), 0.0, at)
    assert over == Over(start, 60.0)
    assert math.floor((at - over.start) / over.step) + 1 == points


@given(st.floats(1, 1e6), st.floats(1, 600), st.one_of(st.none(), st.floats(1, 1e5)))
def test_the_first_value_is_in_time_and_on_the_steps(at: float, step: float, lookback: float | None) -> None:
    settings = MannWhitneyJudge(query="x", step=step, lookback=None if lookback is None else 5 * step + lookback)
    over = since(settings, 0.0, at)
    assert 0.0 <= over.start <= at * (1 + 1e-12)
    assert (at - over.start) / step < MOST_POINTS
    if at >= step:
        assert over.start / step == pytest.approx(round(over.start / step))


def test_after_a_switch_stables_values_before_it_are_the_baseline() -> None:
    metrics = bound(metric())
    status = begin(AnalysisStage.POST_PROMOTION, metrics, START)
    for after in (300, 315):
        queries, _ = due(metrics, status, AFTER, START + after + 2)
        stable = queries[1]
        assert (stable.part, stable.reference, stable.at) == (Part.STABLE, True, START - 15)
        assert moments(stable) == REFERENCE_POINTS and stable.at <= START
        status = look(metrics, status, START + after, waves(HIGH, USUAL), AFTER)
        assert only(status).phase is Phase.FAIL
        assert only(status).mann_whitney.stable_points == REFERENCE_POINTS  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("candidate", "fields", "phase", "classification"),
    [
        (USUAL, {}, Phase.PASS, Classification.PASS),
        (HIGH, {}, Phase.FAIL, Classification.HIGH),
        (LOW, {}, Phase.FAIL, Classification.LOW),
        (LOW, {"direction": "increase"}, Phase.PASS, Classification.PASS),
        (NOTHING, {}, Phase.INCONCLUSIVE, Classification.NODATA),
        (NOTHING, {"mustHaveData": True}, Phase.FAIL, Classification.NODATA_FAIL_METRIC),
        (NOTHING, {"critical": True}, Phase.INCONCLUSIVE, Classification.NODATA),
        (NOTHING, {"critical": True, "mustHaveData": True}, Phase.FAIL, Classification.NODATA),
        (NOTHING, {"nanStrategy": "replace"}, Phase.FAIL, Classification.LOW),
        (NOTHING, {"nanStrategy": "replace", "direction": "increase"}, Phase.PASS, Classification.PASS),
    ],
)
def test_what_a_look_says(
    candidate: Wave, fields: dict[str, Any], phase: Phase, classification: Classification
) -> None:
    _, status = looked(candidate, USUAL, metric(judged=judge(**fields)))
    found = only(status)
    assert found.mann_whitney is not None
    assert (found.phase, found.mann_whitney.classification) == (phase, classification)
    assert found.message.startswith(classification)
    assert found.mann_whitney.critical is (bool(fields.get("critical")) and phase is Phase.FAIL)


def test_the_numbers_are_recorded() -> None:
    _, status = looked(HIGH, USUAL)
    found = only(status).mann_whitney
    assert found is not None and found.estimate is not None and found.lower is not None and found.upper is not None
    assert found.estimate == pytest.approx(20.0, abs=0.2) and found.lower <= found.estimate <= found.upper
    assert (found.candidate_points, found.stable_points, found.since, found.step) == (20, 20, START + 15, 15.0)
    assert found.candidate_mean == pytest.approx(30.5, abs=0.1) and found.stable_mean == pytest.approx(10.5, abs=0.1)
    assert found.effect == pytest.approx(2.9, abs=0.1) == only(status).measurements[0].value
    assert found.u == 400.0 and found.p_value is not None and found.p_value < 1e-7
    assert "shift 20 (19." in only(status).message and "of 20 and 20 values" in only(status).message


def test_neither_side_seen_is_no_zero() -> None:
    _, status = looked(NOTHING, NOTHING, metric(judged=judge(nanStrategy="replace")))
    assert only(status).phase is Phase.INCONCLUSIVE
    assert only(status).message == "Nodata: candidate has no values; for counts without series write `or vector(0)`"


def test_what_stable_never_had_is_zero_when_gaps_are() -> None:
    _, status = looked(HIGH, NOTHING, metric(judged=judge(nanStrategy="replace")))
    assert only(status).phase is Phase.FAIL, "Kayenta would pass it, for it does not compare with an empty side"


@pytest.mark.parametrize("after", [15.0, 60.0, 135.0])
def test_too_few_values_say_nothing(after: float) -> None:
    _, status = looked(HIGH, USUAL, after=after)
    points = int(after / 15)
    assert only(status).phase is Phase.INCONCLUSIVE
    assert only(status).message == f"InsufficientData: candidate has {points} and stable {points} of 10 values"


def test_gaps_count_as_missing_or_as_zero() -> None:
    def rare(n: int) -> float | None:
        return 9.0 + n % 3 if n % 4 == 0 else None

    _, status = looked(rare, rare)
    assert only(status).message == "InsufficientData: candidate has 5 and stable 5 of 10 values"
    _, status = looked(rare, rare, metric(judged=judge(nanStrategy="replace")))
    assert only(status).phase is Phase.PASS
    _, status = looked(lambda n: math.nan, USUAL)
    assert only(status).mann_whitney.classification is Classification.NODATA  # type: ignore[union-attr]


def test_several_series_and_failed_queries() -> None:
    metrics = bound(metric())
    status = begin(BACKGROUND, metrics, START)

    def several(query: MetricQuery) -> QueryResult:
        return QueryResult(query, series=series(query, USUAL).series * 2)

    status = look(metrics, status, START + 300, several)
    assert only(status).message == "candidate: the query returned 2 series; aggregate it, for example with sum()"
    status = look(metrics, status, START + 315, failing())
    assert only(status).phase is Phase.ERROR


def test_failures_are_tolerated_up_to_the_limit_but_a_critical_one_is_not() -> None:
    metrics, status = looked(HIGH, USUAL, metric(failureLimit=1))
    assert verdict(metrics, status, context()).verdict is Verdict.PENDING
    status = look(metrics, status, START + 315, waves(HIGH, USUAL))
    assert verdict(metrics, status, context()).verdict is Verdict.FAILED
    metrics, status = looked(HIGH, USUAL, metric(judged=judge(critical=True), failureLimit=9))
    assert verdict(metrics, status, context()).verdict is Verdict.FAILED


def test_the_rule_says_when_it_fails() -> None:
    settings = MannWhitneyJudge.model_validate(
        judge(critical=True, effectSize={"allowedIncrease": 1.2, "criticalIncrease": 5}, direction="increase")
    )
    assert rule(settings) == (
        "98 % interval of the shift; High: lower end > 0.25 |estimate| and ratio of means >= 1.2; critical at >= 5"
    )
    cles = MannWhitneyJudge.model_validate(judge(effectSize={"measure": "cles"}))
    assert "Low: upper end < -0.25 |estimate| and share of greater pairs <= 0.5" in rule(cles)


def test_a_lookback_holds_enough_values() -> None:
    with pytest.raises(ValidationError, match="the lookback must hold minPoints steps"):
        MannWhitneyJudge.model_validate({"query": "x", "lookback": "4m"})


SCORING = {"groups": [{"name": "slow", "weight": 60}, {"name": "errors", "weight": 40}]}


def template(*metrics: Metric, scoring: dict[str, Any] | None = None) -> tuple[BoundMetric, ...]:
    spec = AnalysisTemplateSpec.model_validate({"metrics": list(metrics), "scoring": scoring or SCORING})
    return bind([("kayenta", spec)], [], 15.0)


def of_group(name: str, group: str, **fields: Any) -> Metric:
    more = {key: fields.pop(key) for key in ("critical", "mustHaveData") if key in fields}
    return metric(name, judge(group=group, **more), **fields)


THREE = (of_group("p50", "slow"), of_group("p99", "slow"), of_group("fivehundreds", "errors"))


def by_name(metrics: Sequence[BoundMetric], answers: dict[str, Wave], at: float = 300.0) -> AnalysisStatus:
    def answer(query: MetricQuery) -> QueryResult:
        own = answers.get(query.metric.removeprefix("kayenta/"), USUAL)
        return series(query, own if query.part is Part.CANDIDATE else USUAL)

    return look(tuple(metrics), begin(BACKGROUND, metrics, START), START + at, answer)


@pytest.mark.parametrize(
    ("answers", "score", "classification", "expected"),
    [
        ({}, 100.0, ScoreClassification.PASS, Verdict.PASSING),
        ({"p99": HIGH}, 70.0, ScoreClassification.FAIL, Verdict.FAILED),
        ({"fivehundreds": HIGH}, 60.0, ScoreClassification.FAIL, Verdict.FAILED),
        ({"fivehundreds": NOTHING}, 100.0, ScoreClassification.PASS, Verdict.PASSING),
        ({"fivehundreds": NOTHING, "p50": NOTHING}, None, ScoreClassification.NODATA, Verdict.INCONCLUSIVE),
    ],
)
def test_the_template_is_judged_by_its_score(
    answers: dict[str, Wave], score: float | None, classification: ScoreClassification, expected: Verdict
) -> None:
    metrics = template(*THREE)
    status = by_name(metrics, answers)
    (found,) = status.scores
    assert (found.template, found.score, found.classification) == ("kayenta", score, classification)
    assessment = verdict(metrics, status, context())
    assert (assessment.verdict, assessment.metric) == (expected, None if expected is Verdict.PASSING else "kayenta")
    assert found.reason in assessment.message


def test_a_marginal_score_holds() -> None:
    metrics = template(*THREE, scoring={**SCORING, "marginal": 50})
    status = by_name(metrics, {"p99": HIGH})
    assessment = verdict(metrics, status, context())
    assert assessment.verdict is Verdict.INCONCLUSIVE and status.inconclusive_since is not None
    assert assessment.message == "kayenta: score 70 is marginal: it fails below 50 and passes from 95 on"


def test_a_critical_failure_ends_all_and_a_dry_run_nothing() -> None:
    lenient = {"pass": 1, "marginal": 1}
    metrics = template(*THREE, of_group("memory", "other", critical=True), scoring=lenient)
    status = by_name(metrics, {"memory": HIGH})
    assert status.scores[0].score == 0.0
    assert verdict(metrics, status, context()).message == "kayenta: memory failed critically"
    metrics = template(*THREE, of_group("memory", "other", critical=True, dryRun=True), scoring=lenient)
    status = by_name(metrics, {"memory": HIGH})
    assert (status.scores[0].score, verdict(metrics, status, context()).verdict) == (100.0, Verdict.PASSING)


def test_there_is_no_score_before_every_metric_has_its_values() -> None:
    metrics = template(*THREE)
    assert verdict(metrics, begin(BACKGROUND, metrics, START), context()).verdict is Verdict.PENDING
    early = by_name(metrics, {"p99": HIGH}, at=60.0)
    assert early.scores[0].reason == "not enough values yet: p50, p99, fivehundreds"
    assert verdict(metrics, early, context()).verdict is Verdict.INCONCLUSIVE
    failed = look(metrics, early, START + 75, failing())
    assert verdict(metrics, failed, context()).error


def test_a_passing_score_counts_after_the_weight_was_reached_or_after_its_count_of_looks() -> None:
    metrics = template(*THREE)
    status = by_name(metrics, {})
    assert verdict(metrics, status, context(weight_reached_at=START + 300)).verdict is Verdict.PENDING
    assert verdict(metrics, status, context(weight_reached_at=None)).verdict is Verdict.PENDING
    counted = template(*(each.model_copy(update={"count": 2}) for each in THREE))
    before = context(AnalysisStage.PRE_PROMOTION, None)
    assert verdict(counted, status, before).verdict is Verdict.PENDING
    status = look(counted, status, START + 315, waves(USUAL, USUAL))
    assert verdict(counted, status, before).verdict is Verdict.COMPLETE


def test_other_metrics_of_the_template_keep_their_own_say() -> None:
    threshold = Metric.model_validate({"name": "queue", "threshold": {"query": "x", "max": 1}})
    metrics = template(*THREE, threshold)
    status = begin(BACKGROUND, metrics, START)
    assert [entry.metric.name for entry in metrics][-1] == "queue"
    assert verdict(metrics, status, context()).verdict is Verdict.PENDING


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ({"pass": 50, "marginal": 75}, "marginal must not be above pass"),
        ({"groups": [{"name": "slow", "weight": 60}, {"name": "errors", "weight": 60}]}, "must not exceed 100"),
        ({"groups": [{"name": "other", "weight": 60}]}, "not the group of any mannWhitney metric"),
    ],
)
def test_scorings_that_make_no_sense_are_refused(scoring: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        template(*THREE, scoring=scoring)


def test_a_scoring_needs_something_to_score() -> None:
    threshold = Metric.model_validate({"name": "queue", "threshold": {"query": "x", "max": 1}})
    with pytest.raises(ValidationError, match="a scoring needs a mannWhitney metric"):
        template(threshold, scoring={"pass": 90})


@pytest.mark.parametrize("judges", [{}, {"threshold": {"query": "x", "max": 1}, "mannWhitney": judge()}])
def test_a_metric_has_exactly_one_judge(judges: dict[str, Any]) -> None:
    with pytest.raises(
        ValidationError, match="give exactly one judge: threshold, sequential, comparison or mannWhitney"
    ):
        Metric.model_validate({"name": "x", **judges})
