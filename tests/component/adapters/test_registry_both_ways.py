"""Two operators and a real MLflow: its webhook wakes the leader, and what came of a version is written back to it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.component.adapters.conftest import TO_LOOPBACK, MLflow

from cluster.control_plane import ControlPlane, free_ports
from simulation import OperatorProcess, Scene, objects
from steersman.api.meta import API_VERSION

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMESPACE, MODEL, SECRET = "risk", "looped", "a-secret-that-both-sides-know"
WHERE = f"steersman.dev/eu/{NAMESPACE}/fraud"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "registry.md"
SOON = 10.0
"""Seconds; the registry is polled each hour."""
EVENTS = [
    {"entity": "MODEL_VERSION", "action": "CREATED"},
    {"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"},
    {"entity": "MODEL_VERSION_ALIAS", "action": "DELETED"},
    {"entity": "MODEL_VERSION_TAG", "action": "SET"},
    {"entity": "MODEL_VERSION_TAG", "action": "DELETED"},
]


@dataclass
class Stage:
    mlflow: MLflow
    scene: Scene
    leader: OperatorProcess
    standby: OperatorProcess
    standby_url: str

    def webhook(self, name: str, secret: str) -> str:
        """Register one in MLflow, to the replica that does not lead; its id."""
        url = f"{self.standby_url}/webhooks/{NAMESPACE}/{objects.REGISTRY}"
        made = self.mlflow.post("webhooks", {"name": name, "url": url, "events": EVENTS, "secret": secret})
        return str(made["webhook"]["webhook_id"])

    def tried(self, webhook: str) -> dict[str, Any]:
        """What MLflow's own test of a webhook comes to."""
        result: dict[str, Any] = self.mlflow.post(f"webhooks/{webhook}/test", {})["result"]
        return result

    def point(self, alias: str, version: str) -> None:
        self.mlflow.post("registered-models/alias", {"name": MODEL, "alias": alias, "version": version})

    def alias(self, alias: str) -> str | None:
        return self.aliases().get(alias)

    def aliases(self) -> dict[str, str]:
        found = self.mlflow.get("registered-models/get", {"name": MODEL})["registered_model"]
        return {each["alias"]: each["version"] for each in found.get("aliases", [])}

    def tags(self, version: str) -> dict[str, str]:
        found = self.mlflow.get("model-versions/get", {"name": MODEL, "version": version})["model_version"]
        return {each["key"]: each["value"] for each in found.get("tags", [])}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(mlflow: MLflow, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("both-ways")
    control_plane = await asyncio.to_thread(ControlPlane.up, "both-ways")
    try:
        async with Scene.on(control_plane, folder) as scene:
            await scene.api.client.apply(objects.namespace(NAMESPACE))
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "hook", "namespace": NAMESPACE},
                "data": {"secret": base64.b64encode(SECRET.encode()).decode()},
            }
            registry = objects.registry(NAMESPACE, mlflow.url, poll_interval="1h")
            registry["spec"]["webhook"] = {"secretRef": {"name": "hook"}}
            for manifest in (secret, registry):
                await scene.api.client.apply(manifest)
            ports = free_ports(2)
            peers = ",".join(f"127.0.0.1:{port}" for port in ports)
            leader, standby = (_operator(scene, number, port, peers) for number, port in enumerate(ports))
            leader.start()
            await leader.leading()
            standby.start()
            await standby.ready()
            yield Stage(mlflow, scene, leader, standby, f"http://127.0.0.1:{ports[1]}")
    finally:
        await asyncio.to_thread(control_plane.down)


def _operator(scene: Scene, number: int, port: int, peers: str) -> OperatorProcess:
    environment = {
        "STEERSMAN_WEBHOOK_PORT": str(port),
        "STEERSMAN_WEBHOOK_PEERS": peers,
        "STEERSMAN_CLUSTER_NAME": "eu",
    }
    return scene.operator(f"steersman-{number}", environment=environment)


def _register(mlflow: MLflow) -> str:
    """Two versions of a run with a dataset, a git commit and a DVC revision; the run's id."""
    run = mlflow.post(
        "runs/create",
        {
            "experiment_id": "0",
            "user_id": "ann",
            "start_time": int(time.time() * 1000) - 60_000,
            "tags": [{"key": "mlflow.source.git.commit", "value": "4f2a9c1d"}, {"key": "dvc.rev", "value": "c0ffee"}],
        },
    )["run"]["info"]["run_id"]
    dataset = {"name": "transactions", "digest": "ab12cd", "source_type": "local", "source": '{"uri": "/data/t.csv"}'}
    context = [{"key": "mlflow.data.context", "value": "training"}]
    mlflow.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset, "tags": context}]})
    mlflow.post("runs/log-parameter", {"run_id": run, "key": "depth", "value": "8"})
    mlflow.post("runs/log-metric", {"run_id": run, "key": "accuracy", "value": 0.93, "timestamp": 1, "step": 0})
    mlflow.post("registered-models/create", {"name": MODEL})
    for _ in range(2):
        body = {"name": MODEL, "source": f"mlflow-artifacts:/0/{run}/artifacts/model", "run_id": run}
        mlflow.post("model-versions/create", {**body, "tags": [{"key": "approved_by", "value": "bob"}]})
    return str(run)


