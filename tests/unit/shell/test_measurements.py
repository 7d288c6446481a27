from __future__ import annotations

import asyncio

from steersman.core.analysis.model import MetricQuery, Over, Part, Sample, Series, Source
from steersman.ports import MetricError
from steersman.shell.measurements import PASTS_AT_ONCE, MeasurementDesk

KEY = ("ns", "a")


def query(promql: str = "up", at: float = 15.0) -> MetricQuery:
    return MetricQuery("t/m", Part.VALUE, Source(), promql, at)


class Provider:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.held: asyncio.Event | None = None
        """Until it is set, queries over time wait."""
        self.hold = asyncio.Event()
        self.hold.set()
        self.slow: str | None = None
        """A query that is never answered."""

    async def query(self, query: MetricQuery) -> tuple[Sample, ...]:
        self.asked.append(query.text)
        await self.hold.wait()
        if query.text == self.slow:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return (Sample({}, 1.0),)

    async def query_range(self, query: MetricQuery) -> tuple[Series, ...]:
        self.asked.append(f"range {query.text}")
        if self.held is not None:
            await self.held.wait()
        return (Series({}, ((15.0, 1.0),)),)


async def test_a_query_is_sent_once_until_its_answer_is_recorded() -> None:
    provider, woken = Provider(), []
    desk = MeasurementDesk(provider, woken.append, lambda result, seconds: None)
    for _ in range(3):
        desk.submit(KEY, [query()])
    await asyncio.sleep(0.01)
    desk.submit(KEY, [query()])
    await asyncio.sleep(0.01)
    assert provider.asked == ["up"] and woken == [KEY]
    results = desk.results(KEY)
    assert results[0].samples[0].value == 1.0
    desk.recorded(KEY, results)
    assert desk.results(KEY) == ()


async def test_one_wake_up_for_all_queries_of_a_look() -> None:
    provider, woken = Provider(), []
    desk = MeasurementDesk(provider, woken.append, lambda result, seconds: None)
    desk.submit(KEY, [query("a"), query("b"), query("c")])
    await asyncio.sleep(0.01)
    assert woken == [KEY] and len(desk.results(KEY)) == 3


async def test_errors_are_results() -> None:
    outcomes: list[str] = []
    for error in (MetricError("bad_data: parse error"), ZeroDivisionError()):
        provider = Provider()
        provider.error = error
        desk = MeasurementDesk(provider, lambda key: None, lambda result, seconds: outcomes.append(result))
        desk.submit(KEY, [query()])
        await asyncio.sleep(0.01)
        (result,) = desk.results(KEY)
        assert result.error is not None and result.samples == ()
    assert outcomes == ["failed", "failed"]


async def test_dropped_keys_leave_nothing() -> None:
    provider = Provider()
    provider.hold.clear()
    desk = MeasurementDesk(provider, lambda key: None, lambda result, seconds: None)
    desk.submit(KEY, [query()])
    await asyncio.sleep(0.01)
    desk.drop(KEY)
    provider.hold.set()
    await asyncio.sleep(0.01)
    assert desk.results(KEY) == ()


async def test_values_over_time_are_series() -> None:
    provider = Provider()
    desk = MeasurementDesk(provider, lambda key: None, lambda result, seconds: None)
    desk.submit(KEY, [MetricQuery("t/m", Part.CANDIDATE, Source(), "up", 15.0, Over(0.0, 5.0))])
    await asyncio.sleep(0.01)
    (result,) = desk.results(KEY)
    assert provider.asked == ["range up"] and result.series[0].points == ((15.0, 1.0),) and result.samples == ()


async def test_a_later_look_waits_for_the_job_of_the_earlier_one() -> None:
    provider, woken = Provider(), []
    provider.hold.clear()
    desk = MeasurementDesk(provider, woken.append, lambda result, seconds: None)
    jobs = [MetricQuery("t/m", Part.VALUE, Source("job"), "a", at) for at in (15.0, 30.0)]
    for job in jobs:
        desk.submit(KEY, [job])
        await asyncio.sleep(0.01)
    assert provider.asked == ["a"]
    provider.hold.set()
    await asyncio.sleep(0.01)
    assert woken == [KEY]
    desk.recorded(KEY, desk.results(KEY))
    desk.submit(KEY, [jobs[1]])
    await asyncio.sleep(0.01)
    assert provider.asked == ["a", "a"]


async def test_a_look_is_there_when_its_past_is() -> None:
    """A part of it would be recorded without being folded in, and asked for again."""
    provider, woken = Provider(), []
    desk = MeasurementDesk(provider, woken.append, lambda result, seconds: None)
    past = MetricQuery("t/m", Part.FAILURES, Source(), "past", 0.0, Over(-3600.0, 15.0), reference=True)
    other = MetricQuery("t/other", Part.VALUE, Source(), "other", 15.0)
    desk.submit(KEY, [query(), other])
    provider.held = asyncio.Event()
    desk.submit(KEY, [past])
    await asyncio.sleep(0.01)
    assert [result.query.metric for result in desk.results(KEY)] == ["t/other"]
    provider.held.set()
    await asyncio.sleep(0.01)
    assert len(desk.results(KEY)) == 3 and woken[-1] == KEY


async def test_pasts_are_asked_for_a_few_at_a_time_and_looks_do_not_wait_for_them() -> None:
    provider = Provider()
    provider.held = asyncio.Event()
    desk = MeasurementDesk(provider, lambda key: None, lambda result, seconds: None)
    pasts = [
        MetricQuery(f"t/m{n}", Part.FAILURES, Source(), f"past {n}", 0.0, Over(-3600.0, 15.0), reference=True)
        for n in range(20)
    ]
    desk.submit(KEY, [*pasts, query("look")])
    await asyncio.sleep(0.01)
    assert len(provider.asked) == PASTS_AT_ONCE + 1 and "look" in provider.asked
    provider.held.set()
    await asyncio.sleep(0.01)
    assert len(desk.results(KEY)) == 21


async def test_queries_for_drift_are_asked_a_few_at_a_time_and_no_look_waits_for_them() -> None:
    """Not even one of the same moment."""
    provider, woken = Provider(), []
    desk = MeasurementDesk(provider, woken.append, lambda result, seconds: None)
    provider.hold.clear()
    drift = [MetricQuery("drift", Part.DISTRIBUTIONS, Source(), f"drift {n}", 15.0) for n in range(20)]
    desk.submit(KEY, drift)
    await asyncio.sleep(0.01)
    assert len(provider.asked) == PASTS_AT_ONCE
    provider.hold.set()
    await asyncio.sleep(0.01)
    assert len(desk.results(KEY)) == 20

    provider, woken = Provider(), []
    desk = MeasurementDesk(provider, woken.append, lambda result, seconds: None)
    provider.slow = "slow"
    desk.submit(KEY, [MetricQuery("drift", Part.DISTRIBUTIONS, Source(), "slow", 15.0), query("look")])
    await asyncio.sleep(0.01)
    assert woken == [KEY] and [result.query.text for result in desk.results(KEY)] == ["look"]
    await desk.close()
