"""The simulated metric server answers the operator's own Prometheus client, with exact counts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from simulation import MetricServer
from simulation.metric_server import selects
from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.core.analysis.promql import count_since
from steersman.ports import MetricError

FAILURES = 'steersman_requests_total{code=~"5.."}'


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[MetricServer]:
    async with MetricServer(clock) as running:
        yield running


@pytest.fixture
async def client(server: MetricServer) -> AsyncIterator[PrometheusProvider]:
    provider = PrometheusProvider(server.url)
    yield provider
    await provider.close()


async def counts(client: PrometheusProvider, selector: str, window: int, at: float) -> dict[str, float]:
    samples = await client.instant(None, count_since(selector, window), at)
    return {sample.labels["steersman_dev_revision"]: sample.value for sample in samples}


async def test_counters_are_counted_exactly_over_adjoining_windows(
    server: MetricServer, client: PrometheusProvider, clock: Clock
) -> None:
    server.flow("risk", "a", per_second=10.0, failing=0.2)
    server.flow("risk", "b", per_second=30.0)
    clock.now = 1010.0
    server.flow("risk", "a", per_second=0.0)
    server.count("risk", "a", requests=5, failures=1)
    assert await counts(client, "steersman_requests_total", 5, 1005.0) == {"a": 50.0, "b": 150.0}
    assert await counts(client, "steersman_requests_total", 15, 1020.0) == {"a": 55.0, "b": 450.0}
    assert await counts(client, FAILURES, 20, 1020.0) == {"a": 21.0}
    assert await counts(client, FAILURES, 5, 1020.0) == {"a": 0.0}


async def test_a_set_answer_is_given_and_noted(server: MetricServer, client: PrometheusProvider) -> None:
    server.answer("error_ratio", 0.25)
    assert [sample.value for sample in await client.instant(None, 'error_ratio{revision="a"}', 1000.0)] == [0.25]
    server.answer("error_ratio", lambda promql, at: at)
    assert [sample.value for sample in await client.instant(None, "error_ratio", 1001.0)] == [1001.0]
    server.answer("error_ratio", None)
    assert await client.instant(None, "error_ratio", 1002.0) == ()
    assert [(asked.at, asked.value) for asked in server.asked] == [(1000.0, 0.25), (1001.0, 1001.0), (1002.0, None)]
    assert server.asked[0].answered <= server.asked[-1].answered


async def test_it_can_be_down(server: MetricServer, client: PrometheusProvider) -> None:
    server.down = True
    with pytest.raises(MetricError):
        await client.instant(None, "x", 1000.0)


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("m", True),
        ("other", False),
        ('m{code="500"}', True),
        ('m{code=~"5.."}', True),
        ('m{code!="500"}', False),
        ('m{code!~"4..", other=""}', True),
        ("m{", False),
    ],
)
def test_a_selector_selects_as_in_promql(selector: str, holds: bool) -> None:
    assert selects(selector, {"__name__": "m", "code": "500"}) is holds
