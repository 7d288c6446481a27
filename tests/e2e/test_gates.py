"""Gates of a real model on the cluster: from MLflow, by a Job, and by golden requests through its own server."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from demo.installation import environment
from e2e.workspace import MLFLOW_IN_CLUSTER, OPERATOR_IMAGE, Workspace, canary

REFUSED = "2"
"""The version that the Job does not let through."""


def register(workspace: Workspace, name: str) -> str:
    """Train, register and alias a version; its number."""
    command = [sys.executable, "-W", "ignore", "-m", "e2e.real_model", workspace.cluster.mlflow_url, name]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(), timeout=120)
    return done.stdout.split()[-1]


def gates(workspace: Workspace) -> list[dict[str, Any]]:
    program = f"import os, sys; sys.exit(sys.argv[1] == '{REFUSED}' or sys.argv[1] != os.environ['MODEL_VERSION'])"
    container = {
        "name": "tests",
        "image": workspace.cluster.image(OPERATOR_IMAGE),
        "command": ["python", "-c", program, "{{version}}"],
    }
    pod = {"containers": [container], "securityContext": {"runAsUser": 65532}}
    return [
        {"name": "accuracy", "metric": {"name": "accuracy", "min": 0.9}},
        {"name": "signature", "signature": {}},
        {"name": "tests", "job": {"spec": {"template": {"spec": pod}}}},
        {"name": "same-answers", "golden": {}},
    ]


def test_a_real_model_passes_its_gates_and_one_that_its_tests_refuse_gets_no_pod(workspace: Workspace) -> None:
    name = f"{workspace.namespace}-cancer"
    assert register(workspace, name) == "1"
    workspace.apply(
        workspace.resource("ModelRegistry", "mlflow", {"mlflow": {"url": MLFLOW_IN_CLUSTER}, "pollInterval": "1s"})
    )
    workspace.apply(
        workspace.deployment(
            name, runtime={"name": "mlflow"}, replicas=1, gates=gates(workspace), analysis={}, strategy=canary(50)
        )
    )
    first = workspace.until_stable("1", timeout=180)
    assert {result["phase"] for result in first["gates"]["results"]} == {"Pass"}
    assert register(workspace, name) == REFUSED
    workspace.until_condition("GatesPassed", "False", "GateFailed")
    status = workspace.status()
    assert status["phase"] == "Degraded" and "gate tests fails" in status["message"]
    assert status["history"][0]["outcome"] == "Refused"
    assert workspace.kubectl("get", "pods", "-l", "steersman.dev/deployment=fraud", "-o", "name").count("-v2-") == 0
    workspace.until_event("GateFailed")
    assert register(workspace, name) == "3"
    third = workspace.until_stable("3", timeout=180)
    results = {result["name"]: result for result in third["gates"]["results"]}
    assert {result["phase"] for result in results.values()} == {"Pass"}
    assert results["same-answers"]["found"] == "all 2 predictions agree"
