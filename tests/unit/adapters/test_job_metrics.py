"""Jobs as measurements, on an API server in memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.unit.shell.memory_cluster import MemoryCluster

from steersman.adapters.metrics.job import JobProvider
from steersman.core.analysis.model import MetricQuery, Over, Part, Source
from steersman.ports import ApiError, Conflict, MetricError

POD = {"containers": [{"name": "check", "image": "check:1"}], "restartPolicy": "Never"}


class Cluster(MemoryCluster):
    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if self._key(manifest) in self.objects:
            raise Conflict("exists")
        return await super().create(manifest)

    def jobs(self) -> list[dict[str, Any]]:
        return [manifest for (kind, _, _), manifest in self.objects.items() if kind == "Job"]

    def end(self, kind: str, reason: str = "") -> None:
        for manifest in self.jobs():
            manifest["status"] = {"conditions": [{"type": kind, "status": "True", "reason": reason}]}


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    owner = {"apiVersion": "steersman.dev/v1alpha1", "kind": "ModelDeployment"}
    made.put({**owner, "metadata": {"name": "fraud", "namespace": "risk", "uid": "u1"}})
    return made


def query(at: float = 15.0, metric: str = "t/m", deadline: str = "1m", over: Over | None = None) -> MetricQuery:
    settings = {"spec": {"template": {"spec": POD}, "backoffLimit": 0}, "deadline": deadline}
    return MetricQuery(metric, Part.VALUE, Source("job", json.dumps(settings), "risk"), "fraud", at, over)


@pytest.mark.parametrize(("condition", "value"), [("Complete", 1.0), ("Failed", 0.0)])
async def test_success_is_one_and_failure_zero(cluster: Cluster, condition: str, value: float) -> None:
    provider = JobProvider(cluster, poll_seconds=0.01)
    asking = asyncio.create_task(provider.query(query()))
    await asyncio.sleep(0.03)
    assert not asking.done()
    (job,) = cluster.jobs()
    assert job["metadata"]["namespace"] == "risk" and job["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert job["spec"]["activeDeadlineSeconds"] == 60 and job["spec"]["ttlSecondsAfterFinished"] == 300
    cluster.end(condition)
    (sample,) = await asking
    assert sample.value == value


async def test_after_a_restart_the_job_is_found(cluster: Cluster) -> None:
    first = JobProvider(cluster, poll_seconds=0.01)
    asking = asyncio.create_task(first.query(query()))
    await asyncio.sleep(0.03)
    first.ending()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    again = asyncio.create_task(JobProvider(cluster, poll_seconds=0.01).query(query()))
    await asyncio.sleep(0.03)
    assert len(cluster.jobs()) == 1
    cluster.end("Complete")
    assert (await again)[0].value == 1.0


async def test_who_stops_waiting_ends_the_job(cluster: Cluster) -> None:
    provider = JobProvider(cluster, poll_seconds=0.01)
    asking = asyncio.create_task(provider.query(query()))
    await asyncio.sleep(0.03)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await provider.close()
    assert cluster.jobs() == []


async def test_an_unfinished_job_of_an_earlier_look_is_ended(cluster: Cluster) -> None:
    provider = JobProvider(cluster, poll_seconds=0.01)
    earlier, other = (asyncio.create_task(provider.query(query(metric=name))) for name in ("t/m", "t/other"))
    await asyncio.sleep(0.03)
    later = asyncio.create_task(provider.query(query(at=30.0)))
    await asyncio.sleep(0.03)
    assert len(cluster.jobs()) == 2
    with pytest.raises(MetricError, match="was deleted before it ended"):
        await earlier
    cluster.end("Complete")
    await asyncio.gather(other, later)


async def test_a_job_that_does_not_end_is_an_error(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from steersman.adapters.metrics import job

    provider = JobProvider(cluster, poll_seconds=0.01)
    asking = asyncio.create_task(provider.query(query()))
    await asyncio.sleep(0.03)
    cluster.end("Failed", "DeadlineExceeded")
    with pytest.raises(MetricError, match="did not end within 60 s"):
        await asking
    monkeypatch.setattr(job, "GRACE_SECONDS", -0.9)
    with pytest.raises(MetricError, match="did not end within 1 s"):
        await provider.query(query(at=30.0, deadline="1s"))
    await provider.close()
    assert len(cluster.jobs()) == 1


async def test_what_cannot_be_made(cluster: Cluster) -> None:
    with pytest.raises(MetricError, match="does not lead"):
        await JobProvider(cluster, may_write=lambda: False).query(query())
    with pytest.raises(MetricError, match="one value at a time"):
        await JobProvider(cluster).query_range(query(over=Over(0.0, 1.0)))

    async def refuse(manifest: dict[str, Any]) -> dict[str, Any]:
        raise ApiError(403, "jobs is forbidden")

    cluster.create = refuse  # type: ignore[method-assign]
    with pytest.raises(MetricError, match=r"no Job could be made \(HTTP 403\): jobs is forbidden"):
        await JobProvider(cluster).query(query())
    cluster.remove("ModelDeployment", "risk", "fraud")
    with pytest.raises(MetricError, match="no Job could be made: ModelDeployment fraud not found"):
        await JobProvider(cluster).query(query())


async def test_somebody_elses_job_is_left_alone(cluster: Cluster) -> None:
    provider = JobProvider(cluster, poll_seconds=0.01)
    asking = asyncio.create_task(provider.query(query()))
    await asyncio.sleep(0.03)
    cluster.end("Complete")
    await asking
    cluster.jobs()[0]["metadata"]["ownerReferences"] = []
    with pytest.raises(MetricError, match="belongs to somebody else"):
        await provider.query(query())
