"""Pickles are found by name, by content and by what the MLmodel file says."""

import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest

from steersman_server import fetch as fetching
from steersman_server.fetch import fetch
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.fetch_settings import FetchSettings, PicklePolicy
from steersman_server.pickles import find


def found(directory: Path) -> set[str]:
    return {finding.path for finding in find(directory)}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("content", [{"a": list(range(5000))}, None, Path("x"), [bytes(10_000)]])
def test_by_content_whatever_the_name(tmp_path: Path, protocol: int, content: object) -> None:
    (tmp_path / "weights.bin").write_bytes(pickle.dumps(content, protocol))
    assert found(tmp_path) == {"weights.bin"}


def test_by_name_and_in_zip_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "model.pth").write_bytes(buffer.getvalue())
    (tmp_path / "old.joblib").write_bytes(b"compressed")
    assert found(tmp_path) == {"data/model.pth", "old.joblib"}


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x80\x04", b"\x80\x02" + bytes(range(255, 0, -1)), b"text", b"PK\x03\x04"]
)
def test_what_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.bin").write_bytes(content)
    assert found(tmp_path) == set()


def test_few_random_bytes_are_taken_for_pickles_even_if_they_begin_like_one(tmp_path: Path) -> None:
    import random

    source = random.Random(7)
    for number in range(500):
        (tmp_path / f"{number}.bin").write_bytes(bytes([0x80, source.choice([2, 3, 4, 5])]) + source.randbytes(5000))
    assert len(found(tmp_path)) <= 20


def test_by_what_the_flavors_say(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        json.dumps({"flavors": {"sklearn": {"serialization_format": "cloudpickle", "pickled_model": "m"}}})
    )
    assert [str(finding) for finding in find(tmp_path)] == ["m (sklearn: cloudpickle)"]
    (tmp_path / "MLmodel").write_text(
        json.dumps({"flavors": {"sklearn": {"serialization_format": "skops", "pickled_model": "m"}}})
    )
    assert find(tmp_path) == []


def test_policy(tmp_path: Path, iris_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    pickled = shutil.copytree(iris_dir, tmp_path / "pickled")
    (pickled / "model.pkl").write_bytes(pickle.dumps([1, 2, 3]))
    with pytest.raises(FetchError, match=r"PICKLE=refuse: .*model\.pkl \(its name") as caught:
        fetch(str(pickled), tmp_path / "1", FetchSettings(pickle=PicklePolicy.REFUSE))
    assert caught.value.reason is Reason.PICKLE
    assert not (tmp_path / "1" / "model").exists()
    assert not caplog.records
    fetch(str(pickled), tmp_path / "1")
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "model.pkl" in warning.fields["files"]  # type: ignore[attr-defined]
    caplog.clear()
    fetch(str(pickled), tmp_path / "2", FetchSettings(pickle=PicklePolicy.ALLOW))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_model_from_code_has_none(picky_dir: Path) -> None:
    assert find(picky_dir) == []


def test_the_environment_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODEL_URI", "x")
    monkeypatch.setenv("PICKLE", "never")
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    assert fetching.main() == Reason.CONFIGURATION.exit_code
