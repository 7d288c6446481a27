"""The sequential judge of means in an analysis: queries, results, restarts, gaps and hostile answers."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.analysis.builders import (
    CANDIDATE,
    NAMESPACE,
    SETTLED,
    STABLE,
    START,
    Answerer,
    bound,
    context,
    counts,
    failing,
    look,
    only,
    sequential_metric,
)

from steersman.api.analysis import SequentialJudge
from steersman.api.status import AnalysisStage, AnalysisStatus, MeasurementPhase
from steersman.core.analysis import begin, due
from steersman.core.analysis.budget import divide
from steersman.core.analysis.evidence import mixture
from steersman.core.analysis.model import BoundMetric, MetricQuery, Part, QueryResult, Sample, Series

PASS, FAIL, INCONCLUSIVE = MeasurementPhase.PASS, MeasurementPhase.FAIL, MeasurementPhase.INCONCLUSIVE
JUDGE = SequentialJudge(requests="d_count", buckets='d_bucket{path="/"}', highest=2.0, outliers=0, warm_up=0.0)
BUCKETS = ("0.1", "0.5", "1", "+Inf")
FAST, SLOW = (0.5, 0.9, 0.98, 1.0), (0.2, 0.6, 0.9, 1.0)
"""Shares of requests up to each bound: means 0.37 and 0.72 (0.1, 0.5, 1 and 2 for the four buckets)."""

DOCUMENTATION = Path(__file__).parents[3] / "docs/reference/analysis.md"

Shape = tuple[float, ...]
Side = tuple[float, Shape] | None


def metrics(**overrides: object) -> tuple[BoundMetric, ...]:
    return bound(sequential_metric(sequential=JUDGE.model_copy(update=overrides)))


def played(candidate: Side, stable: Side, names: tuple[str, ...] = BUCKETS) -> Answerer:
    """Answer with (requests, shares of them up to each bound) of both revisions; None is no series."""

    def answer(query: MetricQuery) -> QueryResult:
        found = []
        for revision, side in ((CANDIDATE, candidate), (STABLE, stable)):
            labels = {"namespace": NAMESPACE, "steersman_dev_revision": revision}
            if side is None:
                continue
            requests, shares = side
            if query.part is Part.REQUESTS:
                found.append(Sample(labels, requests))
            else:
                pairs = zip(names, shares, strict=False)
                found += [Sample({**labels, "le": le}, round(requests * share)) for le, share in pairs]
        return QueryResult(query, tuple(found))

    return answer


def looked(*answers: Answerer, judged: tuple[BoundMetric, ...] | None = None) -> list[AnalysisStatus]:
    judged = judged or metrics()
    statuses = [begin(AnalysisStage.BACKGROUND, judged, START)]
    for number, answer in enumerate(answers, 1):
        statuses.append(look(judged, statuses[-1], START + 15 * number, answer))
    return statuses[1:]


BAD, GOOD = played((60, SLOW), (540, FAST)), played((60, FAST), (540, FAST))


def test_exactly_one_outcome_and_the_highest_with_buckets() -> None:
    assert JUDGE.failures is JUDGE.successes is None
    for more in ({"failures": "f"}, {"successes": "s"}, {"highest": None}, {"highest": 0}, {"highest": math.inf}):
        with pytest.raises(ValidationError):
            SequentialJudge.model_validate({"requests": "r", "buckets": "b", "highest": 1.0, **more})
    with pytest.raises(ValidationError, match="highest"):
        SequentialJudge.model_validate({"requests": "r", "failures": "f", "highest": 1.0})


def asked(**overrides: object) -> list[MetricQuery]:
    judged = metrics(**overrides)
    queries, _ = due(judged, begin(AnalysisStage.BACKGROUND, judged, START), context(), START + 15 + SETTLED)
    return list(queries)


def test_one_query_for_the_buckets_of_all_revisions() -> None:
    queries = asked(burst=1)
    assert [query.part for query in queries] == [Part.REQUESTS, Part.BUCKETS]
    assert queries[1].text.startswith("sum by (le, namespace, steersman_dev_revision) ((last_over_time(d_bucket{")
    assert "absent" in queries[0].text and "absent" not in queries[1].text


def test_stables_past_is_asked_for_once_by_its_buckets_alone() -> None:
    (query,) = (query for query in asked() if query.over is not None)
    assert query.part is Part.BUCKETS and query.reference and query.at == START
    assert f'd_bucket{{path="/", namespace="{NAMESPACE}", steersman_dev_revision="{STABLE}"}}' in query.text
    judged = metrics()
    again, _ = due(judged, looked(GOOD)[-1], context(), START + 30 + SETTLED)
    assert [each.over for each in again] == [None, None]


def with_past(means: list[float | None], error: str | None = None) -> float:
    """How many observations count as one after a look, where stable's requests of the past had these means; None is no request."""

    def answer(query: MetricQuery) -> QueryResult:
        if query.over is None:
            return GOOD(query)
        series = []
        for le in ("0.1", "2", "+Inf"):
            points = []
            for number, mean in enumerate(means):
                # Of 500 requests so many count 0.1, the others 2.
                fast = 500.0 if mean is None or math.isnan(mean) else round(500 * (2.0 - mean) / 1.9)
                value = 0.0 if mean is None else mean if math.isnan(mean) else (fast if le == "0.1" else 500.0)
                points.append((query.over.start + number * query.over.step, value))
            labels = {"namespace": NAMESPACE, "steersman_dev_revision": STABLE, "le": le}
            series.append(Series(labels, tuple(points)))
            series.append(Series({**labels, "steersman_dev_revision": CANDIDATE}, ((query.over.start, math.nan),)))
        return QueryResult(query, series=tuple(series), error=error)

    state = only(looked(answer)[-1]).sequential
    assert state is not None
    return state.burst


