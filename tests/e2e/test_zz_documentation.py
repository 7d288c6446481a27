"""What README, examples and docs/install.md say, done: real models in the real runtime. Runs last: it removes the operator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

import steersman as steersman_package
from cluster.cluster import Cluster
from demo.installation import install_operator
from e2e.traffic import Traffic
from e2e.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
ONE_NODE = {"runtimes.mlflow.resources.requests.cpu": "25m"}
"""All examples together ask for more than the CPU of the test cluster's one small node."""
ROW = [17.99, 10.38, 122.8, 1001.0, *[0.1] * 26]


@pytest.fixture(scope="module")
def fraud(cluster: Cluster) -> str:
    """A real registered model `fraud` with a version under the alias `champion`."""
    command = [sys.executable, "-W", "ignore", "-m", "e2e.real_model", cluster.mlflow_url, "fraud"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()[-1]


def steersman(workspace: Workspace, *words: str) -> str:
    """The steersman command, on the cluster's kubeconfig."""
    command = [sys.executable, "-m", "steersman.cli.main", *words, "-n", workspace.namespace]
    env = {**workspace.cluster.env, "PYTHONPATH": str(ROOT / "operator"), "COLUMNS": "140"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_first_modeldeployment_of_the_readme(workspace: Workspace, fraud: str) -> None:
    """The README's manifest serves a real model through the gateway; the command shows it."""
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"<!-- tested: first -->\n```yaml\n(.*?)```", text, re.DOTALL)
    for manifest in yaml.safe_load_all(block):
        if manifest["kind"] == "ModelDeployment":
            manifest["spec"]["traffic"]["gatewayAPI"]["hostnames"] = [workspace.host]
        workspace.apply(manifest)
    workspace.until_stable(fraud, timeout=180)
    answer = requests.post(
        f"{workspace.cluster.gateway_url}/invocations",
        json={"inputs": [ROW]},
        headers={"Host": workspace.host},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0] in (0, 1)
    assert answer.headers["x-steersman-model-version"] == fraud
    assert "Healthy" in steersman(workspace, "get")
    assert f"fraud-v{fraud}-" in steersman(workspace, "status", "fraud")
    assert "Promoted" in steersman(workspace, "history", "fraud")
    shown = json.loads(steersman(workspace, "get", "fraud", "-o", "json"))
    assert "fraud" in json.dumps(shown)


@pytest.mark.parametrize("command", ["steersman", "kubectl-steersman"])
def test_distribution_brings_both_commands(cluster: Cluster, command: str) -> None:
    said = cluster.kubectl("-n", "steersman-system", "exec", "deployment/steersman", "--", command, "version")
    assert steersman_package.__version__ in said


@pytest.fixture
def examples(cluster: Cluster) -> Iterator[Workspace]:
    """Everything in examples/, applied as the README says, in the namespace that they name."""
    install_operator(cluster, ONE_NODE)
    cluster.kubectl("apply", "-f", str(ROOT / "examples"))
    yield Workspace(cluster, "default")
    cluster.kubectl("delete", "-f", str(ROOT / "examples"), "--ignore-not-found", "--wait=false")


def test_examples_serve_and_outlive_the_operator(examples: Workspace, fraud: str) -> None:
    """`kubectl apply -f examples/` works; after `helm uninstall` the models go on serving, unchanged."""
    cluster = examples.cluster
    names = [item["metadata"]["name"] for item in examples.get("modeldeployments")["items"]]
    assert {"fraud", "fraud-blue-green", "fraud-service", "fraud-stock"} <= set(names)
    for name in names:
        examples.until_stable(fraud, name, timeout=300)
    before = {name: examples.route(name) for name in names}
    with Traffic(cluster.gateway_url, "fraud.example.com", rate=10, path="/ping", method="GET") as traffic:
        cluster.helm("uninstall", "steersman", "--namespace", "steersman-system", "--wait")
        time.sleep(5)
        assert {name: examples.route(name) for name in names} == before
        assert len(examples.get("modeldeployments")["items"]) == len(names)
        install_operator(cluster, ONE_NODE)
        for name in names:
            examples.until_stable(fraud, name)
    assert traffic.lost() == [] and len(traffic.answers) > 50
