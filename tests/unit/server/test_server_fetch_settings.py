"""What the environment can ask of a fetch, and the digest of a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from steersman_server import digest
from steersman_server.fetch import fetch
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.fetch_settings import CacheSettings, FetchSettings, PicklePolicy


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A SavedModel inside an artifact."""
    for name in ("MLmodel", "tf2model/saved_model.pb", "tf2model/variables/variables.index", "a b/ü", "a b/.hidden"):
        path = tmp_path / "artifact" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "artifact"


def test_nothing_set_is_the_default() -> None:
    assert FetchSettings.from_environment({"MODEL_SHA256": "", "PICKLE": ""}) == FetchSettings()


def test_everything_can_be_set() -> None:
    environment = {
        "MODEL_TARGET": "model/1",
        "MODEL_SUBPATH": "tf2model/",
        "MODEL_SHA256": "sha256:" + "A" * 64,
        "MODEL_FORMAT": "any",
        "PICKLE": "Refuse",
        "MODEL_MAX_BYTES": "1000",
        "MODEL_MAX_FILES": "10",
        "MODEL_VERSION": "7",
        "MODEL_CACHE_DIR": "/cache",
        "MODEL_CACHE_MAX_BYTES": "5",
        "MODEL_CACHE_WAIT_SECONDS": "6",
    }
    cache = CacheSettings(Path("/cache"), 5, 6)
    expected = FetchSettings(
        "model/1", "tf2model", "a" * 64, False, PicklePolicy.REFUSE, 1000, 10, version="7", cache=cache
    )
    assert FetchSettings.from_environment(environment) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL_TARGET", "/etc"),
        ("MODEL_TARGET", "a/../../b"),
        ("MODEL_SUBPATH", ".."),
        ("MODEL_SHA256", "abc"),
        ("MODEL_FORMAT", "onnx"),
        ("PICKLE", "no"),
        ("MODEL_MAX_BYTES", "1Gi"),
        ("MODEL_MAX_FILES", "-1"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(FetchError, match=name) as caught:
        FetchSettings.from_environment({name: value})
    assert caught.value.reason is Reason.CONFIGURATION


def test_a_folder_of_the_download_where_the_server_wants_it(tmp_path: Path, saved: Path) -> None:
    settings = FetchSettings(target="model/1", subpath="tf2model", mlflow=False)
    target = fetch(str(saved), tmp_path / "models", settings)
    assert target == tmp_path / "models" / "model" / "1"
    assert (target / "saved_model.pb").is_file()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["model"]
    with pytest.raises(FetchError, match="no folder tf1model"):
        fetch(str(saved), tmp_path / "other", FetchSettings(subpath="tf1model"))


def test_a_folder_without_mlmodel_only_where_it_is_said(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(str(saved), tmp_path / "models", FetchSettings(subpath="tf2model"))
    assert caught.value.reason is Reason.NOT_A_MODEL


def test_the_digest_is_what_the_shell_makes_it(tmp_path: Path, saved: Path) -> None:
    script = r"find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    by_shell = subprocess.run(
        ["bash", "-c", script], cwd=saved, capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert digest.tree_digest(saved) == by_shell
    command = [sys.executable, "-m", "steersman_server.digest"]
    where = {"cwd": Path(digest.__file__).parents[1], "capture_output": True, "text": True, "check": False}
    assert subprocess.run([*command, str(saved)], **where).stdout == by_shell + "\n"  # type: ignore[call-overload]
    assert subprocess.run([*command, str(saved / "no")], **where).returncode == 2  # type: ignore[call-overload]
    fetched = fetch(str(saved), tmp_path / "1", FetchSettings(sha256=by_shell))
    assert digest.tree_digest(fetched) == by_shell, "what the fetch adds does not count"
    (saved / "MLmodel").write_text("changed")
    with pytest.raises(FetchError) as caught:
        fetch(str(saved), tmp_path / "2", FetchSettings(sha256=by_shell))
    assert caught.value.reason is Reason.DIGEST