def test_the_past_says_how_many_observations_count_as_one() -> None:
    # Independent requests with a mean of 0.5 have a standard deviation of 0.77, so that the mean of 500 varies by 0.035.
    draw = random.Random(4)
    calm = [draw.gauss(0.5, 0.035) for _ in range(240)]
    assert with_past([*calm]) == with_past([]) == with_past([None] * 240) == with_past([0.5] * 240) == 1.0
    assert 9 * 1.2 <= with_past([draw.gauss(0.5, 3 * 0.035) for _ in range(240)]) <= 9 * 1.9
    assert with_past([draw.gauss(0.5, 3 * 0.035) for _ in range(240)], error="too many samples") == 1.0
    outage = [0.5, *calm[:100], 1.9, 1.9, *calm[100:]]
    assert with_past([*outage]) == 1.0


def test_a_past_that_makes_no_sense_is_left_out() -> None:
    assert with_past([math.nan if number % 2 else 0.5 for number in range(240)]) == 1.0


def test_equal_revisions_pass_and_are_described() -> None:
    metric = only(looked(GOOD, GOOD, GOOD)[-1])
    assert metric.phase is PASS and metric.sequential is not None and metric.sequential.evidence < 1.5
    assert metric.message.startswith("candidate's mean 0.367 of 180 requests, stable's 0.37 of 1620; evidence ")
    assert metric.sequential.detectable is None and metric.sequential.burst == 1.0


def test_the_first_look_tells_where_the_means_are_and_the_third_decides() -> None:
    statuses = looked(BAD, BAD, BAD)
    assert [only(status).phase for status in statuses] == [PASS, INCONCLUSIVE, FAIL]
    assert "suspected" in only(statuses[1]).message
    assert only(statuses[2]).message.startswith(
        "candidate's mean 0.72 of 180 requests, stable's 0.37 of 1620; evidence"
    )


def test_a_slowdown_of_both_that_the_candidate_shows_first_is_cleared() -> None:
    # The candidate's pod was scraped after it began, stable's before.
    statuses = looked(GOOD, GOOD, BAD, played((60, SLOW), (540, SLOW)), GOOD, GOOD)
    assert [only(status).phase for status in statuses][2:] == [INCONCLUSIVE, PASS, PASS, PASS]


