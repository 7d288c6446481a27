"""Instant queries to Prometheus and everything that speaks its HTTP API (Thanos, Mimir, VictoriaMetrics).

API: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import aiohttp

from steersman.adapters.http import TooLarge, connection_trouble, new_session, one_line, read_bounded, server_url
from steersman.adapters.metrics.clocks import check_clocks
from steersman.core.analysis.model import MetricQuery, Sample
from steersman.ports import MetricError

CACHE_SECONDS: Final = 60.0
"""How long an answer is kept; a query names its moment, so that the answer stays right."""
CACHE_ANSWERS: Final = 512
"""Most answers that are kept."""
CACHE_SAMPLES: Final = 100_000
"""Most samples that all kept answers have together."""

_Key = tuple[str | None, str, float]


@dataclass(frozen=True)
class PrometheusAuth:
    """Credentials for the operator's own server: a bearer token's file (read at each request), or user and password."""

    bearer_token_file: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)


class PrometheusProvider:
    """Implements steersman.ports.MetricProvider. Close it when done.

    Equal queries (address, PromQL and moment) that are asked at once or again within a minute are sent once. Failures
    are given to everybody who waits for them and then forgotten.
    """

    def __init__(
        self,
        default_address: str | None,
        *,
        timeout: float = 5.0,
        max_bytes: int = 8 * 1024 * 1024,
        concurrency: int = 10,
        auth: PrometheusAuth | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`timeout` is in seconds and includes the wait for one of `concurrency` turns, which are counted per address.

        `auth` is sent to the default address only, never to an address that a template names. `wall` gives seconds since the epoch.
        """
        self._default_address = default_address
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._concurrency = concurrency
        self._auth = auth
        self._clock = clock
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._flights: dict[_Key, asyncio.Task[tuple[Sample, ...]]] = {}
        self._answers: OrderedDict[_Key, tuple[float, tuple[Sample, ...]]] = OrderedDict()
        self._samples = 0

    async def query(self, query: MetricQuery) -> tuple[Sample, ...]:
        """Evaluate at the query's moment. Raises MetricError."""
        return await self.instant(json.loads(query.source.settings).get("address"), query.text, query.at)

    async def instant(self, address: str | None, promql: str, at: float) -> tuple[Sample, ...]:
        """Evaluate at a moment (seconds since the epoch); NaN and infinities are kept. Raises MetricError."""
        key = (address, promql, at)
        self._forget()
        if key in self._answers:
            return self._answers[key][1]
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(key))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        try:
            # One who stops waiting must not cancel the query of the others.
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            if flight.cancelled():
                raise MetricError("the Prometheus client was closed") from None
            raise

    async def close(self) -> None:
        """End what is under way and close the connections."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _landed(self, key: _Key, flight: asyncio.Task[tuple[Sample, ...]]) -> None:
        self._flights.pop(key, None)
        if flight.cancelled() or flight.exception() is not None:
            return
        samples = flight.result()
        self._answers[key] = (self._clock(), samples)
        self._samples += len(samples)
        self._forget()

    def _forget(self) -> None:
        horizon = self._clock() - CACHE_SECONDS
        while self._answers:
            moment, samples = next(iter(self._answers.values()))
            if moment > horizon and len(self._answers) <= CACHE_ANSWERS and self._samples <= CACHE_SAMPLES:
                return
            self._answers.popitem(last=False)
            self._samples -= len(samples)

    async def _fly(self, key: _Key) -> tuple[Sample, ...]:
        address, promql, at = key
        base = address if address is not None else self._default_address
        if base is None:
            raise MetricError("no Prometheus address: the metric names none, and the operator has no default")
        try:
            shown = server_url(base)
        except ValueError as error:
            raise MetricError(f"unusable Prometheus address: {error}") from None
        turns = self._turns.setdefault(shown, asyncio.Semaphore(self._concurrency))
        try:
            async with asyncio.timeout(self._timeout), turns:
                status, body = await self._post(shown, promql, at, self._headers(own=address is None))
        except TimeoutError as error:
            raise MetricError(f"Prometheus at {shown} gave no answer within {self._timeout:g} s") from error
        except TooLarge as error:
            raise MetricError(f"Prometheus at {shown}: {error}; the query selects too much") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise MetricError(f"cannot reach Prometheus at {shown}: {connection_trouble(error)}") from error
        return _samples(shown, status, body)

    async def _post(self, base: str, promql: str, at: float, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._session is None:
            self._session = new_session()
        form = {"query": promql, "time": f"{at:.3f}", "timeout": f"{self._timeout:g}s"}
        sent = self._wall()
        async with self._session.post(
            f"{base}/api/v1/query", data=form, headers=headers, allow_redirects=False
        ) as response:
            if response.status == 200:
                check_clocks(base, response.headers.get("Date"), sent, self._wall())
            return response.status, await read_bounded(response, self._max_bytes)

    def _headers(self, *, own: bool) -> dict[str, str]:
        if not own or self._auth is None:
            return {}
        if self._auth.bearer_token_file is not None:
            try:
                token = self._auth.bearer_token_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise MetricError("cannot read the file with Prometheus's bearer token") from error
            return {"Authorization": f"Bearer {token}"}
        if self._auth.username is not None:
            pair = f"{self._auth.username}:{self._auth.password or ''}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return {}


def _samples(shown: str, status: int, body: bytes) -> tuple[Sample, ...]:
    """Parse an answer. Raises MetricError for everything but an instant vector or a scalar."""
    if 300 <= status < 400:
        raise MetricError(f"Prometheus at {shown} answered with a redirect (HTTP {status}), which is not followed")
    if status in (401, 403):
        raise MetricError(f"Prometheus at {shown} refused access (HTTP {status})")
    try:
        document = json.loads(body)
        succeeded = document["status"] == "success"
        if not succeeded:
            kind, said = document["errorType"], document["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MetricError(f"{shown} answered HTTP {status}, but not as Prometheus does") from None
    if not succeeded:
        verb = "rejected" if kind == "bad_data" else "could not evaluate"
        raise MetricError(f"Prometheus {verb} the query: {one_line(said)}")
    try:
        return _vector(document["data"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise MetricError(f"{shown} answered HTTP {status}, but not as Prometheus does") from None


def _vector(data: dict[str, Any]) -> tuple[Sample, ...]:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return (Sample({}, _number(result)),)
    if kind != "vector":
        raise MetricError(f"the query gives a {one_line(kind, 20)}, where an instant vector or a scalar is needed")
    if any("histogram" in series and "value" not in series for series in result):
        raise MetricError("the query gives native histograms, where numbers are needed")
    return tuple(Sample(_labels(series["metric"]), _number(series["value"])) for series in result)


def _number(pair: list[Any]) -> float:
    _, text = pair
    if not isinstance(text, str):
        raise TypeError("a value is a string")
    return float(text)


def _labels(metric: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in metric.items()}
