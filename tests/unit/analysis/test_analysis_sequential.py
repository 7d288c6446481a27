import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.analysis.builders import (
    CANDIDATE,
    STABLE,
    START,
    Answerer,
    Rows,
    bound,
    context,
    counts,
    failing,
    look,
    only,
    rows,
    sequential_metric,
)

from steersman.api.analysis import SequentialJudge
from steersman.api.status import AnalysisStage
from steersman.api.status import MeasurementPhase as Phase
from steersman.core.analysis import begin, due, evidence, weight_changed
from steersman.core.analysis.model import BoundMetric, MetricQuery, Part, QueryResult
from steersman.core.analysis.sequential import judge_against_stable, start
from steersman.core.analysis.weighing import Counts, Span

METRICS = bound(sequential_metric())
SETTINGS = SequentialJudge(requests="x", failures="y", burst=1, outliers=0)
POST = context(AnalysisStage.POST_PROMOTION)


def windows(metrics: tuple[BoundMetric, ...], status: object, at: float) -> set[str]:
    queries, _ = due(metrics, status, context(), at + 2)  # type: ignore[arg-type]
    return {query.text.split("offset ")[1].split(")")[0] for query in queries}


def test_both_counts_are_asked_for_once_for_all_rollouts() -> None:
    queries, _ = due(METRICS, begin(context().stage, METRICS, START), context(), START + 17)
    assert [(query.part, query.at, query.reference) for query in queries] == [
        (Part.REQUESTS, START + 15, False),
        (Part.FAILURES, START + 15, False),
    ]
    assert all(name not in query.text for query in queries for name in ("fraud", "risk"))


def test_a_bad_candidate_fails_at_the_look_that_confirms_it() -> None:
    status = begin(context().stage, METRICS, START)
    status = look(METRICS, status, START + 15, counts((60, 6), (540, 0)))
    metric = only(status)
    assert metric.phase is Phase.INCONCLUSIVE
    assert metric.message == (
        "candidate failed 6 of 60 requests (10 %), stable 0 of 540 requests (0 %); "
        "suspected, stable's counts of the same time and the next looks will confirm or clear it"
    )
    metric = only(look(METRICS, status, START + 30, counts((60, 8), (540, 1))))
    assert metric.phase is Phase.FAIL
    assert metric.message == (
        "candidate failed 14 of 120 requests (12 %), stable 1 of 1080 requests (0.093 %); evidence 17248 > 100"
    )
    assert metric.sequential is not None
    # The failures of the first look and all of stable's, each at a share of a tenth.
    odds = (1.5, 2, 3, 5, 10, 30, 100)
    assert metric.sequential.evidence == pytest.approx(sum(r**6 / (1 + (r - 1) / 10) ** 7 for r in odds) / 7)
    assert metric.measurements[-1].value == metric.sequential.evidence


def test_an_outage_that_reaches_the_candidates_counters_first_does_not_fail_it() -> None:
    # For 15 s all requests fail; the candidate was scraped at its end, stable's pods just before its start.
    status = begin(context().stage, METRICS, START)
    status = look(METRICS, status, START + 15, counts((60, 0), (540, 0)))
    status = look(METRICS, status, START + 30, counts((60, 60), (540, 0)))
    assert only(status).phase is Phase.INCONCLUSIVE
    status = look(METRICS, status, START + 45, counts((60, 0), (540, 540)))
    assert only(status).phase is Phase.PASS
    assert only(status).message.endswith("; evidence 0.001 of 100")


def test_a_pass_needs_enough_requests_since_the_weight() -> None:
    status = begin(context().stage, METRICS, START)
    status = look(METRICS, status, START + 15, counts((7, 0), (60, 0)))
    assert (only(status).phase, only(status).message) == (Phase.INCONCLUSIVE, "InsufficientData: 7 of 20 requests")
    status = look(METRICS, status, START + 30, counts((13, 0), (60, 0)))
    assert only(status).phase is Phase.PASS
    assert only(status).message == (
        "candidate failed 0 of 20 requests (0 %), stable 0 of 120 requests (0 %); evidence 1 of 100"
    )
    status = look(METRICS, weight_changed(status), START + 45, counts((19, 0), (60, 0)))
    assert only(status).message == "InsufficientData: 19 of 20 requests"


def test_a_candidate_without_a_stable_to_compare_with_never_passes() -> None:
    status = begin(context().stage, METRICS, START)
    for n in range(1, 12):
        status = look(METRICS, status, START + 15 * n, counts((60, 60), (None, None)))
        assert only(status).message == "InsufficientData: stable answered 0 of 20 requests"


