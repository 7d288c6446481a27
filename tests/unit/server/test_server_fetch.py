"""The init container: what ends up in the directory, and what it says when nothing does."""

import errno
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from steersman_server import fetch as fetching
from steersman_server.fetch import fetch
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.model import load

OPERATOR = Path(__file__).parents[3] / "operator"


def contents(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_local_model_is_copied_and_can_be_loaded(tmp_path: Path, picky_dir: Path) -> None:
    target = fetch(str(picky_dir), tmp_path / "volume")
    assert target == tmp_path / "volume" / "model"
    assert contents(tmp_path / "volume") == ["model"], "nothing temporary is left"
    assert (target / "MLmodel").read_bytes() == (picky_dir / "MLmodel").read_bytes()
    assert target.stat().st_mode & 0o055 == 0o055, "the server may run as another user of the pod"
    assert load(tmp_path / "volume").example is not None


def test_a_second_fetch_of_the_same_uri_downloads_nothing(
    tmp_path: Path, picky_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = picky_dir.as_uri()
    fetch(uri, tmp_path)

    def download(*_: object) -> Path:
        raise AssertionError("downloaded again")

    monkeypatch.setattr(fetching, "_download", download)
    assert fetch(uri, tmp_path) == tmp_path / "model"
    with pytest.raises(AssertionError, match="downloaded again"):
        fetch(uri + "2", tmp_path)


def test_another_uri_replaces_the_model_and_left_overs_go(tmp_path: Path, picky_dir: Path, iris_dir: Path) -> None:
    volume = tmp_path / "volume"
    fetch(str(picky_dir), volume)
    (volume / ".fetch-killed").mkdir()
    (volume / ".fetch-killed" / "half").touch()
    fetch(str(iris_dir), volume)
    assert contents(volume) == ["model"]
    assert load(volume).flavor == "sklearn"


def test_a_failed_fetch_leaves_the_model_that_was_there(tmp_path: Path, picky_dir: Path) -> None:
    volume = tmp_path / "volume"
    fetch(str(picky_dir), volume)
    with pytest.raises(FetchError):
        fetch(str(tmp_path / "absent"), volume)
    assert contents(volume) == ["model"]
    assert load(volume).flavor == "python_function"


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").touch()
    with pytest.raises(FetchError, match="no MLmodel") as caught:
        fetch(str(tmp_path / "data"), tmp_path / "volume")
    assert caught.value.reason is Reason.NOT_A_MODEL
    assert contents(tmp_path / "volume") == []


def test_a_full_disk(tmp_path: Path, picky_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copy2", copy)  # MLflow copies in a thread and passes on only the exception's text
    with pytest.raises(FetchError) as caught:
        fetch(str(picky_dir), tmp_path / "volume")
    assert caught.value.reason is Reason.DISK_FULL
    assert contents(tmp_path / "volume") == []


class TrackingServer(http.server.ThreadingHTTPServer):
    """Speaks what a download of ``models:/picky/1`` needs of MLflow's REST API; answers `refusal` to all, if set."""

    def __init__(self, model: Path) -> None:
        super().__init__(("127.0.0.1", 0), TrackingHandler)
        self.model = model
        self.refusal: tuple[int, bytes] | None = None
        self.cut_short = False
        self.authorizations: set[str | None] = set()


class TrackingHandler(http.server.BaseHTTPRequestHandler):
    server: TrackingServer

    def do_GET(self) -> None:
        self.server.authorizations.add(self.headers.get("Authorization"))
        if self.server.refusal is not None:
            return self._answer(*self.server.refusal)
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        artifacts = "/api/2.0/mlflow-artifacts/artifacts"
        if url.path.endswith("/model-versions/get-download-uri"):
            return self._answer(200, b'{"artifact_uri": "mlflow-artifacts:/picky"}')
        if url.path.endswith(("/registered-models/get", "/model-versions/get")):
            return self._answer(200, b'{"registered_model": {"name": "picky"}, "model_version": {"name": "picky"}}')
        if url.path == artifacts:
            root = self.server.model / query["path"][0].removeprefix("picky").lstrip("/")
            files = [{"path": p.name, "is_dir": p.is_dir()} for p in root.iterdir()] if root.is_dir() else []
            return self._answer(200, json.dumps({"files": files}).encode())
        if url.path.startswith(artifacts):
            return self._answer(200, (self.server.model / Path(url.path).name).read_bytes(), self.server.cut_short)
        return self._answer(404, b"{}")

    def _answer(self, status: int, body: bytes, cut_short: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + (10 if cut_short else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = cut_short

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def tracking(picky_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrackingServer]:
    server = TrackingServer(picky_dir)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, b"You are not authenticated.", Reason.UNAUTHORIZED),
        (403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}', Reason.UNAUTHORIZED),
        (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Model picky"}', Reason.NOT_FOUND),
        (503, b"", Reason.UNREACHABLE),
    ],
)
def test_refusals_of_the_tracking_server(
    tmp_path: Path, tracking: TrackingServer, status: int, body: bytes, reason: Reason
) -> None:
    tracking.refusal = (status, body)
    with pytest.raises(FetchError) as caught:
        fetch("models:/picky/1", tmp_path)
    assert caught.value.reason is reason
    assert contents(tmp_path) == []


def test_a_download_that_is_cut_short_is_not_a_model(tmp_path: Path, tracking: TrackingServer) -> None:
    tracking.cut_short = True
    with pytest.raises(FetchError) as caught:
        fetch("models:/picky/1", tmp_path)
    assert caught.value.reason is Reason.UNREACHABLE
    assert contents(tmp_path) == []


def test_nothing_listens(tmp_path: Path, tracking: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(FetchError) as caught:
        fetch("models:/picky/1", tmp_path)
    assert caught.value.reason is Reason.UNREACHABLE


def test_a_store_that_the_image_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch("nosuchstore://bucket/model", tmp_path)
    assert caught.value.reason is Reason.UNSUPPORTED


def run(tmp_path: Path, **environment: str) -> tuple[int, str, str, str]:
    """Run the command; return exit code, standard output, standard error and termination log."""
    termination_log = tmp_path / "termination-log"
    termination_log.write_text("")
    own = {"PYTHONPATH": str(OPERATOR), "TERMINATION_LOG": str(termination_log), "MODEL_DIR": str(tmp_path / "volume")}
    done = subprocess.run(
        [sys.executable, "-m", "steersman_server.fetch"],
        env=os.environ | own | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr, termination_log.read_text()


def test_command_fetches_a_registered_model_with_a_token(tmp_path: Path, tracking: TrackingServer) -> None:
    code, out, err, termination = run(tmp_path, MODEL_URI="models:/picky/1", MLFLOW_TRACKING_TOKEN="t0ken-value")
    assert (code, err, termination) == (0, "", "")
    fetched = json.loads(out.splitlines()[-1])
    assert (fetched["message"], fetched["uri"]) == ("Model fetched", "models:/picky/1")
    assert load(tmp_path / "volume").flavor == "python_function"
    assert tracking.authorizations == {"Bearer t0ken-value"}
    assert "t0ken-value" not in out


def test_command_that_is_refused_says_so_in_one_line_without_credentials(
    tmp_path: Path, tracking: TrackingServer
) -> None:
    tracking.refusal = (401, b"bad credentials ada:p4ssword")
    uri = f"http://ada:p4ssword@127.0.0.1:{tracking.server_port}"
    code, out, err, termination = run(tmp_path, MODEL_URI="models:/picky/1", MLFLOW_TRACKING_URI=uri)
    assert code == Reason.UNAUTHORIZED.exit_code
    assert termination.startswith("unauthorized: cannot fetch models:/picky/1 from http://***@127.0.0.1:")
    assert err == termination + "\n"
    assert termination.count("\n") == 0
    assert "p4ssword" not in out + err + termination


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"MODEL_URI": ""}, "bad configuration: cannot fetch a model: MODEL_URI is not set"),
        ({"MODEL_URI": "models:/a/1", "MLFLOW_TRACKING_URI": ""}, "bad configuration: cannot fetch models:/a/1: "),
    ],
)
def test_command_without_its_settings(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    code, _, err, termination = run(tmp_path, **environment)
    assert code == Reason.CONFIGURATION.exit_code
    assert err.startswith(message)
    assert termination.startswith(message)
