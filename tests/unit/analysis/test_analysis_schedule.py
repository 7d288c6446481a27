import math

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

from steersman.core.analysis import begin, due

WHERE = context()


def first_look(metric: object, started_at: float) -> float:
    metrics = bound(metric)  # type: ignore[arg-type]
    status = begin(WHERE.stage, metrics, started_at)
    now = started_at
    for _ in range(10):
        queries, following = due(metrics, status, WHERE, now)
        if queries:
            return queries[0].at
        assert following > now
        now = following
    raise AssertionError("no look came due")


@pytest.mark.parametrize(
    ("metric", "started", "expected"),
    [
        (sequential_metric(), 0.0, 15.0),
        (sequential_metric(), 0.1, 15.0),
        (sequential_metric(), 14.9, 15.0),
        (sequential_metric(initial_delay="20s"), 0.1, 30.0),
        (threshold_metric(), 0.0, 15.0),
        (threshold_metric(), 0.1, 30.0),
        (threshold_metric(initial_delay="30s"), 0.1, 60.0),
        (threshold_metric(interval="1m"), 0.1, 120.0),
    ],
)
def test_the_first_look(metric: object, started: float, expected: float) -> None:
    on_a_minute = START - START % 60
    assert first_look(metric, on_a_minute + started) == on_a_minute + expected


def test_a_look_waits_until_scrapes_have_arrived() -> None:
    metrics = bound(sequential_metric())
    status = begin(WHERE.stage, metrics, START)
    assert due(metrics, status, WHERE, START + 16.9) == ((), START + 17)
    queries, following = due(metrics, status, WHERE, START + 17)
    assert [query.at for query in queries] == [START + 15, START + 15]
    assert following == START + 32


@pytest.mark.parametrize("metric", [sequential_metric(), threshold_metric()])
def test_a_grid_point_is_looked_at_once_answered_or_not(metric: object) -> None:
    metrics = bound(metric)  # type: ignore[arg-type]
    status = look(metrics, begin(WHERE.stage, metrics, START), START + 15, failing())
    assert due(metrics, status, WHERE, START + 31.9) == ((), START + 32)
    assert due(metrics, status, WHERE, START + 32)[0]


def test_one_look_covers_the_time_that_the_operator_was_away() -> None:
    metrics = bound(sequential_metric())
    status = look(metrics, begin(WHERE.stage, metrics, START), START + 15, counts((60, 0), (540, 0)))
    queries, following = due(metrics, status, WHERE, START + 1000)
    assert {query.at for query in queries} == {START + 990}
    assert all("offset 975s" in query.text for query in queries)
    assert following == START + 1007


def test_one_look_covers_failed_ones() -> None:
    metrics = bound(sequential_metric())
    status = begin(WHERE.stage, metrics, START)
    for n in (1, 2, 3):
        status = look(metrics, status, START + 15 * n, failing())
    queries, _ = due(metrics, status, WHERE, START + 62)
    assert all("offset 60s" in query.text for query in queries)


def test_metrics_keep_their_own_intervals() -> None:
    metrics = bound(sequential_metric(interval="10s"), threshold_metric(interval="1m"))
    start = START - START % 60
    status = begin(WHERE.stage, metrics, start)
    assert due(metrics, status, WHERE, start + 3)[1] == start + 12
    status = look(
        metrics,
        status,
        start + 60,
        lambda q: counts((9, 0), (9, 0))(q) if "requests_total" in q.text else value(0)(q),
    )
    assert [metric.last_attempt_at for metric in status.metrics] == [start + 60, start + 60]
    assert due(metrics, status, WHERE, start + 63) == ((), start + 72)


def test_equal_metrics_of_different_rollouts_ask_equal_questions() -> None:
    metrics = bound(sequential_metric())
    one, _ = due(metrics, begin(WHERE.stage, metrics, START + 3), WHERE, START + 17.5)
    other, _ = due(metrics, begin(WHERE.stage, metrics, START + 11), WHERE, START + 24)
    assert one == other


def test_without_metrics_nothing_is_ever_due() -> None:
    assert due((), begin(WHERE.stage, (), START), WHERE, START + 100) == ((), math.inf)


def test_a_metric_that_joined_later_counts_from_one_interval_back() -> None:
    status = begin(WHERE.stage, (), START)
    metrics = bound(sequential_metric())
    queries, _ = due(metrics, status, WHERE, START + 302)
    assert all(query.at == START + 300 and "offset 15s" in query.text for query in queries)
    assert only(look(metrics, status, START + 300, counts((60, 0), (540, 0)))).first_look_at == START + 285


@given(st.lists(st.floats(0.01, 400), max_size=30), st.booleans(), st.floats(0, 60))
def test_windows_of_answered_looks_tile_the_time(waits: list[float], sequential: bool, offset: float) -> None:
    metrics = bound(sequential_metric() if sequential else threshold_metric())
    now = START + offset
    status = begin(WHERE.stage, metrics, now)
    covered = only(status).first_look_at
    for wait in waits:
        now += wait
        queries, following = due(metrics, status, WHERE, now)
        assert following > now
        if not queries:
            continue
        assert queries[0].at <= now
        assert queries[0].at % 15 == 0
        if sequential:
            assert f"offset {int(queries[0].at - covered)}s" in queries[0].text  # type: ignore[operator]
        status = look(metrics, status, queries[0].at, counts((9, 0), (9, 0)) if sequential else value(0))
        covered = only(status).last_look_at
        assert covered == queries[0].at
