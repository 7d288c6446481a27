"""The composition root: everything is made and connected here, and runs until a signal or the loss of leadership."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import uuid
from pathlib import Path
from typing import Any

import kopf
from kopf._cogs.structs.references import Insights
from kopf._core.engines.peering import Identity

from steersman.adapters.data.git_tags import GitTags
from steersman.adapters.data.http_resource import HttpContent
from steersman.adapters.kube.client import AioKubeClient, connect
from steersman.adapters.kube.events import EventRecorder, EventType
from steersman.adapters.kube.lease import LeaderElector
from steersman.adapters.metrics.cloudwatch import CloudWatchProvider
from steersman.adapters.metrics.datadog import DatadogProvider
from steersman.adapters.metrics.graphite import GraphiteProvider
from steersman.adapters.metrics.influxdb import InfluxDBProvider
from steersman.adapters.metrics.job import JobProvider
from steersman.adapters.metrics.mlflow import MLflowProvider
from steersman.adapters.metrics.newrelic import NewRelicProvider
from steersman.adapters.metrics.plugin import PluginProvider
from steersman.adapters.metrics.prometheus import OwnAccess, PrometheusProvider
from steersman.adapters.metrics.shared import SharedQueries
from steersman.adapters.metrics.web import WebProvider
from steersman.adapters.notify.targets import AppriseSender
from steersman.adapters.pipelines.airflow import AirflowPipeline
from steersman.adapters.pipelines.circleci import CircleCIPipeline
from steersman.adapters.pipelines.github import GitHubPipeline
from steersman.adapters.pipelines.gitlab import GitLabPipeline
from steersman.adapters.pipelines.jenkins import JenkinsPipeline
from steersman.adapters.pipelines.kubeflow import KubeflowPipeline
from steersman.adapters.pipelines.webhook import WebhookPipeline
from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.adapters.replay import ServiceReplay
from steersman.adapters.transport import Transport
from steersman.api.meta import LABEL_DEPLOYMENT
from steersman.api.retraining_actions import Target
from steersman.core.snapshot import EventIntent, Problem
from steersman.ports import ApiError, Conflict, Manifest, NotFound
from steersman.shell import telemetry as telemetry_module
from steersman.shell.adopted import AdoptedRoutes
from steersman.shell.config import Config
from steersman.shell.credentials import RegistrySecrets
from steersman.shell.desks import Desks
from steersman.shell.handlers import register, settings_for
from steersman.shell.kinds import watched
from steersman.shell.late_kinds import LateKinds
from steersman.shell.measurements import MeasurementDesk
from steersman.shell.metric_sources import MetricSources
from steersman.shell.news import News
from steersman.shell.notification_targets import TargetAddress
from steersman.shell.notifier import Notifier
from steersman.shell.observe import SnapshotBuilder
from steersman.shell.pods import PodInspector
from steersman.shell.questions import QuestionDesk
from steersman.shell.queue import Key, WorkQueue
from steersman.shell.reconciler import NotLeader, Reconciler
from steersman.shell.registries import RegistryPoller, RegistrySource
from steersman.shell.registry_status import RegistryReporter
from steersman.shell.retraining import RetrainingDesk
from steersman.shell.secret_reader import SecretReader
from steersman.shell.slots import RolloutSlots
from steersman.shell.store import Store
from steersman.shell.sync import RESYNC_SECONDS, synchronize
from steersman.shell.telemetry import Telemetry
from steersman.shell.webhook_secrets import WebhookSecrets
from steersman.shell.webhooks import WebhookEndpoint
from steersman.shell.write_back import WriteBackDesk

logger = logging.getLogger(__name__)

STUCK_SECONDS = 120.0
"""A key that waits this long for a worker means that the workers are stuck."""
YOUNG_OBJECTS = 10_000
"""New objects after which the garbage collector looks for cycles; Python's 700 are made several times in each turn."""
HEARTBEAT_SECONDS = 30.0
"""A leader election that is silent for this long is stuck."""


