"""Real MLflow and Prometheus servers, one each for the session."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.component.adapters.processes import free_port, running

from cluster.binaries import Binaries

ADMIN_PASSWORD = "a-long-test-password"
WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""Spares the server half a dozen processes for work that no test asks for."""


@dataclass
class MLflow:
    """A running server and what was registered in it."""

    url: str
    run_id: str = ""
    model_id: str = ""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._send("POST", path, body)

    def delete(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._send("DELETE", path, body)

    def get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        return self._send("GET", f"{path}?{urllib.parse.urlencode(query)}", None)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/api/2.0/mlflow/{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


TO_LOOPBACK = {
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
}
"""Webhooks may go to this machine, and a new one is heeded at once."""


def mlflow_command(directory: Path, port: int) -> list[str]:
    """A server that keeps everything in the directory."""
    mlflow = Path(sys.executable).with_name("mlflow")
    return [
        str(mlflow),
        "server",
        "--host=127.0.0.1",
        f"--port={port}",
        "--workers=1",
        f"--backend-store-uri=sqlite:///{directory}/mlflow.db",
        f"--artifacts-destination={directory}/artifacts",
    ]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflow]:
    """An open server with the models `fraud` (versions 1 to 3, aliases, tags) and one with quotes in its name."""
    directory, port = tmp_path_factory.mktemp("mlflow"), free_port()
    server = MLflow(f"http://127.0.0.1:{port}")
    with running(
        mlflow_command(directory, port), f"{server.url}/health", directory / "log", env=WITHOUT_JOBS | TO_LOOPBACK
    ):
        _register(server)
        yield server


def _register(server: MLflow) -> None:
    info = server.post("runs/create", {"experiment_id": "0"})["run"]["info"]
    server.run_id, artifacts = info["run_id"], info["artifact_uri"]
    logged = server.post("logged-models", {"experiment_id": "0", "name": "clf", "source_run_id": server.run_id})
    server.model_id = logged["model"]["info"]["model_id"]
    versions = [
        ("fraud", f"{artifacts}/model", {"stage": "ok", "odd": 'it\'s "x" % `'}),
        ("fraud", f"models:/{server.model_id}", {"stage": "ok", "team": "risk"}),
        ("fraud", f"{artifacts}/model", {"stage": "no"}),
        ("it's", f"{artifacts}/model", {"stage": "ok"}),
        ('say "x"', f"{artifacts}/model", {"stage": "ok"}),
        ("empty", None, {}),
    ]
    for name in dict.fromkeys(name for name, _, _ in versions):
        server.post("registered-models/create", {"name": name})
    for name, source, tags in versions:
        if source is not None:
            body = {
                "name": name,
                "source": source,
                "run_id": server.run_id,
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            }
            if source.startswith("models:/"):
                body["model_id"] = server.model_id
            server.post("model-versions/create", body)
    server.post("registered-models/alias", {"name": "fraud", "alias": "champion", "version": "2"})


@pytest.fixture(scope="session")
def guarded_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflow]:
    """A server with MLflow's own basic authentication, user admin."""
    directory, port = tmp_path_factory.mktemp("guarded"), free_port()
    settings = directory / "auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\n"
        f"database_uri = sqlite:///{directory}/auth.db\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {
        **WITHOUT_JOBS,
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "only-for-tests",
    }
    server = MLflow(f"http://127.0.0.1:{port}")
    command = [*mlflow_command(directory, port), "--app-name=basic-auth"]
    with running(command, f"{server.url}/health", directory / "log", env=environment):
        yield server


EXPOSITION = """\
# TYPE shop_requests_total counter
shop_requests_total{code="200",pod="a"} 41
shop_requests_total{code="500",pod="b"} 1
# TYPE shop_odd gauge
shop_odd{kind="nan"} NaN
shop_odd{kind="inf"} +Inf
"""


class _Exporter(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(EXPOSITION.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="session")
def prometheus(prometheus_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server that scrapes an exporter every second."""
    binary = prometheus_binaries["prometheus"]
    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    directory, port = tmp_path_factory.mktemp("prometheus"), free_port()
    job = {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{exporter.server_port}"]}]}
    # JSON is YAML.
    (directory / "prometheus.yml").write_text(
        json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]})
    )
    url = f"http://127.0.0.1:{port}"
    command = [
        binary,
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--query.timeout=2s",
    ]
    with running(command, f"{url}/-/ready", directory / "log"):
        yield url
    exporter.shutdown()
    exporter.server_close()
