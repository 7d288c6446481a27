"""What the demo puts on a cluster: the operator by its Helm chart, and the models into MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cluster import Cluster
from demo.scenario import OPERATOR_NAMESPACE

REPOSITORY = Path(__file__).resolve().parents[2]
PROMETHEUS_IN_CLUSTER = "http://prometheus.monitoring.svc:9090"


class InstallationError(Exception):
    """The models could not be registered; the message ends with what was printed."""


def environment(**extra: str) -> dict[str, str]:
    """Variables for a Python process that imports what this one can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **extra}


def install_operator(cluster: Cluster, values: Mapping[str, str] | None = None) -> None:
    """Install or upgrade the chart as a user does, with the images that were built here and more `--set` values."""
    settings = {"prometheus.url": PROMETHEUS_IN_CLUSTER, **(values or {})}
    for key, name in (("image", "steersman/operator:dev"), ("runtimes.mlflow.image", "steersman/mlflow-runtime:dev")):
        settings[f"{key}.repository"], settings[f"{key}.tag"] = cluster.image(name).rsplit(":", 1)
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    chart = str(REPOSITORY / "helm" / "steersman")
    cluster.helm(
        "upgrade", "--install", "steersman", chart, "--namespace", OPERATOR_NAMESPACE, "--create-namespace",
        "--wait", "--timeout", "3m", *words,
    )  # fmt: skip


def register_models(tracking_uri: str, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Train and register the models in a process of its own (MLflow's settings are process-wide); what it said of each."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "demo.models", tracking_uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false", MLFLOW_DISABLE_TELEMETRY="true"),
    )
    try:
        output, errors = process.communicate(timeout=180)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        raise InstallationError(f"The models could not be registered:\n{errors[-3000:]}")
    models = [json.loads(line) for line in output.splitlines()]
    for model in models:
        failing = len(model["failing_rows"])
        share = f", raises on {failing} of {model['held_out_rows']} held-out pictures" if failing else ""
        say(f"registered v{model['version']} ({model['title']}), accuracy {model['metrics']['accuracy']:.3f}{share}")
    return models