class KubernetesEvents:
    """Events of plans, by way of the recorder."""

    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder

    def record(self, manifest: Manifest, event: EventIntent) -> None:
        """Record an event on an object."""
        type_ = EventType.WARNING if event.warning else EventType.NORMAL
        self._recorder.record(manifest, type_, event.reason, event.message)


class Operator:
    """One operator process."""

    def __init__(self, config: Config, client: AioKubeClient, telemetry: Telemetry) -> None:
        self.config = config
        self.kinds = watched(config.cluster_wide, config.argo_workflows)
        self.insights = Insights()
        self.telemetry = telemetry
        self.stop = asyncio.Event()
        self.lost = False
        self._client = client
        self._store = Store()
        self._queue = WorkQueue()
        self._elector = LeaderElector(
            client,
            config.pod_namespace,
            config.lease_name,
            f"{config.pod_name}_{uuid.uuid4().hex[:8]}",
            watch=client.watch,
            # Who leads must be able to work.
            eligible=lambda: self._synced,
        )
        self._recorder = EventRecorder(
            client,
            config.pod_name,
            on_outcome=lambda outcome: telemetry.events.labels(outcome).inc(),
            may_write=self._may_tell,
            busy=lambda: len(self._queue) > 0,
        )
        transport = Transport()
        self._jobs = JobProvider(client, may_write=self._may_write)
        self._sources = MetricSources(
            {
                "prometheus": PrometheusProvider(
                    config.prometheus_url,
                    transport,
                    own=OwnAccess(
                        Path(config.prometheus_credentials) if config.prometheus_credentials else None,
                        dict(config.prometheus_headers),
                    ),
                ),
                "web": WebProvider(transport),
                "datadog": DatadogProvider(transport),
                "cloudWatch": CloudWatchProvider(transport, own_identity=config.cloudwatch_own_identity),
                "newRelic": NewRelicProvider(transport),
                "influxdb": InfluxDBProvider(transport),
                "graphite": GraphiteProvider(transport),
                "mlflow": MLflowProvider(transport),
                "job": self._jobs,
                "plugin": PluginProvider(),
            },
            client,
        )
        self._queries = SharedQueries(self._sources)
        self._mlflow = MLflowRegistry()
        self._reporter = RegistryReporter(client, self._store, self._may_write, time.time)
        registry_secrets = RegistrySecrets(client)
        poller = RegistryPoller(self._mlflow, registry_secrets, self._queue.add, self._on_registry, telemetry.polled)
        self._webhooks = WebhookEndpoint(
            WebhookSecrets(
                client, self._store, Path(config.webhook_secret_file) if config.webhook_secret_file else None
            ),
            poller.wake,
            lambda: self._may_write() if self._synced else None,
            telemetry.delivered,
            time.time,
            config.webhook_peers,
        )
        events = KubernetesEvents(self._recorder)
        notifier = Notifier(
            AppriseSender(config.notification_schemas),
            TargetAddress(client, config.notifications.directory),
            config.notifications,
            self._queue.add,
            events.record,
            self._may_write,
            time.time,
            lambda outcome: telemetry.notifications.labels(outcome).inc(),
        )
        retraining = RetrainingDesk(
            {
                Target.AIRFLOW: AirflowPipeline(transport),
                Target.KUBEFLOW: KubeflowPipeline(transport),
                Target.GITHUB: GitHubPipeline(transport),
                Target.GITLAB: GitLabPipeline(transport),
                Target.JENKINS: JenkinsPipeline(transport),
                Target.CIRCLECI: CircleCIPipeline(transport),
                Target.WEBHOOK: WebhookPipeline(transport),
            },
            {"gitTag": GitTags(transport), "http": HttpContent(transport)},
            self._mlflow,
            registry_secrets.read,
            SecretReader(client),
            self._queue.add,
            self._may_write,
            telemetry.errand,
        )
        self._desks = Desks(
            poller=poller,
            measurements=MeasurementDesk(self._queries, self._queue.add, telemetry.queried),
            questions=QuestionDesk(self._mlflow, registry_secrets, ServiceReplay(), self._queue.add),
            write_back=WriteBackDesk(self._mlflow, registry_secrets, self._queue.add, self._may_write, telemetry.wrote),
            pods=PodInspector(client, self._store),
            slots=RolloutSlots(self._store, self._queue.add, config.max_rollouts, config.max_rollouts_per_namespace),
            adopted=AdoptedRoutes(client, self._queue.add),
            retraining=retraining,
            notifier=notifier,
        )
        self._reconciler = Reconciler(
            client,
            self._store,
            SnapshotBuilder(config, self._store, client, self._desks, time.time),
            self._desks,
            events,
            self._may_write,
            telemetry.planned,
            News(),
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reports: set[asyncio.Task[None]] = set()
        self._finished = False
        self._synced = False
        self._leading = False
        self._store.listen(self._changed)
        self._store.listen(LateKinds(self.kinds, self.insights).seen)

    def registry(self) -> kopf.OperatorRegistry:
        """The handlers that kopf runs."""
        registry = kopf.OperatorRegistry()
        register(registry, self.kinds, self._store)

        @kopf.on.startup(registry=registry)
        async def start(**_: Any) -> None:
            await self._start()

        @kopf.on.cleanup(registry=registry)
        async def finish(**_: Any) -> None:
            await self._finish()

        @kopf.on.probe(registry=registry, id="operator")
        async def probe(**_: Any) -> str:
            trouble = self.trouble()
            if trouble:
                raise kopf.PermanentError(trouble)
            return "leader" if self._elector.is_leader else "standby"

        return registry

    def trouble(self) -> str | None:
        """Why the process should be restarted, if it should."""
        if time.monotonic() - self._elector.last_heartbeat > HEARTBEAT_SECONDS:
            return "the leader election does not go on"
        if self._leading and self._queue.oldest_age > STUCK_SECONDS:
            return "the workers are stuck"
        dead = [] if self._finished else [task.get_name() for task in self._tasks if task.done()]
        return f"background work ended: {', '.join(dead)}" if dead else None

    async def _start(self) -> None:
        await telemetry_module.serve(self.telemetry, self.config.metrics_port, lambda: self._synced, self._refresh)
        if self.config.webhook_port:
            await self._webhooks.start("0.0.0.0", self.config.webhook_port)  # noqa: S104  a pod's port
        self._spawn(self._elector.run(self._on_leading, self._on_lost), "election")
        self._events_task = self._spawn(self._recorder.run(), "events")
        self._spawn(self._keep_in_sync(), "resync")

    async def _finish(self) -> None:
        # No work is done after the Lease is let go; events then tell of what was done before.
        self._finished = True
        self._leading = False
        work = [task for task in self._tasks if task.get_name() not in ("election", "events")]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        self._queue.close()
        await self._webhooks.close()
        self._jobs.ending()
        await self._desks.close()
        await self._elector.release()
        await self._recorder.stop(self._events_task)
        await self._queries.close()
        await self._sources.close()
        await self._mlflow.close()
        # After a signal kopf would wait 5 s for its own waiter for this.
        self.stop.set()

    def _spawn(self, work: Any, name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        return task

    async def _keep_in_sync(self) -> None:
        unserved = await synchronize(self._client, self._store, self.kinds, self.config.namespaces)
        if unserved:
            logger.info(
                "not installed here, which matters only to who uses it: %s", ", ".join(k.kind for k in unserved)
            )
        self._synced = True
        # What was loaded so far stays: the garbage collector need not look through it again and again.
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        self._elector.look_now()
        while True:
            await asyncio.sleep(RESYNC_SECONDS)
            await synchronize(self._client, self._store, self.kinds, self.config.namespaces)
            self._enqueue_all()

    def _on_leading(self) -> None:
        self._leading = True
        for number in range(self.config.workers):
            self._spawn(self._work(), f"worker-{number}")
        self._enqueue_all()

    def _on_lost(self) -> None:
        self._leading = False
        self.lost = True
        self.stop.set()

    def _may_write(self) -> bool:
        return self._leading and self._elector.is_leader

    def _may_tell(self) -> bool:
        """Whether events may be written: after a graceful stop still those of what was done before."""
        return self._elector.is_leader or (self._finished and not self.lost)

    def _enqueue_all(self) -> None:
        for manifest in self._store.all("ModelDeployment"):
            self._changed(manifest)

    def _changed(self, manifest: Manifest) -> None:
        """Something in the store changed: enqueue the ModelDeployments that it concerns."""
        namespace = manifest["metadata"].get("namespace") or ""
        if not self._leading or (namespace and self._reconciler.echoes.is_echo(manifest)):
            return
        kind = manifest["kind"]
        if kind == "ModelDeployment":
            self._queue.add((namespace, manifest["metadata"]["name"]))
        elif owner := (manifest["metadata"].get("labels") or {}).get(LABEL_DEPLOYMENT):
            if self._store.get("ModelDeployment", namespace, owner) is not None:
                self._queue.add_soon((namespace, owner))
        else:
            for deployment in self._store.all("ModelDeployment"):
                metadata = deployment["metadata"]
                if not namespace or metadata["namespace"] == namespace:
                    self._queue.add((metadata["namespace"], metadata["name"]))

    def _on_registry(self, source: RegistrySource, trouble: Problem | None) -> None:
        task = asyncio.create_task(self._reporter.report(source, trouble))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    def _refresh(self) -> None:
        self.telemetry.leader.set(int(self._elector.is_leader))
        self.telemetry.queue_depth.set(len(self._queue))
        self.telemetry.count_phases()

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            started = time.monotonic()
            try:
                requeue_at = await self._reconciler.reconcile(key)
            except NotLeader:
                self._queue.done(key)
                continue
            except (ApiError, Conflict, NotFound) as error:
                conflict = isinstance(error, Conflict)
                self.telemetry.reconciles.labels("conflict" if conflict else "failed").inc()
                delay = self._queue.failed(key)
                log = logger.info if conflict else logger.warning
                log("reconcile failed, again in %.1f s: %s", delay, error, extra=_where(key))
            except Exception:
                self.telemetry.reconciles.labels("failed").inc()
                delay = self._queue.failed(key)
                logger.exception("reconcile failed in an unexpected way, again in %.1f s", delay, extra=_where(key))
            else:
                self.telemetry.reconciles.labels("done").inc()
                self.telemetry.reconcile_seconds.observe(time.monotonic() - started)
                self._queue.done(key)
                self._queue.schedule(key, None if requeue_at is None else requeue_at - time.time())


def _where(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "object": key[1]}


async def run(config: Config) -> int:
    """Run until a signal (0) or until leadership is lost (1)."""
    telemetry = Telemetry()
    async with await connect(on_request=telemetry.requested) as client:
        operator = Operator(config, client, telemetry)
        await kopf.operator(
            registry=operator.registry(),
            settings=settings_for(operator.kinds, scan=config.cluster_wide),
            insights=operator.insights,
            clusterwide=config.cluster_wide,
            namespaces=config.namespaces,
            liveness_endpoint=f"http://0.0.0.0:{config.health_port}/healthz",
            stop_flag=operator.stop,
            standalone=True,
            # Else kopf looks up a user name, which a container's user has not.
            identity=Identity(config.pod_name),
        )
    if operator.lost:
        logger.error("leadership was lost: exiting, so that nothing half-done goes on")
    return 1 if operator.lost else 0