def test_a_faster_candidate_passes() -> None:
    assert {only(status).phase for status in looked(*[played((60, FAST), (540, SLOW))] * 12)} == {PASS}


def test_a_restart_changes_nothing() -> None:
    judged, answers = metrics(), [GOOD, BAD, GOOD, BAD, BAD]
    status = begin(AnalysisStage.BACKGROUND, judged, START)
    for number, answer in enumerate(answers, 1):
        status = AnalysisStatus.model_validate_json(status.model_dump_json(by_alias=True))
        status = look(judged, status, START + 15 * number, answer)
    assert status == looked(*answers)[-1]


def test_a_template_that_is_changed_from_means_to_failures_or_back_begins_anew() -> None:
    failures = bound(sequential_metric(name="errors"))

    def failing_half(query: MetricQuery) -> QueryResult:
        return counts((60.0, 30.0), (540.0, 1.0))(query)

    status = look(failures, looked(GOOD, GOOD)[-1], START + 45, failing_half)
    state = only(status).sequential
    assert state is not None and state.means is None and (state.candidate_requests, state.stable_requests) == (60, 540)
    state = only(look(metrics(), status, START + 60, GOOD)).sequential
    assert state is not None and state.means is not None and state.candidate_failures == 0
    assert (state.candidate_requests, state.stable_requests, state.evidence) == (60, 540, 1.0)


def test_a_gap_is_covered_by_the_next_look() -> None:
    def both(query: MetricQuery) -> QueryResult:
        assert "offset 30s" in query.text
        return played((120, SLOW), (1080, FAST))(query)

    gap = looked(BAD, failing(), both)
    assert [only(status).phase for status in gap] == [PASS, MeasurementPhase.ERROR, INCONCLUSIVE]
    assert only(gap[-1]).sequential.candidate_requests == 180  # type: ignore[union-attr]


def test_a_look_without_the_candidates_requests_is_held_open() -> None:
    silent = played((0, SLOW), (540, FAST))
    statuses = looked(BAD, silent, played((60, SLOW), (1080, FAST)))
    assert [only(status).last_look_at for status in statuses] == [START + 15, START + 15, START + 45]
    assert only(statuses[-1]).sequential.stable_requests == 1620  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (played(None, None), "d_count has no series"),
        (played((60, ()), (540, FAST)), f"has no series of {CANDIDATE}"),
        (played((60, SLOW), (540, ())), f"has no series of {STABLE}"),
        (played((60, FAST[:3]), (540, FAST)), 'has no bucket le="+Inf"'),
        (played((60, FAST), (540, FAST), ("0.1", "fast", "1", "+Inf")), "'fast' as its upper bound"),
        (played((60, FAST), (540, FAST), ("2", "3", "4", "+Inf")), "no bound below `highest` in common"),
    ],
)
def test_answers_that_say_nothing_are_inconclusive_and_covered_later(answer: Answerer, message: str) -> None:
    metric = only(looked(GOOD, answer)[-1])
    assert metric.phase is INCONCLUSIVE and message in metric.message
    assert metric.last_look_at == START + 15


def test_hostile_counts_are_inconclusive() -> None:
    for value in (math.nan, math.inf):

        def hostile(query: MetricQuery, value: float = value) -> QueryResult:
            result = GOOD(query)
            changed = [Sample(each.labels, value) for each in result.samples]
            return QueryResult(query, tuple(changed)) if query.part is Part.BUCKETS else result

        assert only(looked(GOOD, hostile)[-1]).phase is INCONCLUSIVE


