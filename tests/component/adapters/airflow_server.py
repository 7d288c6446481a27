"""A real Airflow in an environment of its own, which the cache keeps: it and MLflow cannot share one."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.component.adapters.processes import free_port, running

from cluster.cache import REPOSITORY

DAG = """
from airflow.sdk import dag, task


@dag(dag_id="train_fraud", schedule=None, is_paused_upon_creation=False)
def train():
    @task
    def fit(**context):
        conf = context["dag_run"].conf
        if conf["reason"] == "fail":
            raise ValueError("no")
        return conf["retraining_id"]

    fit()


train()
"""


@dataclass(frozen=True)
class Airflow:
    """A running server."""

    url: str
    password: str
    """Of the user ci."""


def environment() -> Path:
    """A Python environment with Airflow, which the cache keeps: that of the example pipelines."""
    command = [REPOSITORY / ".ci" / "environment", "pipelines/airflow"]
    return Path(subprocess.run(command, check=True, timeout=900, stdout=subprocess.PIPE, text=True).stdout.strip())


@contextlib.contextmanager
def airflow(home: Path) -> Iterator[Airflow]:
    """All of Airflow, with a DAG `train_fraud` that fails when its reason is `fail`."""
    place, port = environment(), free_port()
    (home / "dags").mkdir()
    (home / "dags" / "train.py").write_text(DAG)
    env = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "1",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "ci:admin",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__TRIGGERER__DEFAULT_CAPACITY": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PATH": f"{place / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": "",
    }
    ready = f"http://127.0.0.1:{port}/api/v2/monitor/health"
    with running([str(place / "bin" / "airflow"), "standalone"], ready, home / "log", env=env):
        passwords = json.loads((home / "simple_auth_manager_passwords.json.generated").read_text())
        yield Airflow(f"http://127.0.0.1:{port}", passwords["ci"])
