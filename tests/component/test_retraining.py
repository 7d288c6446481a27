"""Retraining by the real operator on a real API server: Jobs, and targets over HTTP whose answers get lost as the operator is killed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from cluster.control_plane import ControlPlane
from simulation import Scene, objects
from simulation.loopback import LoopbackServer
from simulation.model_deployments import healthy
from steersman.api.meta import API_VERSION

pytestmark = pytest.mark.asyncio(loop_scope="module")
Manifest = dict[str, Any]
Status = dict[str, Any]

NAMESPACE = "risk"
WITHIN = 60.0
SECRET = "s3cret-v4lue"
CONTAINER = {"name": "train", "image": "registry.example/train:1", "args": ["--model={{model}}"]}
AT_ONCE = {"canary": {"steps": [{"setWeight": 100}]}}
JOB = {"job": {"template": {"spec": {"template": {"spec": {"containers": [CONTAINER]}}}}}}


class Pipelines(LoopbackServer):
    """A webhook's receiver and GitHub, which answer late when they are asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.state = "running"

    def routes(self) -> list[web.RouteDef]:
        github = "/repos/o/r/actions/workflows/train.yaml"
        return [
            web.post("/hook", self._take),
            web.get("/runs/{key}", self._hook_state),
            web.post(f"{github}/dispatches", self._take),
            web.get(f"{github}/runs", self._search),
            web.get("/repos/o/r/actions/runs/7", self._run),
        ]

    async def _take(self, request: web.Request) -> web.Response:
        self.received.append((request.path, dict(request.headers), await request.json()))
        await self.answering.wait()
        return web.json_response({"workflow_run_id": 7, "html_url": "https://github.com/o/r/actions/runs/7"})

    async def _hook_state(self, request: web.Request) -> web.Response:
        return web.json_response({"state": self.state, "message": f"token {SECRET}"})

    def _github(self) -> dict[str, Any]:
        told = [document["inputs"]["retraining_id"] for path, _, document in self.received if "dispatches" in path]
        title = f"train {told[-1]}" if told else ""
        done = self.state == "succeeded"
        state = {"status": "completed" if done else "in_progress", "conclusion": "success" if done else None}
        return {"id": 7, "display_title": title, "html_url": "https://github.com/o/r/actions/runs/7", **state}

    async def _search(self, request: web.Request) -> web.Response:
        return web.json_response({"workflow_runs": [self._github()]})

    async def _run(self, request: web.Request) -> web.Response:
        return web.json_response(self._github())

    async def until_received(self, count: int) -> None:
        for _ in range(600):
            if len(self.received) >= count:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{len(self.received)} of {count} requests came")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A scene of its own: no controller makes pods of the Jobs, so the test says how they end."""
    control_plane = await asyncio.to_thread(ControlPlane.up)
    try:
        async with Scene.on(control_plane, tmp_path_factory.mktemp("retraining")) as made:
            await made.namespace(NAMESPACE)
            secret = {"token": SECRET, "signing": "whsec_" + base64.b64encode(b"signing-key").decode()}
            data = {key: base64.b64encode(value.encode()).decode() for key, value in secret.items()}
            metadata = {"name": "login", "namespace": NAMESPACE}
            await made.api.client.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
            yield made
    finally:
        await asyncio.to_thread(control_plane.down)


@pytest_asyncio.fixture(loop_scope="module")
async def pipelines() -> AsyncIterator[Pipelines]:
    async with Pipelines() as server:
        yield server
        server.answering.set()


async def deployed(scene: Scene, name: str, **retraining: Any) -> None:
    scene.registry.register(name, "1")
    scene.registry.point(name, "champion", "1")
    settings = {"retries": {"limit": 0}, "registration": "2s", **retraining}
    model = {"name": name, "alias": "champion"}
    await scene.api.client.apply(
        objects.model_deployment(NAMESPACE, name, model, strategy=AT_ONCE, retraining=settings)
    )
    await scene.until(NAMESPACE, name, healthy("1"), WITHIN)


async def retrain(scene: Scene, name: str) -> None:
    words = ("annotate", "md", name, "-n", NAMESPACE, "steersman.dev/action=retrain")
    await asyncio.to_thread(scene.control_plane.kubectl, *words)


def training(status: Status) -> dict[str, Any]:
    return dict(status.get("retraining") or {})


