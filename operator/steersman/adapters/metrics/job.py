"""A Kubernetes Job as a measurement: 1 when it succeeds, 0 when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from steersman.adapters.http import one_line
from steersman.adapters.metrics.answers import no_series
from steersman.api.meta import API_VERSION, LABEL_DEPLOYMENT
from steersman.api.metric_providers import JobProvider as Settings
from steersman.core.analysis import job
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import ApiError, Conflict, KubeClient, MetricError, NotFound, Secrets

logger = logging.getLogger(__name__)

JOBS: Final = ("batch/v1", "Job")
GRACE_SECONDS: Final = 10.0
"""Beyond the deadline, which Kubernetes keeps: until the Job says so."""
MOST_AT_ONCE: Final = 50


class JobProvider:
    """Implements steersman.ports.MetricServer."""

    def __init__(
        self, client: KubeClient, *, may_write: Callable[[], bool] = lambda: True, poll_seconds: float = 2.0
    ) -> None:
        """`may_write` says whether this process leads, so that nobody else makes Jobs."""
        self._client = client
        self._may_write = may_write
        self._poll_seconds = poll_seconds
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._ending = False
        self._cleaning: set[asyncio.Task[None]] = set()

    async def query(self, query: MetricQuery, secrets: Secrets = Secrets()) -> tuple[Sample, ...]:  # noqa: B008  immutable
        """1 or 0, once the Job has ended. Raises MetricError when it has not in time. Cancelled, it deletes the Job."""
        settings = Settings.model_validate_json(query.source.settings)
        namespace, deployment = query.source.namespace, query.text
        if namespace is None or not deployment:
            raise MetricError("a job belongs to one ModelDeployment")
        name = job.name_of(namespace, deployment, query.metric, query.at, query.source.settings)
        try:
            async with asyncio.timeout(settings.deadline + GRACE_SECONDS), self._turns:
                uid = await self._begin(namespace, deployment, name, query.metric, settings)
                value = await self._outcome(namespace, name, settings.deadline)
        except TimeoutError:
            self._clean_up(namespace, name)
            raise MetricError(f"Job {name} did not end within {settings.deadline:g} s") from None
        except asyncio.CancelledError:
            # When the operator ends, the next one finds the Job; it also ends by itself.
            if not self._ending:
                self._clean_up(namespace, name)
            raise
        return (Sample({"job": name, "uid": uid}, value),)

    async def query_range(self, query: MetricQuery, secrets: Secrets = Secrets()) -> tuple[Series, ...]:  # noqa: B008
        """Raises MetricError."""
        raise no_series("job")

    def ending(self) -> None:
        """The operator ends: what is cancelled from now on goes on by itself."""
        self._ending = True

    async def close(self) -> None:
        """Wait for deletions under way."""
        await asyncio.gather(*self._cleaning, return_exceptions=True)

    async def _begin(self, namespace: str, deployment: str, name: str, metric: str, settings: Settings) -> str:
        """Make the Job, or find it; gives its uid."""
        try:
            owner = await self._client.get(API_VERSION, "ModelDeployment", namespace, deployment)
            there = await self._find(namespace, name)
            if there is None:
                if not self._may_write():
                    raise MetricError("this replica of the operator does not lead: it makes no Jobs")
                await self._end_earlier(namespace, deployment, name, metric)
                made = job.manifest(name, owner, metric, settings.spec, settings.deadline)
                try:
                    there = await self._client.create(made)
                except Conflict:
                    there = await self._client.get(*JOBS, namespace, name)
        except NotFound as error:
            raise MetricError(f"no Job could be made: {one_line(error)}") from None
        except ApiError as error:
            raise MetricError(f"no Job could be made (HTTP {error.status}): {one_line(error)}") from None
        owners = there["metadata"].get("ownerReferences") or []
        if not any(each.get("uid") == owner["metadata"]["uid"] for each in owners):
            raise MetricError(f"Job {name} is there already and belongs to somebody else: delete it")
        return str(there["metadata"].get("uid", ""))

    async def _find(self, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._client.get(*JOBS, namespace, name)
        except NotFound:
            return None

    async def _end_earlier(self, namespace: str, deployment: str, name: str, metric: str) -> None:
        """Delete unfinished Jobs of earlier looks at the same metric, which nobody waits for any more."""
        labels = {LABEL_DEPLOYMENT: deployment, job.LABEL_METRIC: job.metric_label(metric)}
        for found in await self._client.list(*JOBS, namespace, labels, at_most=100):
            if found["metadata"]["name"] != name and _ended(found) is None:
                await self._client.delete(*JOBS, namespace, found["metadata"]["name"], found["metadata"].get("uid"))

    async def _outcome(self, namespace: str, name: str, deadline: float) -> float:
        while True:
            try:
                found = await self._client.get(*JOBS, namespace, name)
            except NotFound:
                raise MetricError(f"Job {name} was deleted before it ended") from None
            except ApiError as error:
                if error.status in (401, 403):
                    raise MetricError(f"Job {name} cannot be read (HTTP {error.status}): grant get on jobs") from None
                logger.info("a Job could not be read, again in %.1f s: %s", self._poll_seconds, error)
            else:
                ended = _ended(found)
                if ended is not None:
                    kind, condition = ended
                    if condition.get("reason") == "DeadlineExceeded":
                        raise MetricError(f"Job {name} did not end within {deadline:g} s")
                    return 1.0 if kind == "Complete" else 0.0
            await asyncio.sleep(self._poll_seconds)

    def _clean_up(self, namespace: str, name: str) -> None:
        task = asyncio.create_task(self._delete(namespace, name))
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)

    async def _delete(self, namespace: str, name: str) -> None:
        try:
            if self._may_write():
                await self._client.delete(*JOBS, namespace, name)
        except (ApiError, Conflict, NotFound) as error:
            logger.info("Job %s could not be deleted; it ends by itself: %s", name, error)


def _ended(found: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Complete or Failed, and the condition that says so."""
    for condition in (found.get("status") or {}).get("conditions") or []:
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            return condition["type"], condition
    return None
