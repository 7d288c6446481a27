"""Many rollouts that are analysed at once, by a clock that does not run by itself, against a server that counts what it is asked."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web

from simulation.loopback import LoopbackServer
from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.adapters.metrics.shared import SharedQueries
from steersman.api.analysis import AnalysisTemplateSpec, Metric, SequentialJudge
from steersman.api.metric_providers import PrometheusProvider as PrometheusSettings
from steersman.api.status import AnalysisStage, AnalysisStatus
from steersman.core.analysis import advance, begin, bind, due
from steersman.core.analysis.model import AnalysisContext, BoundMetric, QueryResult
from steersman.shell.measurements import MeasurementDesk
from steersman.shell.queue import Key

START = 1_800_000_000.0
"""On the grid of 15 s (seconds since the epoch)."""
INTERVAL = 15.0
RATE = 10
"""Requests a second of each revision with traffic."""
_WINDOW = re.compile(r"offset (\d+)s\) >= 0")


def template(metrics: int = 3) -> tuple[BoundMetric, ...]:
    """One template with so many sequential metrics, each of two counters."""
    made = [
        Metric(
            name=f"m{n}",
            # The server shares this process, and nothing here depends on how fast it is.
            prometheus=PrometheusSettings(timeout=60.0),
            sequential=SequentialJudge(requests=f"m{n}_total", failures=f'm{n}_total{{code="500"}}'),
        )
        for n in range(metrics)
    ]
    return bind([("shared", AnalysisTemplateSpec(metrics=made))], [], INTERVAL)


class CountingServer(LoopbackServer):
    """Answers counting expressions with a row for each revision: 10 requests a second, none fails, unless it is silent."""

    def __init__(self, contexts: list[AnalysisContext]) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        """Requests by PromQL."""
        self.pasts = 0
        """Requests for a stable's past, which names the revision: one for each metric of a rollout."""
        self.bytes = 0
        """Of all answers but those."""
        self.silent: set[str] = set()
        """Revisions without requests."""
        self._rows = [
            (context.namespace, revision) for context in contexts for revision in (context.stable, context.candidate)
        ]

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/v1/query", self._query), web.post("/api/v1/query_range", self._past)]

    async def _past(self, _: web.Request) -> web.Response:
        self.pasts += 1
        return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": []}})

    async def _query(self, request: web.Request) -> web.Response:
        promql = str((await request.post())["query"])
        self.asked[promql] += 1
        window = _WINDOW.search(promql)
        requests = RATE * int(window[1]) if window else 0
        count = 0 if 'code="500"' in promql else requests
        result = [
            {
                "metric": {"namespace": namespace, "steersman_dev_revision": revision},
                "value": [START, str(0 if revision in self.silent else count)],
            }
            for namespace, revision in self._rows
        ]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        self.bytes += len(body)
        return web.Response(body=body, content_type="application/json")


@dataclass
class Rollout:
    """One rollout's analysis."""

    context: AnalysisContext
    started_at: float
    status: AnalysisStatus | None = None


@dataclass
class Cost:
    """What one turn of the clock cost the operator."""

    queries: int
    """HTTP requests, but those for stable's past."""
    pasts: int
    """Those."""
    bytes: int
    """Of their answers."""
    deciding: float
    """CPU seconds to find out what is due and to fold answers in, of all rollouts."""


@dataclass
class Fleet:
    """Rollouts in many namespaces that share a template. `async with` gives it a provider and a desk."""

    rollouts: list[Rollout]
    metrics: tuple[BoundMetric, ...] = field(default_factory=template)

    @classmethod
    def of(cls, size: int, *, spread: float = 0.0) -> Fleet:
        """So many, started over so many seconds."""
        rollouts = []
        for number in range(size):
            name = f"fraud-{number:04d}"
            context = AnalysisContext(
                f"team-{number % 50:02d}",
                name,
                f"{name}-v1-aaaaaaaa",
                f"{name}-v2-bbbbbbbb",
                AnalysisStage.BACKGROUND,
                START,
            )
            rollouts.append(Rollout(context, START + spread * number / size))
        return cls(rollouts)

    async def __aenter__(self) -> Fleet:
        self.server = CountingServer([rollout.context for rollout in self.rollouts])
        await self.server.__aenter__()
        self._prometheus = PrometheusProvider(self.server.url)
        self._provider = SharedQueries(self._prometheus)
        self._woken: asyncio.Queue[Key] = asyncio.Queue()
        self._desk = MeasurementDesk(self._provider, self._woken.put_nowait, lambda result, seconds: None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._desk.close()
        await self._provider.close()
        await self._prometheus.close()
        await self.server.__aexit__()

    async def turn(self, now: float) -> Cost:
        """Every rollout that has begun asks for what is due and folds its answers in."""
        asked, pasts, received, deciding = self.server.asked.total(), self.server.pasts, self.server.bytes, 0.0
        waiting: dict[Key, Rollout] = {}
        for rollout in self.rollouts:
            if rollout.started_at > now:
                continue
            before = time.thread_time()
            if rollout.status is None:
                rollout.status = begin(AnalysisStage.BACKGROUND, self.metrics, rollout.started_at)
            queries, _ = due(self.metrics, rollout.status, rollout.context, now)
            deciding += time.thread_time() - before
            if queries:
                key = rollout.context.namespace, rollout.context.deployment
                self._desk.submit(key, queries)
                waiting[key] = rollout
        while waiting:
            key = await self._woken.get()
            if key in waiting:
                before = time.thread_time()
                results = self._desk.results(key)
                if self._fold(waiting[key], results, now):
                    del waiting[key]
                deciding += time.thread_time() - before
                self._desk.recorded(key, results)
        queries = self.server.asked.total() - asked
        return Cost(queries, self.server.pasts - pasts, self.server.bytes - received, deciding)

    def _fold(self, rollout: Rollout, results: tuple[QueryResult, ...], now: float) -> bool:
        """Whether every metric has been looked at: one may still wait for stable's past."""
        assert rollout.status is not None
        rollout.status = advance(self.metrics, rollout.status, rollout.context, results, now)
        return len({metric.last_attempt_at for metric in rollout.status.metrics}) == 1
