"""Amazon CloudWatch's GetMetricData.

boto3 signs, writes and reads; the request itself goes by the same transport as everybody else's, so that it is bounded alike. boto3
blocks, so it works in a few threads of its own. It is imported when first needed: the distribution has it as the extra `cloudwatch`.
API: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from steersman.adapters.http import one_line
from steersman.adapters.metrics.answers import within
from steersman.adapters.metrics.over_time import OverTimeServer
from steersman.adapters.transport import Request, Transport
from steersman.api.metric_providers import CloudWatchProvider as Settings
from steersman.core.analysis.model import MetricQuery, Series
from steersman.ports import MetricError, Secrets

THREADS: Final = 4
KEPT_CLIENTS: Final = 16
MAX_DATAPOINTS: Final = 10_000

_Credentials = tuple[str, str, str | None]


class CloudWatchProvider(OverTimeServer):
    """Implements steersman.ports.MetricServer."""

    def __init__(self, transport: Transport | None = None, *, own_identity: bool = False) -> None:
        """`own_identity`: whether a metric without credentials is asked with the operator's own."""
        super().__init__(transport)
        self._own_identity = own_identity
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="cloudwatch")
        self._clients: OrderedDict[tuple[str, str | None, _Credentials | None], Any] = OrderedDict()

    async def close(self) -> None:
        """Let the threads end, and close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await super().close()

    async def _series(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        settings = Settings.model_validate_json(query.source.settings)
        credentials = self._credentials(settings, secrets)
        start = query.over.start if query.over is not None else query.at - settings.lookback
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(settings.timeout):
                answer = await loop.run_in_executor(
                    self._threads, self._ask, loop, settings, credentials, start, query.at
                )
        except TimeoutError:
            raise MetricError(f"CloudWatch in {settings.region} gave no answer within {settings.timeout:g} s") from None
        return tuple(_read(answer, start, query.at))

    def _credentials(self, settings: Settings, secrets: Secrets) -> _Credentials | None:
        if settings.credentials is not None:
            name = settings.credentials.secret_name
            return (
                secrets.text(name, "access-key-id"),
                secrets.text(name, "secret-access-key"),
                secrets.optional(name, "session-token"),
            )
        if not self._own_identity:
            raise MetricError(
                "cloudWatch needs credentials: the operator may not lend its own identity (STEERSMAN_CLOUDWATCH_OWN_IDENTITY)"
            )
        if settings.endpoint_url is not None:
            raise MetricError("cloudWatch with an endpointUrl needs credentials: the operator's own go to AWS alone")
        return None

    def _ask(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        credentials: _Credentials | None,
        start: float,
        end: float,
    ) -> dict[str, Any]:
        """In a thread."""
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise MetricError("cloudWatch needs boto3: install steersman[cloudwatch]") from None
        try:
            answer: dict[str, Any] = self._client(loop, settings, credentials).get_metric_data(
                MetricDataQueries=list(_queries(settings)),
                StartTime=datetime.fromtimestamp(start, UTC),
                # The end is exclusive.
                EndTime=datetime.fromtimestamp(math.floor(end) + 1, UTC),
                ScanBy="TimestampDescending",
                MaxDatapoints=MAX_DATAPOINTS,
            )
        except ClientError as error:
            said = error.response.get("Error", {})
            raise MetricError(
                f"CloudWatch answered {one_line(said.get('Code'), 60)}: {one_line(said.get('Message'))}"
            ) from None
        except (BotoCoreError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise MetricError(f"CloudWatch could not be asked: {type(error).__name__}") from None
        return answer

    def _client(self, loop: asyncio.AbstractEventLoop, settings: Settings, credentials: _Credentials | None) -> Any:
        import boto3
        from botocore.config import Config

        key = (settings.region, settings.endpoint_url, credentials)
        if key in self._clients:
            return self._clients[key]
        access, secret, token = credentials or (None, None, None)
        client = boto3.session.Session().client(
            "cloudwatch",
            region_name=settings.region,
            endpoint_url=settings.endpoint_url,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(
                retries={"total_max_attempts": 1},
                proxies={},
                ignore_configured_endpoint_urls=True,
                parameter_validation=True,
            ),
        )

        def send(request: Any, **_: Any) -> Any:
            return _send(loop, self._transport, request, settings.timeout)

        client.meta.events.register("before-send.cloudwatch", send)
        self._clients[key] = client
        while len(self._clients) > KEPT_CLIENTS:
            self._clients.popitem(last=False)
        return client


class _Body:
    """What botocore reads a body from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def _send(loop: asyncio.AbstractEventLoop, transport: Transport, request: Any, timeout: float) -> Any:
    from botocore.awsrequest import AWSResponse

    body = request.body or b""
    asked = Request(
        "CloudWatch",
        request.url,
        timeout,
        request.method,
        headers={
            name: value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
        },
        body=body.encode() if isinstance(body, str) else bytes(body),
        refusals=False,
    )
    answer = asyncio.run_coroutine_threadsafe(transport.fetch(asked), loop).result(timeout + 1)
    return AWSResponse(request.url, answer.status, answer.headers, _Body(answer.body))


def _queries(settings: Settings) -> Iterator[dict[str, Any]]:
    alone = len(settings.metric_data_queries) == 1
    for query in settings.metric_data_queries:
        asked: dict[str, Any] = {"Id": query.id, "ReturnData": alone or query.return_data}
        if query.period is not None:
            asked["Period"] = query.period
        if query.metric_stat is not None:
            stat = query.metric_stat
            dimensions = [{"Name": each.name, "Value": each.value} for each in stat.dimensions]
            metric = {"Namespace": stat.namespace, "MetricName": stat.metric_name, "Dimensions": dimensions}
            asked["MetricStat"] = {"Metric": metric, "Period": stat.period, "Stat": stat.stat}
        else:
            asked["Expression"] = query.expression
        yield asked


def _read(answer: dict[str, Any], start: float, end: float) -> Iterator[Series]:
    if "MetricDataResults" not in answer:
        raise MetricError("what answered is not CloudWatch: check region and endpointUrl")
    for result in answer["MetricDataResults"]:
        if result.get("StatusCode") in ("InternalError", "Forbidden"):
            said = "; ".join(str(each.get("Value")) for each in result.get("Messages") or [])
            raise MetricError(f"CloudWatch could not evaluate the query: {one_line(said or result['StatusCode'])}")
        moments = [moment.timestamp() for moment in result.get("Timestamps", [])]
        points = zip(moments, map(float, result.get("Values", [])), strict=False)
        yield Series({"label": str(result.get("Label", result.get("Id", "")))}, within(points, start, end))
