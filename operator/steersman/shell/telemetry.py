"""The operator's own metrics, and the endpoint that serves them with its readiness."""

from __future__ import annotations

import contextlib
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from steersman import __version__
from steersman.api.conditions import Reason
from steersman.api.status import ModelDeploymentStatus, Outcome, Phase
from steersman.core.snapshot import Plan
from steersman.shell.drift_gauges import DriftGauges
from steersman.shell.queue import Key

_FAILURES: Final = (
    Reason.ANALYSIS_FAILED,
    Reason.PROGRESS_DEADLINE_EXCEEDED,
    Reason.CANDIDATE_UNAVAILABLE,
    Reason.INCONCLUSIVE_LIMIT_EXCEEDED,
    Reason.ABORTED_BY_USER,
    Reason.REGRESSION,
)
"""Why rollouts are aborted."""


class _Seen(NamedTuple):
    """What is remembered of a status; the whole of it is many times as large."""

    phase: Phase
    rollout_started_at: float | None
    conditions: tuple[tuple[str, str, str], ...] = ()
    """Type, status and reason."""


class _Conditions(Collector):
    """The conditions of every ModelDeployment, made when they are asked for: one series each, the one that holds now."""

    def __init__(self, seen: Mapping[Key, _Seen]) -> None:
        self._seen = seen

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All of them."""
        family = GaugeMetricFamily(
            "steersman_deployment_condition",
            "1 for the status and reason that a condition of a ModelDeployment has",
            labels=["namespace", "deployment", "type", "status", "reason"],
        )
        for key, seen in list(self._seen.items()):
            for condition in seen.conditions:
                family.add_metric([*key, *condition], 1.0)
        yield family


class Telemetry:
    """All metrics of the operator; see docs/reference/metrics.md."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR):
            self.registry.register(collector)
        Gauge("steersman_info", "Version of the operator", ["version"], registry=self.registry).labels(__version__).set(
            1
        )
        self.leader = Gauge("steersman_leader", "1 while this replica is the leader", registry=self.registry)
        self.queue_depth = Gauge(
            "steersman_queue_depth", "ModelDeployments that wait to be reconciled", registry=self.registry
        )
        self.reconciles = Counter(
            "steersman_reconciles_total", "Reconciles by result", ["result"], registry=self.registry
        )
        self.reconcile_seconds = Histogram(
            "steersman_reconcile_duration_seconds",
            "Duration of a reconcile",
            buckets=(0.005, 0.02, 0.1, 0.5, 2, 10),
            registry=self.registry,
        )
        self.deployments = Gauge(
            "steersman_modeldeployments", "ModelDeployments by phase", ["phase"], registry=self.registry
        )
        self.weight = Gauge(
            "steersman_candidate_weight_percent",
            "Weight intended for the candidate",
            ["namespace", "deployment"],
            registry=self.registry,
        )
        self.rollouts = Counter(
            "steersman_rollouts_total", "Rollouts that ended", ["outcome", "reason"], registry=self.registry
        )
        self.queries = Counter(
            "steersman_metric_queries_total", "Metric queries by result", ["result"], registry=self.registry
        )
        self.query_seconds = Histogram(
            "steersman_metric_query_duration_seconds",
            "Duration of a metric query",
            buckets=(0.01, 0.05, 0.25, 1, 5, 30, 300),
            registry=self.registry,
        )
        self.registry_polls = Counter(
            "steersman_registry_polls_total", "Questions to registries by result", ["result"], registry=self.registry
        )
        self.webhook_deliveries = Counter(
            "steersman_webhook_deliveries_total",
            "Deliveries of registries' webhooks by result",
            ["result"],
            registry=self.registry,
        )
        self.registry_writes = Counter(
            "steersman_registry_writes_total", "Writes to registries by result", ["result"], registry=self.registry
        )
        self.api_requests = Counter(
            "steersman_kube_requests_total",
            "Requests to the API server",
            ["verb", "kind", "code"],
            registry=self.registry,
        )
        self.events = Counter(
            "steersman_events_total", "Kubernetes events by what became of them", ["outcome"], registry=self.registry
        )
        self._drift = DriftGauges(self.registry)
        self.notifications = Counter(
            "steersman_notifications_total", "Notifications by what became of them", ["outcome"], registry=self.registry
        )
        # A series that starts at 1 has no increase: what matters is there from the start.
        self.rollouts.labels(Outcome.PROMOTED, "")
        for reason in _FAILURES:
            self.rollouts.labels(Outcome.ABORTED, reason)
        for result in ("done", "conflict", "failed"):
            self.reconciles.labels(result)
        for result in ("answered", "failed"):
            self.queries.labels(result)
        for outcome in ("sent", "failed", "merged", "given_up"):
            self.notifications.labels(outcome)
        self._last: dict[Key, _Seen] = {}
        self.registry.register(_Conditions(self._last))

    def planned(self, key: Key, plan: Plan | None) -> None:
        """A plan's status is on record (or the object is gone)."""
        before = self._last.pop(key, None)
        self._drift.recorded(key, plan.status if plan is not None else None)
        if plan is None:
            if before is not None and before.rollout_started_at is not None:
                self._forget_weight(key)
            return
        rollout = plan.status.rollout
        conditions = tuple((str(c.type), str(c.status), str(c.reason)) for c in plan.status.conditions)
        self._last[key] = _Seen(plan.status.phase, rollout.started_at if rollout is not None else None, conditions)
        self._count_ended(before, plan.status)
        if rollout is not None:
            self.weight.labels(*key).set(plan.status.candidate_weight)
        elif before is not None and before.rollout_started_at is not None:
            self._forget_weight(key)

    def _forget_weight(self, key: Key) -> None:
        with contextlib.suppress(KeyError):
            self.weight.remove(*key)

    def count_phases(self) -> None:
        """Bring the gauge of phases up to date; once a scrape is often enough."""
        phases = Tally(seen.phase for seen in self._last.values())
        for phase in Phase:
            self.deployments.labels(phase).set(phases[phase])

    def _count_ended(self, before: _Seen | None, after: ModelDeploymentStatus) -> None:
        if before is None or before.rollout_started_at is None or not after.history:
            return
        ended = after.history[0]
        if (after.rollout is None or after.rollout.started_at != before.rollout_started_at) and (
            ended.started_at == before.rollout_started_at
        ):
            reason = ended.reason if ended.outcome != Outcome.PROMOTED else ""
            self.rollouts.labels(ended.outcome, reason).inc()

    def requested(self, verb: str, kind: str, code: str, seconds: float) -> None:
        """A request to the API server was answered."""
        self.api_requests.labels(verb, kind, code).inc()

    def queried(self, result: str, seconds: float) -> None:
        """A metric query was answered or failed."""
        self.queries.labels(result).inc()
        self.query_seconds.observe(seconds)

    def delivered(self, result: str) -> None:
        """A delivery of a webhook was answered."""
        self.webhook_deliveries.labels(result).inc()

    def wrote(self, result: str) -> None:
        """A registry took a write or refused it."""
        self.registry_writes.labels(result).inc()

    def polled(self, result: str, seconds: float) -> None:
        """A registry answered or failed."""
        self.registry_polls.labels(result).inc()


async def serve(
    telemetry: Telemetry, port: int, is_ready: Callable[[], bool], refresh: Callable[[], None]
) -> web.AppRunner:
    """Serve /metrics and /readyz on all addresses of the pod; `refresh` sets gauges before they are read."""

    async def metrics(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=generate_latest(telemetry.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def readyz(_: web.Request) -> web.Response:
        ready = is_ready()
        return web.Response(text="ok\n" if ready else "the watches are not in sync yet\n", status=200 if ready else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104  a pod's port
    return runner
