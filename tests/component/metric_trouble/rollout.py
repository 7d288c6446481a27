"""The analysis of one rollout, driven as the operator drives it, by the wall clock or by a wrong one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.component.metric_trouble.pods import NAMESPACE, Pod

from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.api.analysis import AnalysisTemplateSpec, Metric, SequentialJudge
from steersman.api.status import AnalysisStage, Measurement, MeasurementPhase, MetricStatus, SequentialStatus
from steersman.core.analysis import advance, begin, bind, due, sequential
from steersman.core.analysis.model import AnalysisContext, MetricQuery, QueryResult
from steersman.ports import MetricError

INTERVAL = 1.0
ERRORS = Metric(
    name="errors",
    sequential=SequentialJudge(requests="requests_total", failures='requests_total{code="500"}', min_requests=10),
)


class Rollout:
    """Looks every second from enter to exit."""

    def __init__(self, url: str, candidate: Pod, stable: Pod, metric: Metric = ERRORS, skew: float = 0.0) -> None:
        """`skew`: seconds by which the operator's clock is ahead of Prometheus'."""
        self.skew = skew
        self.url = url
        self.measurements: list[Measurement] = []
        self._open: tuple[float, ...] = (0.0,) * 4
        self._metrics = bind([("t", AnalysisTemplateSpec(metrics=[metric]))], [], INTERVAL)
        self._context = AnalysisContext(
            NAMESPACE, "fraud", stable.revision, candidate.revision, AnalysisStage.BACKGROUND, 0.0
        )
        self._status = begin(AnalysisStage.BACKGROUND, self._metrics, self.now())

    def now(self) -> float:
        """The operator's clock."""
        return time.time() + self.skew

    @property
    def metric(self) -> MetricStatus:
        (metric,) = self._status.metrics
        return metric

    @property
    def counted(self) -> SequentialStatus:
        assert self.metric.sequential is not None
        return self.metric.sequential

    def counts(self) -> tuple[float, ...]:
        """Requests and failures of candidate and stable: those that were taken, and those of a look that is held open."""
        seen = self.counted
        taken = seen.candidate_requests, seen.candidate_failures, seen.stable_requests, seen.stable_failures
        return tuple(map(sum, zip(taken, self._open, strict=True)))

    def _seen(self, results: Sequence[QueryResult]) -> tuple[float, ...]:
        """What the latest look shows, when it is held open for a side without requests."""
        judge = self._metrics[0].metric.sequential
        if judge is None or self.metric.last_look_at == self.metric.last_attempt_at or any(r.error for r in results):
            return (0.0,) * 4
        parts = {result.query.part: result.samples for result in results}
        both = self._context.candidate, self._context.stable
        rows = [sequential.row(self._metrics[0], judge, self._context, revision) for revision in both]
        try:
            counts = [sequential.read_counts(parts, row) for row in rows]
        except sequential.NoCountsError:
            return (0.0,) * 4
        return tuple(number for count in counts for number in (count.requests, count.failures))

    def phases(self) -> set[MeasurementPhase]:
        return {measurement.phase for measurement in self.measurements}

    def messages(self, phase: MeasurementPhase) -> list[str]:
        return [each.message for each in self.measurements if each.phase is phase]

    async def settle(self) -> None:
        """Until looks have covered what was served up to now: a scrape, and a look after it."""
        asked = self.now() + 2.0
        for _ in range(100):
            if (self.metric.last_attempt_at or 0.0) >= asked:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"no look since {asked}")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            queries, following = due(self._metrics, self._status, self._context, self.now())
            if queries:
                results = await asyncio.gather(*[self._ask(query) for query in queries])
                self._status = advance(self._metrics, self._status, self._context, results, self.now())
                self.measurements += self.metric.measurements[-1:]
                self._open = self._seen(results)
            await asyncio.sleep(min(0.2, max(0.02, following - self.now())))

    async def _ask(self, query: MetricQuery) -> QueryResult:
        # A provider of its own for each query, as an answer that is kept would hide trouble.
        provider = PrometheusProvider(self.url, wall=self.now)
        try:
            return QueryResult(query, await provider.query(query))
        except MetricError as error:
            return QueryResult(query, error=str(error))
        finally:
            await provider.close()
