"""Metric queries in the background, so that a slow metric server never holds up a reconcile."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from steersman.core.analysis.model import MetricQuery, QueryResult
from steersman.ports import MetricError, MetricProvider
from steersman.shell.queue import Key

logger = logging.getLogger(__name__)

Observer = Callable[[str, float], None]

PASTS_AT_ONCE: Final = 4
"""How many queries for the past, and for drift, are under way: each deployment has its own, and they must not hold up looks, which are shared."""


class MeasurementDesk:
    """Takes queries of reconciles, and keeps the answers until a reconcile has recorded them."""

    def __init__(self, provider: MetricProvider, enqueue: Callable[[Key], None], observe: Observer) -> None:
        """`observe` gets (`answered` or `failed`, seconds) of each query."""
        self._provider = provider
        self._enqueue = enqueue
        self._observe = observe
        self._pending: dict[Key, dict[MetricQuery, asyncio.Task[None]]] = defaultdict(dict)
        self._answers: dict[Key, dict[MetricQuery, QueryResult]] = defaultdict(dict)
        self._pasts = asyncio.Semaphore(PASTS_AT_ONCE)

    def results(self, key: Key) -> tuple[QueryResult, ...]:
        """Answers that are not yet recorded, of metrics for which nothing is under way: a part of a look is of no use."""
        if key not in self._answers:
            return ()
        waiting = {query.metric for query in self._pending.get(key, ())}
        return tuple(result for query, result in self._answers[key].items() if query.metric not in waiting)

    def submit(self, key: Key, queries: Sequence[MetricQuery]) -> None:
        """Send what is neither under way nor answered. Of a Job the earlier look is waited for, so that they do not pile up."""
        for query in queries:
            if query.source.provider == "job" and any(
                pending.metric == query.metric and pending.at != query.at for pending in self._pending[key]
            ):
                continue
            if query not in self._pending[key] and query not in self._answers[key]:
                self._pending[key][query] = asyncio.create_task(self._run(key, query), name=f"query {query.metric}")

    def recorded(self, key: Key, results: Sequence[QueryResult]) -> None:
        """These answers are in the status now."""
        for result in results:
            self._answers[key].pop(result.query, None)

    def drop(self, key: Key) -> None:
        """Nobody waits for this key's answers any more."""
        for task in self._pending.pop(key, {}).values():
            task.cancel()
        self._answers.pop(key, None)

    async def close(self) -> None:
        """Cancel what is under way."""
        tasks = [task for tasks in self._pending.values() for task in tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, query: MetricQuery) -> None:
        started = asyncio.get_running_loop().time()
        try:
            if query.over is not None and query.reference:
                async with self._pasts:
                    result = QueryResult(query, series=await self._provider.query_range(query))
            elif query.over is not None:
                result = QueryResult(query, series=await self._provider.query_range(query))
            elif query.is_own:
                async with self._pasts:
                    result = QueryResult(query, await self._provider.query(query))
            else:
                result = QueryResult(query, await self._provider.query(query))
        except MetricError as error:
            result = QueryResult(query, error=str(error))
        except Exception:
            logger.exception("a metric query failed in an unexpected way")
            result = QueryResult(query, error="the query failed in an unexpected way: see the operator's log")
        self._observe("failed" if result.error else "answered", asyncio.get_running_loop().time() - started)
        self._pending[key].pop(query, None)
        self._answers[key][query] = result
        if not any(
            pending.metric == query.metric or (pending.at == query.at and pending.is_own == query.is_own)
            for pending in self._pending[key]
        ):
            # One reconcile folds in the whole look.
            self._enqueue(key)