def test_a_look_is_held_open_while_one_side_shows_no_request() -> None:
    status = begin(context().stage, METRICS, START)
    status = look(METRICS, status, START + 15, counts((60, 3), (0, 0)))
    assert only(status).last_look_at is None
    assert windows(METRICS, status, START + 30) == {"30s"}
    status = look(METRICS, status, START + 30, counts((60, 3), (540, 0)))
    assert only(status).last_look_at == START + 30
    assert only(status).sequential.candidate_requests == 60  # type: ignore[union-attr]
    assert windows(METRICS, status, START + 45) == {"15s"}


def test_a_look_is_not_held_open_for_longer_than_a_minute() -> None:
    status = begin(context().stage, METRICS, START)
    for n in (1, 2, 3):
        status = look(METRICS, status, START + 15 * n, counts((0, 0), (99 * n, 0)))
        assert only(status).last_look_at is None
    status = look(METRICS, status, START + 60, counts((0, 0), (400, 9)))
    assert only(status).last_look_at == START + 60
    assert only(status).message == "InsufficientData: 0 of 20 requests"
    assert set(only(status).sequential.log_likelihood_ratios) == {0.0}  # type: ignore[union-attr]


def test_a_suspicion_is_confirmed_when_the_candidate_gets_no_more_requests() -> None:
    status = begin(context().stage, METRICS, START)
    status = look(METRICS, status, START + 15, counts((60, 30), (540, 0)))
    assert only(look(METRICS, status, START + 30, counts((0, 0), (600, 0)))).phase is Phase.FAIL
    # ... but not while stable's counters stand still, for its failures may still be to come ...
    waiting = look(METRICS, status, START + 30, counts((60, 30), (0, 0)))
    assert only(waiting).phase is Phase.INCONCLUSIVE
    # ... and cleared by failures of stable.
    assert only(look(METRICS, status, START + 30, counts((0, 0), (600, 600)))).phase is not Phase.FAIL


@pytest.mark.parametrize(
    "answer",
    [
        counts((None, None), (None, None)),
        counts((math.nan, 0), (540, 0)),
        counts((60, 0), (math.inf, 0)),
        counts((60, math.nan), (540, 0)),
    ],
)
def test_no_data_and_no_numbers_are_inconclusive_and_lose_no_time(answer: object) -> None:
    status = look(METRICS, begin(context().stage, METRICS, START), START + 15, answer)  # type: ignore[arg-type]
    metric = only(status)
    assert metric.phase is Phase.INCONCLUSIVE
    assert metric.last_look_at is None
    assert metric.last_attempt_at == START + 15
    assert metric.sequential == start()
    assert windows(METRICS, status, START + 30) == {"30s"}


def test_counts_of_other_namespaces_and_revisions_are_not_ours() -> None:
    def answer(query: MetricQuery) -> QueryResult:
        mine = rows(query, {CANDIDATE: 60 if query.part is Part.REQUESTS else 0, STABLE: 540, "other-v1": 1e9})
        theirs = rows(query, {CANDIDATE: 1e9, STABLE: 1e9}).samples
        return QueryResult(
            query, tuple(type(s)({**s.labels, "namespace": "else"}, s.value) for s in theirs) + mine.samples
        )

    status = look(METRICS, begin(context().stage, METRICS, START), START + 15, answer)
    state = only(status).sequential
    assert state is not None
    assert (state.candidate_requests, state.stable_requests) == (60, 540)


def test_negative_and_excessive_counts_are_clamped() -> None:
    status = look(METRICS, begin(context().stage, METRICS, START), START + 15, counts((60, 61), (540, -1)))
    state = only(status).sequential
    assert state is not None
    assert (state.candidate_failures, state.stable_failures) == (60, 0)


SUCCESSES = bound(
    sequential_metric(
        sequential=SequentialJudge(requests="x_count", successes='x_bucket{le="0.3"}', min_requests=10, burst=1)
    )
)


def test_failures_are_what_is_not_a_success() -> None:
    status = look(SUCCESSES, begin(context().stage, SUCCESSES, START), START + 15, counts((60, 57), (540, 539)))
    state = only(status).sequential
    assert state is not None
    assert (state.candidate_failures, state.stable_failures) == (3, 1)


def test_no_successes_at_all_count_but_no_counter_of_them_is_no_data() -> None:
    status = begin(context().stage, SUCCESSES, START)
    none = look(SUCCESSES, status, START + 15, counts((60, 0), (540, 540)))
    assert only(none).sequential.candidate_failures == 60  # type: ignore[union-attr]
    absent = look(SUCCESSES, status, START + 15, counts((60, None), (540, 540)))
    assert only(absent).phase is Phase.INCONCLUSIVE
    assert only(absent).message == f"no data: the counter of successes has no series of {CANDIDATE}"
    assert only(absent).last_look_at is None


