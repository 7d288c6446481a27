"""Equal queries are sent once, whoever asks them, and their answers kept for a minute."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from steersman.core.analysis.model import MetricQuery, Over, Sample, Series, Source
from steersman.ports import MetricError, MetricProvider

CACHE_SECONDS: Final = 60.0
"""How long an answer is kept; a query names its moment, so that the answer stays right."""
CACHE_ANSWERS: Final = 512
"""Most answers that are kept."""
CACHE_VALUES: Final = 100_000
"""Most values that all kept answers have together."""

_Key = tuple[Source, str, float, Over | None, str]
_Answer = tuple[Any, ...]


class SharedQueries:
    """Implements steersman.ports.MetricProvider over another one. Close it when done.

    Failures are given to everybody who waits for them and then forgotten. When nobody waits any more, the query is cancelled.
    """

    def __init__(self, inner: MetricProvider, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._clock = clock
        self._flights: dict[_Key, asyncio.Task[_Answer]] = {}
        self._waiting: dict[_Key, int] = {}
        self._answers: OrderedDict[_Key, tuple[float, _Answer]] = OrderedDict()
        self._values = 0

    async def query(self, query: MetricQuery) -> tuple[Sample, ...]:
        """Evaluate at the query's moment. Raises MetricError."""
        if query.is_own:
            # Kept, its many values would drive out answers that others ask for.
            return await self._inner.query(query)
        return cast("tuple[Sample, ...]", await self._ask(query, self._inner.query))

    async def query_range(self, query: MetricQuery) -> tuple[Series, ...]:
        """Values over time. Raises MetricError."""
        return cast("tuple[Series, ...]", await self._ask(query, self._inner.query_range))

    async def close(self) -> None:
        """End what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _ask(self, query: MetricQuery, send: Callable[[MetricQuery], Awaitable[_Answer]]) -> _Answer:
        # A Job is made for one metric; elsewhere who asks does not matter.
        owner = query.metric if query.source.provider == "job" else ""
        key = (query.source, query.text, query.at, query.over, owner)
        self._forget()
        if key in self._answers:
            return self._answers[key][1]
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.ensure_future(send(query))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            # One who stops waiting must not cancel the query of the others.
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            if flight.cancelled():
                raise MetricError("the metric query was given up, as the operator ends") from None
            raise
        finally:
            self._leave(key, flight)

    def _leave(self, key: _Key, flight: asyncio.Task[_Answer]) -> None:
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]
            if self._flights.get(key) is flight:
                # Whoever asks again begins anew.
                del self._flights[key]
                flight.cancel()

    def _landed(self, key: _Key, flight: asyncio.Task[_Answer]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.cancelled() or flight.exception() is not None:
            return
        answer = flight.result()
        self._drop(key)
        self._answers[key] = (self._clock(), answer)
        self._values += _size(answer)
        self._forget()

    def _forget(self) -> None:
        horizon = self._clock() - CACHE_SECONDS
        while self._answers:
            key, (moment, _) = next(iter(self._answers.items()))
            if moment > horizon and len(self._answers) <= CACHE_ANSWERS and self._values <= CACHE_VALUES:
                return
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        if key in self._answers:
            self._values -= _size(self._answers.pop(key)[1])


def _size(answer: _Answer) -> int:
    return sum(len(each.points) if isinstance(each, Series) else 1 for each in answer)
