"""A real Airflow in an environment of its own, which the cache keeps: it and MLflow cannot share one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.component.adapters.processes import free_port, running

from cluster.cache import REPOSITORY, Cache

LOCK = REPOSITORY / "requirements" / "airflow.lock"
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
    """A Python environment with everything that the lock file names; made once for each lock file."""
    root = Cache.default().root
    root.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    place = root / f"airflow-{sys.version_info[0]}.{sys.version_info[1]}-{key}"
    with (root / f"{place.name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True, timeout=120)
            command = [place / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
            done = subprocess.run([*command, "-r", LOCK], check=False, timeout=900, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"Airflow cannot be installed:\n{done.stderr[-3000:]}")
            (place / "complete").touch()
    return place


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