COUNTS = st.lists(st.floats(-10.0, 1e15), min_size=4, max_size=4)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=6), st.sampled_from(list(AnalysisStage)))
@settings(max_examples=60, deadline=None)
def test_whatever_the_counts_are_the_status_is_finite_and_can_be_kept(
    looks: list[tuple[list[float], list[float]]], stage: AnalysisStage
) -> None:
    judged, where = metrics(), context(stage)
    status = begin(stage, judged, START)
    for number, sides in enumerate(looks, 1):

        def answer(query: MetricQuery, sides: tuple[list[float], list[float]] = sides) -> QueryResult:
            found = []
            for revision, given_counts in zip((CANDIDATE, STABLE), sides, strict=True):
                labels = {"namespace": NAMESPACE, "steersman_dev_revision": revision}
                names = [{"le": le} for le in BUCKETS] if query.part is Part.BUCKETS else [{}]
                found += [Sample(labels | name, count) for name, count in zip(names, given_counts, strict=False)]
            return QueryResult(query, tuple(found))

        status = look(judged, status, START + 15 * number, answer, where)
        assert AnalysisStatus.model_validate_json(status.model_dump_json(by_alias=True)) == status
        state = only(status).sequential
        assert state is not None and 0.0 <= state.evidence <= 1e12
        assert all(math.isfinite(log) for log in state.log_likelihood_ratios)


def test_observations_that_count_as_one_need_more_looks() -> None:
    found = looked(*[BAD] * 6, judged=metrics(burst=5))
    phases = [only(status).phase for status in found]
    assert FAIL not in phases[:3] and phases[-1] is FAIL
    assert only(found[-1]).sequential.burst == 5.0  # type: ignore[union-attr]


def test_a_part_of_the_rollouts_alpha_is_spent() -> None:
    ((one, _),) = divide([(*metrics(), *bound(sequential_metric(name="other")))], 0.01)
    assert one.metric.sequential is not None and one.metric.sequential.alpha == 0.005


def after_switch(*candidate: Side, past: Side) -> list[AnalysisStatus]:
    judged, where = metrics(), context(AnalysisStage.POST_PROMOTION)
    statuses = [begin(AnalysisStage.POST_PROMOTION, judged, START)]
    for number, side in enumerate(candidate, 1):

        def answer(query: MetricQuery, side: Side = side) -> QueryResult:
            return played(None, past)(query) if query.reference else played(side, None)(query)

        statuses.append(look(judged, statuses[-1], START + 15 * number, answer, where))
    return statuses[1:]


def test_after_a_switch_stables_past_is_the_measure() -> None:
    fine = after_switch((600, FAST), (600, FAST), past=(20_000, FAST))
    assert [only(status).phase for status in fine] == [PASS, PASS]
    assert "stable's 0.37 of 20000 before the switch (at most 0.38)" in only(fine[-1]).message
    assert only(after_switch((600, SLOW), past=(20_000, FAST))[-1]).phase is FAIL
    few = only(after_switch((600, SLOW), past=(10, FAST))[-1])
    assert few.phase is INCONCLUSIVE and "answered 10 of the 20 requests" in few.message


def test_after_a_switch_a_restart_keeps_the_reference() -> None:
    judged, where = metrics(), context(AnalysisStage.POST_PROMOTION)
    (status,) = after_switch((600, FAST), past=(20_000, FAST))
    again = AnalysisStatus.model_validate_json(status.model_dump_json(by_alias=True))
    queries, _ = due(judged, again, where, START + 30 + SETTLED)
    assert len(queries) == 2, "the past is asked for once"
    assert only(look(judged, again, START + 30, played((600, SLOW), None), where)).phase is FAIL


def test_the_worked_example_of_the_documentation() -> None:
    """docs/reference/analysis.md, Means: the first look sets the centre, the second is suspected, the third decides."""
    slower = played((60, (0.3, 0.75, 0.95, 1.0)), (540, FAST))
    found = [only(status) for status in looked(slower, slower, slower, slower)]
    one, two, three = (each.sequential for each in found[:3])
    assert one is not None and two is not None and three is not None and one.means is not None
    assert round(one.means.recent_sum / one.means.recent_requests, 3) == 0.389
    text = DOCUMENTATION.read_text()
    for name, judged in (("second", two), ("third", three)):
        factors = [number(math.exp(log)) for log in judged.log_likelihood_ratios]
        mean = number(mixture(judged.log_likelihood_ratios))
        assert f"| {name} | " + " | ".join([*factors, mean]) + " |" in text, (name, factors, mean)
    assert found[-1].phase is FAIL and found[-1].message in text


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
