"""Equal queries are one, whoever asks."""

from __future__ import annotations

import asyncio

import pytest

from steersman.adapters.metrics import shared
from steersman.adapters.metrics.shared import SharedQueries
from steersman.core.analysis.model import MetricQuery, Over, Part, Sample, Series, Source
from steersman.ports import MetricError


class Provider:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled = 0
        self.delay = 0.02
        self.error: MetricError | None = None

    async def query(self, query: MetricQuery) -> tuple[Sample, ...]:
        self.asked.append(query.text)
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return (Sample({}, 1.0), Sample({"a": "b"}, 2.0))

    async def query_range(self, query: MetricQuery) -> tuple[Series, ...]:
        self.asked.append(query.text)
        return (Series({}, ((1.0, 2.0), (2.0, 3.0))),)


def query(text: str = "x", at: float = 15.0, metric: str = "t/m", provider: str = "prometheus") -> MetricQuery:
    return MetricQuery(metric, Part.VALUE, Source(provider), text, at)


async def test_equal_queries_are_sent_once_and_kept_for_a_minute() -> None:
    moment = 0.0
    provider = Provider()
    queries = SharedQueries(provider, clock=lambda: moment)
    await asyncio.gather(*[queries.query(query(metric=f"t/{number}")) for number in range(20)])
    moment = 59.0
    await queries.query(query())
    assert provider.asked == ["x"]
    await queries.query(query(at=30.0))
    await queries.query_range(MetricQuery("t/m", Part.VALUE, Source(), "x", 15.0, Over(0.0, 1.0)))
    await queries.query(MetricQuery("t/m", Part.VALUE, Source(namespace="other"), "x", 15.0))
    assert provider.asked == ["x"] * 4
    moment = 61.0
    await queries.query(query())
    assert provider.asked == ["x"] * 5


async def test_jobs_of_different_metrics_are_different() -> None:
    provider = Provider()
    queries = SharedQueries(provider)
    await asyncio.gather(*[queries.query(query(metric=name, provider="job")) for name in ("t/a", "t/b")])
    assert len(provider.asked) == 2


async def test_errors_are_shared_in_flight_and_then_forgotten() -> None:
    provider = Provider()
    provider.error = MetricError("no")
    queries = SharedQueries(provider)
    answers = await asyncio.gather(*[queries.query(query()) for _ in range(5)], return_exceptions=True)
    assert [type(answer) for answer in answers] == [MetricError] * 5 and len(provider.asked) == 1
    provider.error = None
    assert len(await queries.query(query())) == 2


async def test_one_who_stops_waiting_does_not_cancel_the_others_but_the_last_does() -> None:
    provider = Provider()
    queries = SharedQueries(provider)
    first, second = (asyncio.create_task(queries.query(query())) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert len(await second) == 2
    with pytest.raises(asyncio.CancelledError):
        await first
    provider.delay = 10
    alone = asyncio.create_task(queries.query(query("y")))
    await asyncio.sleep(0.01)
    alone.cancel()
    await asyncio.gather(alone, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert provider.cancelled == 1 and queries._flights == {} and queries._waiting == {}


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider()
    provider.delay = 0
    queries = SharedQueries(provider)
    monkeypatch.setattr(shared, "CACHE_ANSWERS", 5)
    for number in range(10):
        await queries.query(query(f"q{number}"))
    assert (len(queries._answers), queries._values) == (5, 10)
    monkeypatch.setattr(shared, "CACHE_VALUES", 4)
    await queries.query(query("another"))
    assert (len(queries._answers), queries._values) == (2, 4)


async def test_close_ends_what_is_under_way() -> None:
    provider = Provider()
    provider.delay = 10
    queries = SharedQueries(provider)
    asking = asyncio.create_task(queries.query(query()))
    await asyncio.sleep(0.01)
    await queries.close()
    with pytest.raises(MetricError, match="given up"):
        await asking


async def test_what_one_deployment_alone_asks_is_not_kept() -> None:
    """Its many values would drive out answers that others ask for."""
    provider = Provider()
    queries = SharedQueries(provider)
    drift = MetricQuery("drift", Part.DISTRIBUTIONS, Source(), "d", 15.0)
    for _ in range(2):
        assert len(await queries.query(drift)) == 2
    assert provider.asked == ["d", "d"]
