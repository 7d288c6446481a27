"""Archives that want out of their folder, or want to fill the disk."""

import contextlib
import io
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores import unpack as unpacking
from steersman_server.stores.order import Budget, Order
from steersman_server.stores.unpack import deliver, unpack


def tar_of(path: Path, *members: tarfile.TarInfo | tuple[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return path


def entry(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zip_of(path: Path, *members: tuple[str, bytes, int]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parent" / "model").mkdir(parents=True)
    return tmp_path / "parent" / "model"


@pytest.mark.parametrize(
    ("suffix", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz")]
)
def test_tars_are_unpacked_with_links_as_further_names(tmp_path: Path, folder: Path, suffix: str, mode: str) -> None:
    members = [
        entry("./", tarfile.DIRTYPE),
        entry("m/data", tarfile.DIRTYPE),
        ("m/MLmodel", b"flavors: {}"),
        ("m/data/weights", b"w" * 5000),
        entry("m/latest", tarfile.SYMTYPE, "data/weights"),
        entry("m/again", tarfile.SYMTYPE, "latest"),
        entry("m/hard", tarfile.LNKTYPE, "m/data/weights"),
    ]
    archive = tar_of(tmp_path / f"a.{suffix}", *members, mode=mode)
    found = deliver(archive, archive.name, Order("", folder))
    assert found == folder / "m", "its only folder is the model"
    assert {p.name for p in found.iterdir()} == {"data", "MLmodel", "latest", "again", "hard"}
    for name in ("latest", "again", "hard"):
        assert not (found / name).is_symlink()
        assert (found / name).read_bytes() == b"w" * 5000


def test_a_zip_is_unpacked(tmp_path: Path, folder: Path) -> None:
    archive = zip_of(
        tmp_path / "a.zip",
        ("data/", b"", stat.S_IFDIR),
        ("data/x", b"x", stat.S_IFREG | 0o644),
        ("link", b"data/x", stat.S_IFLNK),
        ("plain", b"p", 0),
    )
    assert deliver(archive, "a.zip", Order("", folder)) == folder
    assert (folder / "link").read_bytes() == (folder / "data" / "x").read_bytes() == b"x"


HOSTILE = {
    "absolute": ("/tmp/steersman-out", b"x"),
    "above": ("../out", b"x"),
    "above inside": ("a/../../out", b"x"),
    "backslash": ("..\\out", b"x"),
    "control character": ("a\nb", b"x"),
    "link above": entry("a", tarfile.SYMTYPE, "../../secret"),
    "absolute link": entry("a", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link above": entry("a", tarfile.LNKTYPE, "../secret"),
    "link to nothing": entry("a", tarfile.SYMTYPE, "b"),
    "device": entry("null", tarfile.CHRTYPE),
    "fifo": entry("pipe", tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_leads_out_or_is_no_file_is_refused(tmp_path: Path, folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("s")
    archive = tar_of(tmp_path / "a.tar.gz", HOSTILE[name])
    with pytest.raises(FetchError) as caught:
        unpack(archive, folder, Budget())
    assert caught.value.reason is Reason.UNSAFE
    assert list(folder.iterdir()) == []
    assert not (folder.parent / "out").exists()


PARTS = st.sampled_from(["a", "b", "..", ".", "", "model", "secret", "\\", "a\n"])
NAMES = st.builds(lambda root, parts: root + "/".join(parts), st.sampled_from(["", "/"]), st.lists(PARTS, max_size=4))
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=6))
def test_whatever_the_members_nothing_is_written_outside_and_no_link_is_left(
    members: list[tuple[str, bytes, str]],
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        folder = root / "outer" / "model"
        folder.mkdir(parents=True)
        (root / "outer" / "secret").write_text("s")
        archive = tar_of(root / "a.tar", *(entry(name, kind, link) for name, kind, link in members), mode="w")
        with contextlib.suppress(FetchError):
            unpack(archive, folder, Budget())
        assert {path.name for path in root.iterdir()} == {"a.tar", "outer"}
        assert {path.name for path in (root / "outer").iterdir()} == {"model", "secret"}
        assert (root / "outer" / "secret").stat().st_nlink == 1
        assert not [path for path in folder.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]


def test_a_file_behind_a_link_to_a_folder_does_not_get_out(tmp_path: Path, folder: Path) -> None:
    """The classic: a link first, and then a file whose path goes through it."""
    archive = tar_of(tmp_path / "a.tar", entry("a", tarfile.SYMTYPE, ".."), ("a/out", b"x"), mode="w")
    with pytest.raises(FetchError):
        unpack(archive, folder, Budget())
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize(
    "member", [("../out", b"x", 0), ("/out", b"x", 0), ("a", b"../../secret", stat.S_IFLNK), ("d", b"", stat.S_IFCHR)]
)
def test_hostile_zips(tmp_path: Path, folder: Path, member: tuple[str, bytes, int]) -> None:
    with pytest.raises(FetchError) as caught:
        unpack(zip_of(tmp_path / "a.zip", member), folder, Budget(), zipped=True)
    assert caught.value.reason is Reason.UNSAFE
    assert not (folder.parent / "out").exists()


def test_limits_of_size_and_count(tmp_path: Path, folder: Path) -> None:
    archive = tar_of(tmp_path / "a.tar", ("a", b"x" * 600), ("b", b"x" * 600), mode="w")
    for budget in (Budget(max_bytes=1000), Budget(max_files=1)):
        with pytest.raises(FetchError) as caught:
            unpack(archive, folder, budget)
        assert caught.value.reason is Reason.TOO_LARGE
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 1000


@pytest.mark.parametrize("zipped", [True, False])
def test_a_bomb_is_noticed_before_it_is_written(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.setattr(unpacking, "UNJUDGED", 1_000_000)
    zeros = bytes(20_000_000)
    archive = zip_of(tmp_path / "a", ("z", zeros, 0)) if zipped else tar_of(tmp_path / "a", ("z", zeros))
    assert archive.stat().st_size < 30_000
    with pytest.raises(FetchError, match="200 times") as caught:
        unpack(archive, folder, Budget(), zipped)
    assert caught.value.reason is Reason.TOO_LARGE
    assert (folder / "z").stat().st_size < 200 * 30_000


def test_one_name_for_a_file_and_a_folder(tmp_path: Path, folder: Path) -> None:
    for members in (
        [("a", b"x"), ("a/b", b"x")],
        [("a/b", b"x"), ("a", b"x")],
        [("a", b"x"), entry("a", tarfile.DIRTYPE)],
    ):
        with pytest.raises(FetchError) as caught:
            unpack(tar_of(tmp_path / "a.tar.gz", *members), folder, Budget())
        assert caught.value.reason is Reason.UNSAFE


def test_damaged_archives(tmp_path: Path, folder: Path) -> None:
    whole = tar_of(tmp_path / "a.tar.gz", ("a", bytes(range(256)) * 400)).read_bytes()
    zipped = zip_of(tmp_path / "a.zip", ("a", bytes(range(256)) * 400, 0)).read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0xFF
    for content, is_zip in [
        (whole[:-20], False),
        (bytes(flipped), False),
        (b"no archive", False),
        (zipped[:-30], True),
    ]:
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(FetchError, match="broken") as caught:
            unpack(tmp_path / "broken", folder, Budget(), is_zip)
        assert caught.value.reason is Reason.UNSAFE


def test_other_packings_are_named_and_plain_files_moved(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(FetchError, match=r"use .tar.gz or .zip"):
        deliver(tmp_path / "f", "a.tar.zst", Order("", folder))
    deliver(tmp_path / "f", "model.onnx", Order("", folder))
    assert (folder / "model.onnx").read_text() == "x"
