"""``pvc://``: files of a mounted claim."""

import os
from pathlib import Path

import pytest

from steersman_server.fetch import fetch
from steersman_server.fetch_errors import FetchError, Reason


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PVC_ROOT", str(tmp_path / "pvc"))
    folder = tmp_path / "pvc" / "models" / "fraud"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    (folder / "blob").write_text("weights")
    (folder / "weights").symlink_to("blob")
    return folder


def test_a_folder_is_copied_and_links_inside_the_claim_are_files(tmp_path: Path, claim: Path) -> None:
    target = fetch("pvc://models/fraud", tmp_path / "volume")
    assert (target / "weights").read_text() == "weights"
    assert not (target / "weights").is_symlink()
    (claim / "weights").write_text("changed later")
    assert (target / "weights").read_text() == "weights"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("pvc://other/fraud", Reason.CONFIGURATION),
        ("pvc:///fraud", Reason.CONFIGURATION),
        ("pvc://models/nothing", Reason.NOT_FOUND),
        ("pvc://models/../../secret", Reason.UNSAFE),
    ],
)
def test_refusals(tmp_path: Path, claim: Path, uri: str, reason: Reason) -> None:
    (tmp_path / "secret").mkdir()
    with pytest.raises(FetchError) as caught:
        fetch(uri, tmp_path / "volume")
    assert caught.value.reason is reason


@pytest.mark.parametrize("kind", ["link out", "link to a folder", "fifo"])
def test_what_is_no_file_of_the_claim(tmp_path: Path, claim: Path, kind: str) -> None:
    (tmp_path / "secret").write_text("s")
    if kind == "fifo":
        os.mkfifo(claim / "x")
    else:
        (claim / "x").symlink_to(tmp_path / "secret" if kind == "link out" else "../fraud")
    with pytest.raises(FetchError) as caught:
        fetch("pvc://models/fraud", tmp_path / "volume")
    assert caught.value.reason is Reason.UNSAFE
