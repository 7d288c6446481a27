"""The Prometheus provider against a real server."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator

import pytest

from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.core.analysis.model import Sample
from steersman.ports import MetricError


@pytest.fixture
async def provider(prometheus: str) -> AsyncIterator[PrometheusProvider]:
    made = PrometheusProvider(prometheus)
    yield made
    await made.close()


async def eventually(provider: PrometheusProvider, promql: str) -> tuple[Sample, ...]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if samples := await provider.instant(None, promql, time.time()):
            return samples
        await asyncio.sleep(0.3)
    raise AssertionError(f"no series for {promql}")


async def test_scraped_series_with_their_labels(provider: PrometheusProvider) -> None:
    samples = await eventually(provider, "sum by (code) (shop_requests_total)")
    assert sorted((dict(sample.labels)["code"], sample.value) for sample in samples) == [("200", 41.0), ("500", 1.0)]


async def test_a_moment_in_the_past_has_no_series(provider: PrometheusProvider) -> None:
    await eventually(provider, "shop_requests_total")
    assert await provider.instant(None, "shop_requests_total", time.time() - 86400) == ()


async def test_nan_and_infinity(provider: PrometheusProvider) -> None:
    values = {dict(sample.labels)["kind"]: sample.value for sample in await eventually(provider, "shop_odd")}
    assert math.isnan(values["nan"])
    assert values["inf"] == math.inf


async def test_a_scalar(provider: PrometheusProvider) -> None:
    assert await provider.instant(None, "scalar(vector(0.5))", time.time()) == (Sample({}, 0.5),)


@pytest.mark.parametrize(
    ("promql", "said"),
    [
        ("sum(", "^Prometheus rejected the query: .*parse error"),
        ("shop_requests_total[1m]", "^Prometheus rejected|gives a matrix"),
        ('"text"', "gives a string"),
        ("", "^Prometheus rejected the query"),
    ],
)
async def test_a_query_that_cannot_be_used(provider: PrometheusProvider, promql: str, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        await provider.instant(None, promql, time.time())


async def test_ambiguous_matching_is_an_evaluation_error(provider: PrometheusProvider) -> None:
    await eventually(provider, "shop_requests_total")
    with pytest.raises(MetricError, match=r"could not evaluate the query: found duplicate series"):
        await provider.instant(None, "shop_requests_total / on(job) shop_requests_total", time.time())


async def test_many_queries_at_once(provider: PrometheusProvider) -> None:
    at = time.time()
    answers = await asyncio.gather(*[provider.instant(None, f"vector({number})", at) for number in range(300)])
    assert [sample.value for (sample,) in answers] == [float(number) for number in range(300)]
