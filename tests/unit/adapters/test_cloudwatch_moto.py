"""The CloudWatch provider against moto's server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from steersman.adapters.metrics.cloudwatch import CloudWatchProvider
from steersman.core.analysis.model import MetricQuery, Over, Part, Source
from steersman.ports import MetricError, Secrets

boto3 = pytest.importorskip("boto3")
SECRETS = Secrets(
    "ns", {"aws": {"access-key-id": b"AKIDEXAMPLE", "secret-access-key": b"s3cret", "session-token": b"t0ken"}}
)
NOW = float(int(time.time()) // 60 * 60)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """A server with three data points of ErrorRate."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "cloudwatch", region_name="eu-west-1", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.put_metric_data(
        Namespace="Models",
        MetricData=[
            {
                "MetricName": "ErrorRate",
                "Dimensions": [{"Name": "revision", "Value": "fraud-v2"}],
                "Timestamp": datetime.fromtimestamp(NOW - 60 * ago, UTC),
                "Value": value,
            }
            for ago, value in [(3, 0.1), (2, 0.2), (1, 0.4)]
        ],
    )
    yield url
    server.stop()


def query(url: str, over: Over | None = None, **more: Any) -> MetricQuery:
    stat = {
        "namespace": "Models",
        "metricName": "ErrorRate",
        "dimensions": [{"name": "revision", "value": "fraud-v2"}],
        "stat": "Average",
    }
    settings = {
        "region": "eu-west-1",
        "endpointUrl": url,
        "credentials": {"secretName": "aws"},
        "metricDataQueries": [{"id": "e", "metricStat": stat}],
        **more,
    }
    return MetricQuery("t/m", Part.VALUE, Source("cloudWatch", json.dumps(settings), "ns"), "", NOW, over)


async def test_the_newest_data_point(moto: str) -> None:
    provider = CloudWatchProvider()
    (sample,) = await provider.query(query(moto), SECRETS)
    assert sample.value == pytest.approx(0.4)
    (series,) = await provider.query_range(query(moto, Over(NOW - 150, 60.0)), SECRETS)
    assert [value for _, value in series.points] == pytest.approx([0.2, 0.4])
    assert len(provider._clients) == 1
    await provider.close()


async def test_no_data(moto: str) -> None:
    provider = CloudWatchProvider()
    stat = {"namespace": "Models", "metricName": "Other", "stat": "Sum"}
    assert await provider.query(query(moto, metricDataQueries=[{"id": "e", "metricStat": stat}]), SECRETS) == ()
    await provider.close()


async def test_what_cloudwatch_refuses(moto: str) -> None:
    provider = CloudWatchProvider()
    bad = [{"id": "e", "metricStat": {"namespace": "Models", "metricName": "x", "stat": "Sum", "period": 7}}]
    try:
        await provider.query(query(moto, metricDataQueries=bad), SECRETS)
    except MetricError as error:
        assert "s3cret" not in str(error) and "\n" not in str(error)
    await provider.close()
