"""Jobs as measurements on a real API server with the Job controller; no kubelet runs, so the test says how the pods ended."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.component.adapters.test_real_api_server import REPOSITORY

from cluster.control_plane import ControlPlane
from steersman.adapters.kube.client import AioKubeClient, connect
from steersman.adapters.metrics.job import JobProvider
from steersman.api.analysis import Metric
from steersman.api.status import AnalysisStage
from steersman.core.analysis.model import AnalysisContext, MetricQuery, Part
from steersman.core.analysis.source import source
from steersman.ports import MetricError

assert isinstance(REPOSITORY, Path)
POD: dict[str, Any] = {
    "containers": [
        {
            "name": "check",
            "image": "registry.example/check:1",
            "args": ["--revision={{candidate}}"],
            "env": [{"name": "NAMESPACE", "value": "{{namespace}}"}],
        }
    ]
}


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace that enforces the restricted Pod Security Standard, with a ModelDeployment."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPOSITORY / "crds"))
    control_plane.wait("condition=Established", "customresourcedefinition/modeldeployments.steersman.dev")
    name = f"jobs-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    control_plane.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    owner = {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "fraud", "namespace": name},
        "spec": {"model": {"name": "fraud", "alias": "champion"}},
    }
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(owner))
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def kube(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AioKubeClient]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    async with await connect() as client:
        yield client


def query(namespace: str, at: float = 15.0) -> MetricQuery:
    job = {"spec": {"template": {"spec": POD}}, "deadline": "2m"}
    metric = Metric.model_validate({"name": "checks", "job": job, "threshold": {}})
    context = AnalysisContext(namespace, "fraud", "fraud-v1", "fraud-v2", AnalysisStage.BACKGROUND, None)
    return MetricQuery("t/checks", Part.VALUE, source(metric, context, window=15), "fraud", at)


async def pods_of(kube: AioKubeClient, namespace: str, count: int = 1) -> list[dict[str, Any]]:
    for _ in range(300):
        found = await kube.list("v1", "Pod", namespace)
        if len(found) == count:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError("the Job controller makes no pod")


def end(control_plane: ControlPlane, namespace: str, pod: str, phase: str) -> None:
    patch = json.dumps({"status": {"phase": phase}})
    control_plane.kubectl("patch", "pod", pod, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)


@pytest.mark.parametrize(("phase", "value"), [("Succeeded", 1.0), ("Failed", 0.0)])
async def test_the_outcome_of_the_pod_is_the_measurement(
    control_plane: ControlPlane, kube: AioKubeClient, namespace: str, phase: str, value: float
) -> None:
    provider = JobProvider(kube, poll_seconds=0.2)
    asking = asyncio.create_task(provider.query(query(namespace)))
    (pod,) = await pods_of(kube, namespace)
    container = pod["spec"]["containers"][0]
    assert container["args"] == ["--revision=fraud-v2"]
    assert container["env"] == [{"name": "NAMESPACE", "value": namespace}]
    assert pod["spec"]["automountServiceAccountToken"] is False
    # A restarted operator finds it.
    again = asyncio.create_task(JobProvider(kube, poll_seconds=0.2).query(query(namespace)))
    await asyncio.to_thread(end, control_plane, namespace, pod["metadata"]["name"], phase)
    for task in (asking, again):
        (sample,) = await asyncio.wait_for(task, 60)
        assert sample.value == value
    (job,) = await kube.list("batch/v1", "Job", namespace)
    assert job["metadata"]["ownerReferences"][0]["kind"] == "ModelDeployment"


async def test_a_job_that_nobody_waits_for_is_deleted(kube: AioKubeClient, namespace: str) -> None:
    provider = JobProvider(kube, poll_seconds=0.2)
    asking = asyncio.create_task(provider.query(query(namespace)))
    await pods_of(kube, namespace)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await provider.close()
    for _ in range(300):
        if not await kube.list("batch/v1", "Job", namespace):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the Job is still there")


async def test_a_job_that_the_api_server_refuses(kube: AioKubeClient, namespace: str) -> None:
    asked = query(namespace)
    spec = {"spec": {"template": {"spec": {"containers": [{"name": "NOT valid"}]}}}}
    bad = MetricQuery(
        asked.metric, asked.part, type(asked.source)("job", json.dumps(spec), namespace), "fraud", asked.at
    )
    with pytest.raises(MetricError, match=r"no Job could be made \(HTTP 422\)"):
        await JobProvider(kube).query(bad)
