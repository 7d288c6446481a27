"""The cache that pods share: fetched once, whole, and never taken from under a reader."""

import errno
import fcntl
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from steersman_server import cache as caching
from steersman_server.cache import Cache
from steersman_server.fetch import fetch
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.fetch_settings import CacheSettings, FetchSettings


def filling(log: Path, content: str = "x" * 1000, pause: float = 0.0) -> Callable[[Path], Path]:
    def fill(directory: Path) -> Path:
        with log.open("a") as file:
            file.write("filled\n")
        (directory / "sub" / "data").mkdir(parents=True)
        (directory / "sub" / "MLmodel").write_text("flavors: {}")
        time.sleep(pause)
        (directory / "sub" / "data" / "weights").write_text(content)
        return directory / "sub"

    return fill


def obtain(cache: Cache, key: str, directory: Path, fill: Callable[[Path], Path]) -> Path:
    directory.mkdir(parents=True)
    return cache.obtain(key, directory, fill)


def fills(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def pod(root: Path, name: str) -> None:
    cache = Cache(CacheSettings(root / "cache", wait_seconds=20))
    found = obtain(cache, "k", root / name, filling(root / "log", pause=0.5))
    assert (found / "data" / "weights").read_text() == "x" * 1000


def test_of_pods_that_start_at_once_one_fetches(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    pods = [context.Process(target=pod, args=(tmp_path, f"pod-{number}")) for number in range(6)]
    for process in pods:
        process.start()
    for process in pods:
        process.join(30)
    assert [process.exitcode for process in pods] == [0] * 6
    assert fills(tmp_path / "log") == 1
    assert list((tmp_path / "cache" / "filling").iterdir()) == []


def killed_pod(root: Path) -> None:
    def fill(directory: Path) -> Path:
        (directory / "half").touch()
        os._exit(9)

    obtain(Cache(CacheSettings(root / "cache")), "k", root / "killed", fill)


def test_the_next_takes_over_from_one_that_was_killed(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=killed_pod, args=(tmp_path,))
    process.start()
    process.join(30)
    assert process.exitcode == 9
    assert list((tmp_path / "cache" / "filling").iterdir())
    obtain(Cache(CacheSettings(tmp_path / "cache")), "k", tmp_path / "pod", filling(tmp_path / "log"))
    assert list((tmp_path / "cache" / "filling").iterdir()) == []


def test_what_a_killed_pod_left_goes_though_nobody_asks_for_it_again(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=killed_pod, args=(tmp_path,))
    process.start()
    process.join(30)
    obtain(Cache(CacheSettings(tmp_path / "cache")), "other", tmp_path / "pod", filling(tmp_path / "log"))
    assert list((tmp_path / "cache" / "filling").iterdir()) == []
    assert [path.name for path in (tmp_path / "cache" / "locks").iterdir()] == ["other"]


def test_links_on_the_same_mount_and_copies_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(CacheSettings(tmp_path / "cache"))
    obtain(cache, "k", tmp_path / "a", filling(tmp_path / "log"))
    inode = (tmp_path / "a" / "data" / "weights").stat()
    assert inode.st_nlink == 2
    assert inode.st_mode & 0o222 == 0, "what pods share is not to be written"

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    obtain(cache, "k", tmp_path / "b", filling(tmp_path / "log"))
    assert (tmp_path / "b" / "data" / "weights").stat().st_nlink == 1
    assert fills(tmp_path / "log") == 1


def test_least_recently_used_goes_first_and_never_what_is_read(tmp_path: Path) -> None:
    cache = Cache(CacheSettings(tmp_path / "cache", max_bytes=2500))  # two entries of 1,011 bytes
    log = tmp_path / "log"

    def entries() -> set[str]:
        return {path.name for path in (tmp_path / "cache" / "entries").iterdir()}

    for key in "ab":
        obtain(cache, key, tmp_path / key, filling(log))
        os.utime(tmp_path / "cache" / "entries" / key / "entry.json", (1000 + ord(key), 1000 + ord(key)))
    obtain(cache, "a", tmp_path / "a2", filling(log))  # used again
    obtain(cache, "c", tmp_path / "c", filling(log))
    assert entries() == {"a", "c"}
    assert (tmp_path / "b" / "data" / "weights").read_text() == "x" * 1000, "what a pod has, it keeps"
    reading = os.open(tmp_path / "cache" / "locks" / "a", os.O_RDWR)
    fcntl.flock(reading, fcntl.LOCK_SH)
    os.utime(tmp_path / "cache" / "entries" / "a" / "entry.json", (1, 1))
    obtain(cache, "d", tmp_path / "d", filling(log))
    assert entries() == {"a", "d"}, "the oldest is being read: the next oldest goes"
    os.close(reading)
    obtain(cache, "e", tmp_path / "e", filling(log))
    assert entries() == {"d", "e"}
    assert {path.name for path in (tmp_path / "cache" / "locks").iterdir()} == {"d", "e"}


def test_a_damaged_entry_is_fetched_anew(tmp_path: Path) -> None:
    cache = Cache(CacheSettings(tmp_path / "cache"))
    obtain(cache, "k", tmp_path / "a", filling(tmp_path / "log"))
    weights = tmp_path / "cache" / "entries" / "k" / "files" / "data" / "weights"
    weights.chmod(0o644)
    weights.write_text("torn")
    found = obtain(cache, "k", tmp_path / "b", filling(tmp_path / "log"))
    assert (found / "data" / "weights").read_text() == "x" * 1000
    assert fills(tmp_path / "log") == 2


def test_a_failed_download_is_the_callers_and_leaves_nothing(tmp_path: Path) -> None:
    def fill(_: Path) -> Path:
        raise FetchError(Reason.NOT_FOUND, "gone")

    with pytest.raises(FetchError, match="gone"):
        obtain(Cache(CacheSettings(tmp_path / "cache")), "k", tmp_path / "a", fill)
    assert list((tmp_path / "cache" / "filling").iterdir()) == list((tmp_path / "cache" / "entries").iterdir()) == []


def test_a_full_volume_loses_old_entries_then_the_cache_is_left_out(tmp_path: Path) -> None:
    cache = Cache(CacheSettings(tmp_path / "cache"))
    obtain(cache, "old", tmp_path / "old", filling(tmp_path / "log"))
    room = 1

    def fill(directory: Path) -> Path:
        nonlocal room
        if "cache" in directory.parts and (tmp_path / "cache" / "entries" / "old").exists():
            raise FetchError(Reason.DISK_FULL, "No space left on device")
        if "cache" in directory.parts and not room:
            raise FetchError(Reason.DISK_FULL, "No space left on device")
        return filling(tmp_path / "log")(directory)

    assert obtain(cache, "new", tmp_path / "new", fill) == tmp_path / "new"
    assert not (tmp_path / "cache" / "entries" / "old").exists()
    room = 0
    third = obtain(cache, "third", tmp_path / "third", fill)
    assert (third / "data" / "weights").exists()
    assert not (tmp_path / "cache" / "entries" / "third").exists()


@pytest.mark.parametrize("trouble", ["no directory", "no locks", "held for ever"])
def test_without_a_usable_cache_the_model_is_fetched_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    settings = CacheSettings(tmp_path / "cache", wait_seconds=0)
    held = None
    if trouble == "no directory":
        (tmp_path / "cache").write_text("a file")
    elif trouble == "no locks":

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
    else:
        monkeypatch.setattr(caching, "_POLL", 0.01)
        (tmp_path / "cache" / "locks").mkdir(parents=True)
        held = (tmp_path / "cache" / "locks" / "k").open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    found = obtain(Cache(settings), "k", tmp_path / "a", filling(tmp_path / "log"))
    assert (found / "data" / "weights").exists()
    if held is not None:
        held.close()


def test_fetches_share_it_but_not_across_servers_versions_or_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "MLmodel").write_text("flavors: {}")
    number = 0

    def entries(**settings: object) -> int:
        nonlocal number
        number += 1
        given = FetchSettings(cache=CacheSettings(tmp_path / "cache"), **settings)  # type: ignore[arg-type]
        target = fetch(str(source), tmp_path / f"pod-{number}", given)
        assert (target / "MLmodel").read_text() == "flavors: {}"
        return len(list((tmp_path / "cache" / "entries").iterdir()))

    assert entries() == entries() == 1
    assert not (tmp_path / "cache" / "entries").joinpath(".steersman-source").exists()
    assert entries(version="2") == 2
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://another")
    assert entries() == 3
