from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.analysis.builders import (
    START,
    bound,
    context,
    counts,
    failing,
    look,
    only,
    sequential_metric,
    threshold_metric,
    value,
)

from steersman.api.status import AnalysisStage, AnalysisStatus
from steersman.api.status import MeasurementPhase as Phase
from steersman.core.analysis import advance, begin, due, verdict, weight_changed
from steersman.core.analysis.model import QueryResult, Verdict

WHERE = context()
METRICS = bound(sequential_metric())
GOOD = counts((60, 0), (540, 0))


def both(status: AnalysisStatus, at: float, *, requests_fail: bool, failures_fail: bool) -> AnalysisStatus:
    def answer(query: Any) -> QueryResult:
        broken = requests_fail if query.part == "requests" else failures_fail
        return failing("timeout")(query) if broken else GOOD(query)

    return look(METRICS, status, at, answer)


@given(st.lists(st.sampled_from(["good", "bad", "error", "nothing", "replay"]), max_size=15))
def test_replayed_answers_change_nothing(events: list[str]) -> None:
    answers = {"good": GOOD, "bad": counts((60, 1), (540, 1)), "error": failing(), "nothing": counts((0, 0), (0, 0))}
    status = begin(WHERE.stage, METRICS, START)
    seen: list[QueryResult] = []
    at = START
    for event in events:
        at += 15
        if event == "replay":
            assert advance(METRICS, status, WHERE, seen, at) == status
            continue
        queries, _ = due(METRICS, status, WHERE, at + 2)
        results = [answers[event](query) for query in queries]
        seen.extend(results)
        after = advance(METRICS, status, WHERE, results, at + 2)
        assert advance(METRICS, after, WHERE, results, at + 2) == after
        status = after


def test_the_status_survives_its_journey_through_the_api_server() -> None:
    metrics = bound(sequential_metric(), threshold_metric())
    status = begin(WHERE.stage, metrics, START + 0.1234)
    for n in (2, 3, 4):
        status = AnalysisStatus.model_validate(status.to_wire())
        status = look(
            metrics,
            status,
            START + 15 * n,
            lambda q: counts((60, 1), (540, 1))(q) if "requests_total" in q.text else value(0.1)(q),
        )
    assert [metric.passes for metric in status.metrics] == [3, 3]
    again = AnalysisStatus.model_validate(status.to_wire())
    assert again.metrics == status.metrics


@pytest.mark.parametrize(("requests_fail", "failures_fail"), [(True, False), (False, True), (True, True)])
def test_a_look_with_a_failed_part_is_an_error_and_loses_no_time(requests_fail: bool, failures_fail: bool) -> None:
    status = both(
        begin(WHERE.stage, METRICS, START), START + 15, requests_fail=requests_fail, failures_fail=failures_fail
    )
    metric = only(status)
    assert (metric.phase, metric.message, metric.errors) == (Phase.ERROR, "the query failed: timeout", 1)
    assert (metric.last_attempt_at, metric.last_look_at) == (START + 15, None)
    queries, _ = due(METRICS, status, WHERE, START + 32)
    assert all("offset 30s" in query.text for query in queries)


def test_a_part_of_a_look_is_not_folded() -> None:
    status = begin(WHERE.stage, METRICS, START)
    requests, failures = due(METRICS, status, WHERE, START + 17)[0]
    assert advance(METRICS, status, WHERE, [GOOD(requests)], START + 17) == status
    assert only(advance(METRICS, status, WHERE, [GOOD(failures), GOOD(requests)], START + 17)).passes == 1


def test_answers_to_questions_of_an_older_status_are_not_folded() -> None:
    status = begin(WHERE.stage, METRICS, START)
    late = [GOOD(query) for query in due(METRICS, status, WHERE, START + 32)[0]]
    status = look(METRICS, status, START + 15, GOOD)
    assert advance(METRICS, status, WHERE, late, START + 32) == status


def test_several_looks_at_once_are_folded_in_order_of_time() -> None:
    status = begin(WHERE.stage, METRICS, START)
    one = [GOOD(query) for query in due(METRICS, status, WHERE, START + 17)[0]]
    two = [GOOD(query) for query in due(METRICS, look(METRICS, status, START + 15, GOOD), WHERE, START + 32)[0]]
    assert only(advance(METRICS, status, WHERE, two + one, START + 32)).passes == 2


def test_answers_of_unknown_metrics_and_empty_answers_change_nothing() -> None:
    status = begin(WHERE.stage, METRICS, START)
    other = bound(threshold_metric())
    foreign = [value(1)(query) for query in due(other, begin(WHERE.stage, other, START), WHERE, START + 17)[0]]
    assert advance(METRICS, status, WHERE, foreign, START + 17) == status
    assert advance(METRICS, status, WHERE, [], START + 17) == status


def test_the_latest_ten_measurements_are_kept() -> None:
    status = begin(WHERE.stage, METRICS, START)
    for n in range(1, 14):
        status = look(METRICS, status, START + 15 * n, GOOD)
    assert [m.at for m in only(status).measurements] == [START + 15 * n for n in range(4, 14)]


def test_metrics_that_are_no_longer_bound_are_dropped() -> None:
    status = begin(WHERE.stage, bound(sequential_metric(), threshold_metric()), START)
    assert [metric.name for metric in look(METRICS, status, START + 15, GOOD).metrics] == ["template/errors"]


def test_inconclusive_since_is_the_moment_when_it_began() -> None:
    status = begin(WHERE.stage, METRICS, START)
    assert status.inconclusive_since is None
    status = look(METRICS, status, START + 15, failing())
    assert status.inconclusive_since == START + 17
    status = look(METRICS, status, START + 30, counts((None, None), (None, None)))
    assert status.inconclusive_since == START + 17
    status = look(METRICS, status, START + 45, GOOD)
    assert status.inconclusive_since is None
    status = look(METRICS, status, START + 60, failing())
    assert status.inconclusive_since == START + 62


def test_a_weight_change_counts_requests_and_held_time_anew() -> None:
    status = look(METRICS, begin(WHERE.stage, METRICS, START), START + 15, GOOD)
    status = look(METRICS, status, START + 30, failing())
    changed = weight_changed(status)
    before, after = only(status).sequential, only(changed).sequential
    assert before is not None
    assert after == before.model_copy(update={"requests_since_weight": 0.0})
    assert before.requests_since_weight == 60
    assert changed.inconclusive_since is None


@given(st.lists(st.sampled_from([failing(), value(), value(1, 2), value(float("nan"))]), min_size=1, max_size=12))
def test_without_data_an_analysis_neither_succeeds_nor_fails(answers: list[Any]) -> None:
    metrics = bound(threshold_metric())
    status = begin(WHERE.stage, metrics, START)
    for n, answer in enumerate(answers, start=1):
        status = look(metrics, status, START + 15 * n, answer)
        for stage in AnalysisStage:
            assert verdict(metrics, status, context(stage)).verdict is Verdict.INCONCLUSIVE