def test_the_first_look_after_an_initial_delay_has_no_candidate_failures() -> None:
    metrics = bound(sequential_metric(initial_delay="30s"))
    status = begin(context().stage, metrics, START)
    assert due(metrics, status, context(), START + 44) == ((), START + 47)
    status = look(metrics, status, START + 45, counts((60, 60), (540, 0)))
    assert set(only(status).sequential.log_likelihood_ratios) == {0.0}  # type: ignore[union-attr]
    assert only(status).phase is Phase.PASS
    status = look(metrics, status, START + 60, counts((60, 60), (540, 0)))
    assert only(look(metrics, status, START + 75, counts((60, 60), (540, 0)))).phase is Phase.FAIL


def post(reference: tuple[float | None, float | None], candidate: tuple[float | None, float | None]) -> Answerer:
    def answer(query: MetricQuery) -> QueryResult:
        which = 0 if query.part is Part.REQUESTS else 1
        values: Rows = {STABLE: reference[which]} if query.reference else {CANDIDATE: candidate[which]}
        return rows(query, values)

    return answer


def test_after_a_switch_the_reference_is_asked_for_once_at_the_baseline() -> None:
    status = begin(POST.stage, METRICS, START + 4)
    queries, _ = due(METRICS, status, POST, START + 17)
    assert [(q.part, q.at, q.reference, "offset 600s" in q.text) for q in queries] == [
        (Part.REQUESTS, START + 15, False, False),
        (Part.FAILURES, START + 15, False, False),
        (Part.REQUESTS, START, True, True),
        (Part.FAILURES, START, True, True),
    ]
    status = look(METRICS, status, START + 15, post((24000, 24), (600, 1)), POST)
    queries, _ = due(METRICS, status, POST, START + 32)
    assert len(queries) == 2
    state = only(status).sequential
    assert state is not None
    assert (state.reference_requests, state.reference_failures) == (24000, 24)
    assert only(status).phase is Phase.PASS
    assert only(status).message == (
        "candidate failed 1 of 600 requests (0.17 %), stable 24 of 24000 requests (0.1 %) "
        "before the switch (at most 0.17 %); evidence 0.31 of 200"
    )


def test_after_a_switch_a_bad_candidate_fails_at_once() -> None:
    status = look(METRICS, begin(POST.stage, METRICS, START), START + 15, post((24000, 24), (600, 30)), POST)
    assert only(status).phase is Phase.FAIL
    assert only(status).message.endswith("> 200")


def test_half_of_alpha_is_spent_on_the_reference() -> None:
    # Evidence between 1/alpha and 2/alpha: no failure.
    status = look(METRICS, begin(POST.stage, METRICS, START), START + 15, post((24000, 24), (1200, 9)), POST)
    assert only(status).sequential is not None
    assert 100 < only(status).sequential.evidence < 200  # type: ignore[union-attr]
    assert only(status).phase is Phase.PASS


def test_without_a_reference_nothing_is_decided() -> None:
    status = begin(POST.stage, METRICS, START)
    for reference in ((19, 0), (None, None)):
        after = look(METRICS, status, START + 15, post(reference, (600, 600)), POST)
        assert only(after).phase is Phase.INCONCLUSIVE
        assert only(after).message.startswith("InsufficientData: stable answered")


def test_a_reference_that_cannot_be_had_is_asked_for_again() -> None:
    status = begin(POST.stage, METRICS, START)
    answered = post((24000, 24), (600, 1))
    status = look(METRICS, status, START + 15, lambda q: failing()(q) if q.reference else answered(q), POST)
    assert only(status).phase is Phase.ERROR
    assert only(status).last_look_at is None
    queries, _ = due(METRICS, status, POST, START + 32)
    assert [q.at for q in queries if q.reference] == [START, START]


def test_a_stable_that_always_failed_cannot_be_beaten() -> None:
    status = look(METRICS, begin(POST.stage, METRICS, START), START + 15, post((100, 100), (600, 600)), POST)
    assert only(status).phase is Phase.PASS


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 5000), st.integers(0, 5000)), max_size=20
    )
)
def test_a_failure_implies_that_the_plain_test_had_fired_one_look_earlier(
    looks: list[tuple[int, int, int, int]],
) -> None:
    # So the confirmation can only lower the chance of a false alarm that Ville's inequality bounds.
    state = start()
    for n_c, k, n_s, f in looks:
        before = evidence.mixture(state.log_likelihood_ratios)
        candidate, stable = Counts(n_c, min(k, n_c)), Counts(n_s, min(f, n_s))
        judgement = judge_against_stable(SETTINGS, state, candidate, stable, Span(15, 15))
        if judgement.phase is Phase.FAIL:
            assert before > 100
            return
        assert judgement.sequential is not None
        state = judgement.sequential
        assert math.isfinite(state.evidence)
