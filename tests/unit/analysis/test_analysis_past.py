"""When Prometheus knows nothing of the time before a look: whole lives of pods are not counted."""

from __future__ import annotations

from tests.unit.analysis.builders import (
    CANDIDATE,
    START,
    Answerer,
    bound,
    context,
    counts,
    failing,
    look,
    only,
    rows,
    sequential_metric,
    threshold_metric,
    value,
)

from steersman.api.status import MeasurementPhase
from steersman.core.analysis import begin, due, weight_changed
from steersman.core.analysis.model import MetricQuery, Part, QueryResult, Sample

METRICS = bound(sequential_metric())


def forgotten(answer: Answerer) -> Answerer:
    """The answer of a server that has no counter from before the window."""

    def with_absence(query: MetricQuery) -> QueryResult:
        result = answer(query)
        return QueryResult(query, (*result.samples, Sample({}, 1.0))) if query.part is Part.REQUESTS else result

    return with_absence


def test_the_query_asks_what_was_known_an_interval_before_the_window() -> None:
    (requests, failures), _ = due(METRICS, begin(context().stage, METRICS, START), context(), START + 17)
    assert requests.text.endswith(" or absent(last_over_time(requests_total[900s] offset 30s))")
    assert "absent" not in failures.text


def test_whole_lives_are_not_counted_and_counting_goes_on_from_there() -> None:
    status = look(METRICS, begin(context().stage, METRICS, START), START + 15, counts((60, 0), (540, 1)))
    status = look(METRICS, status, START + 30, forgotten(counts((120, 60), (1_000_000, 61))))
    metric = only(status)
    assert metric.phase is MeasurementPhase.INCONCLUSIVE
    assert "no counts of 15 s ago" in metric.message
    assert metric.sequential is not None
    assert (metric.sequential.candidate_requests, metric.sequential.stable_requests) == (60, 540)
    status = look(METRICS, status, START + 45, counts((60, 0), (540, 1)))
    metric = only(status)
    assert metric.phase is MeasurementPhase.PASS
    assert metric.sequential is not None
    assert (metric.sequential.candidate_requests, metric.sequential.stable_requests) == (120, 1080)


def test_a_suspicion_that_cannot_be_confirmed_any_more_is_dropped() -> None:
    status = look(METRICS, begin(context().stage, METRICS, START), START + 15, counts((60, 40), (540, 0)))
    assert "suspected" in only(status).message
    status = look(METRICS, status, START + 30, forgotten(counts((120, 40), (600, 60))))
    status = look(METRICS, status, START + 45, counts((60, 0), (540, 0)))
    assert only(status).phase is MeasurementPhase.PASS


def test_without_any_counter_there_is_simply_no_data() -> None:
    status = look(
        METRICS, begin(context().stage, METRICS, START), START + 15, forgotten(counts((None,) * 2, (None,) * 2))
    )
    assert only(status).message.startswith("no data")
    assert only(status).last_look_at is None


def test_a_series_without_labels_is_no_revisions() -> None:
    status = begin(context().stage, METRICS, START)
    status = look(METRICS, status, START + 15, lambda query: rows(query, {CANDIDATE: None}))
    assert only(status).message.startswith("no data")


def test_what_was_concluded_is_no_evidence_for_a_new_weight() -> None:
    """Not even when the clock was set back, so that it seems to be newer."""
    metrics = bound(sequential_metric(), threshold_metric())
    status = begin(context().stage, metrics, START)

    def answer(query: MetricQuery) -> QueryResult:
        return value(0.1)(query) if query.part is Part.VALUE else counts((60, 0), (540, 0))(query)

    status = look(metrics, status, START + 15, answer)
    assert all(metric.last_conclusive_at == START + 15 for metric in status.metrics)
    assert all(metric.last_conclusive_at is None for metric in weight_changed(status).metrics)


def test_an_error_keeps_the_time_open() -> None:
    status = look(METRICS, begin(context().stage, METRICS, START), START + 15, failing("the clock is 60 s ahead"))
    (requests, _), _ = due(METRICS, status, context(), START + 32)
    assert "offset 30s" in requests.text