async def until(scene: Scene, name: str, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    return training(await scene.until(NAMESPACE, name, lambda status: bool(holds(training(status))), WITHIN))


def phase(retraining: dict[str, Any]) -> str:
    return str((retraining.get("current") or {}).get("phase", ""))


async def jobs(scene: Scene) -> list[Manifest]:
    return await scene.api.client.list("batch/v1", "Job", NAMESPACE, {"steersman.dev/purpose": "retraining"})


async def complete(scene: Scene, job: Manifest) -> None:
    now = job["metadata"]["creationTimestamp"]
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    status = {"startTime": now, "completionTime": now, "succeeded": 1, "conditions": conditions}
    patch = json.dumps({"status": status})
    words = (
        "patch",
        "job",
        job["metadata"]["name"],
        "-n",
        NAMESPACE,
        "--subresource=status",
        "--type=merge",
        "-p",
        patch,
    )
    await asyncio.to_thread(scene.control_plane.kubectl, *words)


async def test_a_restarted_operator_goes_on_with_every_kind_of_target_and_begins_nothing_twice(
    scene: Scene, pipelines: Pipelines
) -> None:
    webhook = {
        "url": f"{pipelines.url}/hook",
        "secret": {"secretName": "login", "key": "signing"},
        "credentials": {"secretName": "login"},
        "statusUrl": f"{pipelines.url}/runs/{{{{retrainingId}}}}",
    }
    github = {
        "url": pipelines.url,
        "owner": "o",
        "repository": "r",
        "workflow": "train.yaml",
        "credentials": {"secretName": "login"},
    }
    new_data = {"name": "data", "data": {"modelTag": {"key": "dataset"}, "interval": "1s"}}
    operator = scene.operator()
    operator.start()
    await operator.leading()
    scene.registry.register("by-hook", "1")
    scene.registry.models["by-hook"].tags["dataset"] = "2026-10"
    await deployed(scene, "by-job", action=JOB)
    await deployed(scene, "by-hook", action={"webhook": webhook}, triggers=[new_data])
    await deployed(scene, "by-github", action={"github": github}, registration="1s")
    await until(scene, "by-hook", lambda found: (found.get("triggers") or [{}])[0].get("trained") == "2026-10")

    # All three begin, and no answer comes before the operator is killed.
    pipelines.answering.clear()
    scene.registry.models["by-hook"].tags["dataset"] = "2026-11"
    await retrain(scene, "by-job")
    await retrain(scene, "by-github")
    await pipelines.until_received(2)
    await until(scene, "by-job", lambda found: phase(found) == "Running" and found["current"].get("versionBefore"))
    (job,) = await jobs(scene)
    operator.kill()
    pipelines.answering.set()
    operator.start()
    await operator.leading()

    # The webhook is sent again under the same id; GitHub's run is found; the Job is the one that was there.
    hook = await until(scene, "by-hook", lambda found: phase(found) == "Running" and found["current"].get("message"))
    found = await until(scene, "by-github", lambda found: phase(found) == "Running")
    assert found["current"]["ref"] == "7"
    sent = [headers["webhook-id"] for path, headers, _ in pipelines.received if path == "/hook"]
    assert sent == [hook["current"]["id"]] * 2
    assert hook["current"]["reason"] == "the model's tag dataset is 2026-11"
    assert hook["current"]["message"] == "token ***"
    dispatched = [entry for entry in pipelines.received if entry[0].endswith("/dispatches")]
    ((_, headers, document),) = dispatched
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert document["inputs"]["retraining_id"] == found["current"]["id"]
    (same,) = await jobs(scene)
    assert same["metadata"]["uid"] == job["metadata"]["uid"]
    (owner,) = same["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ModelDeployment", "by-job")
    container = same["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["--model=by-job"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False

    # The pipelines' work: a version, and the alias on it.
    scene.registry.register("by-job", "2")
    scene.registry.point("by-job", "champion", "2")
    await complete(scene, job)
    pipelines.state = "succeeded"
    for name, version in (("by-job", "2"), ("by-github", ""), ("by-hook", "")):
        ended = await until(scene, name, lambda found: found.get("history"))
        (entry,) = ended["history"]
        assert (entry["outcome"], entry["version"]) == ("Succeeded", version), name
    assert len(pipelines.received) == 3
    await scene.until(NAMESPACE, "by-job", healthy("2"), WITHIN)
    (kept,) = await jobs(scene)
    assert kept["metadata"]["uid"] == job["metadata"]["uid"]

    for name in ("by-job", "by-hook", "by-github"):
        live = await scene.api.client.get(API_VERSION, "ModelDeployment", NAMESPACE, name)
        assert SECRET not in json.dumps(live)
    assert SECRET not in operator.log_text()
    assert "Traceback" not in operator.log_text()