def _as_the_page_says(stage: Stage) -> None:
    """Register the webhook by the program of docs/reference/registry.md."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    program = textwrap.dedent(program).replace("/webhooks/risk/mlflow", f"/webhooks/{NAMESPACE}/{objects.REGISTRY}")
    settings = {
        "MLFLOW_TRACKING_URI": stage.mlflow.url,
        "STEERSMAN_URL": stage.standby_url,
        "WEBHOOK_SECRET": SECRET,
        # The program's own part of MLflow checks the address too.
        **TO_LOOPBACK,
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **settings}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "response_status=202" in done.stdout, done.stdout + done.stderr


async def _soon(holds: Any, within: float = SOON) -> float:
    """Wait until something holds; the seconds that it took."""
    begin = time.monotonic()
    while not await asyncio.to_thread(holds):
        assert time.monotonic() - begin < within, "it does not come"
        await asyncio.sleep(0.1)
    return time.monotonic() - begin


async def test_an_alias_that_moves_is_followed_at_once_and_answered(stage: Stage) -> None:
    run = await asyncio.to_thread(_register, stage.mlflow)
    stage.point("champion", "1")
    await asyncio.to_thread(_as_the_page_says, stage)
    model = {"name": MODEL, "alias": "champion", "writeBack": {"tags": True, "promotedAlias": "production"}}
    spec = {"strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {"duration": "1s"}}]}}}
    await stage.scene.api.client.apply(objects.model_deployment(NAMESPACE, "fraud", model, **spec))
    await stage.scene.until(NAMESPACE, "fraud", lambda status: status.get("phase") == "Healthy", 60)
    await _soon(lambda: stage.alias("production") == "1")

    moved = time.monotonic()
    await asyncio.to_thread(stage.point, "champion", "2")
    await stage.scene.until(
        NAMESPACE, "fraud", lambda status: (status.get("model") or {}).get("version") == "2", 3 * SOON
    )
    print(f"{time.monotonic() - moved:.2f} s from the alias to the status; the poll comes each hour")
    assert time.monotonic() - moved < SOON
    assert 'steersman_webhook_deliveries_total{result="accepted"}' in await stage.leader.metrics()
    assert 'steersman_webhook_deliveries_total{result="forwarded"}' in await stage.standby.metrics()

    await stage.scene.until(
        NAMESPACE,
        "fraud",
        lambda status: status.get("phase") == "Healthy" and status["stable"]["version"] == "2",
        60,
    )
    await _soon(lambda: stage.alias("production") == "2")
    tags = await asyncio.to_thread(stage.tags, "2")
    assert tags["approved_by"] == "bob" and tags[f"{WHERE}/outcome"] == "Promoted"
    assert set(tags) == {"approved_by", *(f"{WHERE}/{field}" for field in ("outcome", "reason", "evidence", "at"))}
    assert stage.aliases() == {"champion": "2", "production": "2"}

    def complete(status: dict[str, Any]) -> bool:
        stable = (status.get("lineage") or {}).get("stable") or {}
        return bool(stable.get("version") == "2" and not status["writeBack"]["pending"])

    await stage.scene.until(NAMESPACE, "fraud", complete, 60)
    manifest = await stage.scene.api.client.get(API_VERSION, "ModelDeployment", NAMESPACE, "fraud")
    stable = manifest["status"]["lineage"]["stable"]
    assert (stable["runId"], stable["gitCommit"], stable["dvc"]) == (run, "4f2a9c1d", {"dvc.rev": "c0ffee"})
    assert [(each["name"], each["digest"], each["context"]) for each in stable["datasets"]] == [
        ("transactions", "ab12cd", "training")
    ]
    assert stable["approvals"] == {"approved_by": "bob"}


async def test_the_command_tells_the_whole_of_it(stage: Stage) -> None:
    kubeconfig = Path(stage.scene.control_plane.kubeconfig)
    command = [sys.executable, "-m", "steersman.cli.main", "lineage", "fraud", "-n", NAMESPACE, "-o", "json"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (story,) = json.loads(done.stdout)
    assert (story["version"], story["gitCommit"], story["user"]) == ("2", "4f2a9c1d", "ann")
    assert story["parameters"] == {"depth": "8"} and story["metrics"] == {"accuracy": 0.93}
    assert story["datasets"][0]["source"] == '{"uri": "/data/t.csv"}' and story["approvals"] == {"approved_by": "bob"}
    assert story["writtenBack"]["eu/risk/fraud"]["outcome"] == "Promoted"
    told = [each["what"].partition(" ")[0] for each in story["timeline"]]
    assert told[0] == "run" and "registered" in told and told[-1] == "Promoted:"


async def test_what_mlflow_says_of_its_own_test(stage: Stage) -> None:
    right = await asyncio.to_thread(stage.tried, stage.webhook("tried", SECRET))
    assert right["success"] and right["response_status"] == 202, right
    wrong = await asyncio.to_thread(stage.tried, stage.webhook("wrong", "another-secret-than-that"))
    assert not wrong.get("success") and wrong["response_status"] == 403, wrong
    unsigned = {"name": "unsigned", "url": f"{stage.standby_url}/webhooks/{NAMESPACE}/{objects.REGISTRY}"}
    made = await asyncio.to_thread(stage.mlflow.post, "webhooks", {**unsigned, "events": EVENTS})
    answer = await asyncio.to_thread(stage.tried, made["webhook"]["webhook_id"])
    assert answer["response_status"] == 401, answer
