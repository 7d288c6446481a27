"""The stores of models against real servers: moto's S3, an emulator of Google Cloud Storage."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests

from steersman_server import fetch as fetching
from steersman_server.digest import tree_digest
from steersman_server.fetch import fetch
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.fetch_settings import FetchSettings
from steersman_server.stores import s3 as s3_store

FILES = {"MLmodel": b"flavors: {}\n", "data/weights": b"w" * 20_000_000, "data/a b+ü": b"x"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "made"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    given = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "s3cretvalue", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **given)
    client.create_bucket(Bucket="models")
    for name, content in FILES.items():
        client.put_object(Bucket="models", Key=f"fraud/3/{name}", Body=content)
    client.put_object(Bucket="models", Key="fraud/3/data/", Body=b"")
    client.put_object(Bucket="models", Key="fraud/30/MLmodel", Body=b"another")
    yield url
    server.stop()


@pytest.fixture
def environment(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cretvalue")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_REGION", raising=False)


@pytest.mark.usefixtures("environment")
def test_a_model_in_s3_by_its_digest(tmp_path: Path, model: Path) -> None:
    target = fetch("s3://models/fraud/3", tmp_path / "volume", FetchSettings(sha256=tree_digest(model)))
    assert {name: (target / name).read_bytes() for name in FILES} == FILES
    with pytest.raises(FetchError) as caught:
        fetch("s3://models/fraud/3/", tmp_path / "other", FetchSettings(sha256="0" * 64))
    assert caught.value.reason is Reason.DIGEST


@pytest.mark.usefixtures("environment")
def test_more_objects_than_one_page_and_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "PAGE", 1)
    target = fetch("s3://models/fraud/3", tmp_path)
    assert {name: (target / name).read_bytes() for name in FILES} == FILES
    for limits in ({"max_files": 2}, {"max_bytes": 1_000_000}):
        with pytest.raises(FetchError) as caught:
            fetch("s3://models/fraud/3", tmp_path / "other", FetchSettings(**limits))
        assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.usefixtures("environment")
def test_the_init_container_as_the_pod_starts_it(tmp_path: Path, model: Path) -> None:
    """A process of its own, in which much of what MLflow imports is blanked out."""
    own = {
        "PYTHONPATH": str(Path(fetching.__file__).parents[1]),
        "MODEL_DIR": str(tmp_path / "volume"),
        "MODEL_URI": "s3://models/fraud/3",
        "MODEL_SHA256": tree_digest(model),
        "MODEL_CACHE_DIR": str(tmp_path / "cache"),
        "MODEL_VERSION": "3",
        "PICKLE": "refuse",
    }
    command = [sys.executable, "-m", "steersman_server.fetch"]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout.splitlines()[-1])["bytes"] > 20_000_000
    assert tree_digest(tmp_path / "volume" / "model") == tree_digest(model)
    assert "s3cretvalue" not in done.stdout


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://models/nothing", Reason.NOT_FOUND),
        ("s3://no-such-bucket/x", Reason.NOT_FOUND),
        ("s3:///x", Reason.CONFIGURATION),
    ],
)
def test_what_is_not_there(tmp_path: Path, uri: str, reason: Reason) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(uri, tmp_path)
    assert caught.value.reason is reason


@pytest.mark.usefixtures("environment")
def test_a_store_that_does_not_answer_and_one_that_cannot_be_signed_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_URI", "s3://models/fraud/3")
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert fetching.main() == Reason.UNREACHABLE.exit_code
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert fetching.main() == Reason.UNAUTHORIZED.exit_code
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "unreachable: cannot fetch s3://models/fraud/3: the store does not answer: EndpointConnectionError",
        "unauthorized: cannot fetch s3://models/fraud/3: there are no AWS credentials: give AWS_ACCESS_KEY_ID and the like",
    ]


@pytest.fixture(scope="module")
def gcs() -> Iterator[str]:
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="models")
    server.start()
    host, port = server._api._httpd.server_address
    url = f"http://{host}:{port}"
    for name, content in FILES.items():
        where = f"{url}/upload/storage/v1/b/models/o"
        requests.post(
            where, params={"uploadType": "media", "name": f"fraud/3/{name}"}, data=content, timeout=30
        ).raise_for_status()
    yield url
    server.stop()


def test_a_model_in_google_cloud_storage_by_its_digest(
    tmp_path: Path, model: Path, gcs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs)
    before = threading.active_count()
    target = fetch("gs://models/fraud/3", tmp_path / "volume", FetchSettings(sha256=tree_digest(model)))
    assert {name: (target / name).read_bytes() for name in FILES} == FILES
    assert threading.active_count() <= before + 2
    with pytest.raises(FetchError) as caught:
        fetch("gs://models/fraud/4", tmp_path / "other")
    assert caught.value.reason is Reason.NOT_FOUND
