"""A cluster is up exactly as long as its keeper, and goes with the process that it is tied to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster import keeping, providers
from cluster.cache import KIT, Cache
from cluster.errors import AlreadyRunning, NotRunning, StartFailed
from cluster.keeper import Plan
from cluster.keeping import Kept, Start
from cluster.namespaces import alive

SLEEP = ["sh", "-c", "exec sleep 300"]
STARTED = f"""
import sys, time
from pathlib import Path
from cluster.cache import Cache
from cluster.keeper import Plan
from cluster.keeping import Start
import os
start = Start(Cache(Path(sys.argv[1])), "one")
kept = start.keep(Plan({SLEEP!r}, False, {{}}, "", "", tied_to=os.getpid()))
print(kept.keeper, kept.first, flush=True)
time.sleep(300)
"""


def _plan(cache: Cache, command: list[str] = SLEEP, tied_to: int = 0) -> Plan:
    return Plan(command, False, {}, "", str(cache.failures / "one"), tied_to=tied_to)


def _vanishes(*processes: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while any(alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


@pytest.fixture
def kept(cache: Cache) -> Kept:
    return Start(cache, "one").keep(_plan(cache, tied_to=os.getpid()))


def test_it_comes_and_goes(cache: Cache, kept: Kept) -> None:
    assert keeping.names(cache) == ["one"]
    assert keeping.find(cache, "one") == kept
    assert alive(kept.first)
    kept.stop()
    assert _vanishes(kept.first, kept.keeper)
    assert keeping.names(cache) == []
    assert list(cache.clusters.iterdir()) == []


def test_stopping_twice_is_harmless(kept: Kept) -> None:
    kept.stop()
    kept.stop()
    with pytest.raises(NotRunning, match="'one' is not up any more"):
        kept.request(do="detach")


def test_a_second_one_of_that_name_is_refused(cache: Cache, kept: Kept) -> None:
    with pytest.raises(AlreadyRunning, match=r"'one' is up already.*--reuse.*down --name one"):
        Start(cache, "one")
    other = Start(cache, "two")
    other.give_up()
    assert alive(kept.first)
    kept.stop()


def test_sigterm_takes_it_down(cache: Cache, kept: Kept) -> None:
    os.kill(kept.keeper, signal.SIGTERM)
    assert _vanishes(kept.first, kept.keeper)
    assert not kept.state.folder.exists()


def test_it_goes_when_its_first_process_ends(cache: Cache, kept: Kept) -> None:
    (kept.state.logs / "etcd.log").write_text("last words")
    os.kill(kept.first, signal.SIGKILL)
    assert _vanishes(kept.keeper)
    assert not kept.state.folder.exists()
    assert (cache.failures / "one" / "etcd.log").read_text() == "last words"


def test_its_processes_die_with_a_killed_keeper(cache: Cache, kept: Kept) -> None:
    os.kill(kept.keeper, signal.SIGKILL)
    assert _vanishes(kept.first)
    assert _vanishes(kept.keeper)
    assert keeping.find(cache, "one") is None
    assert keeping.clear_stale(cache, "one")
    assert list(cache.clusters.iterdir()) == []


def test_what_a_killed_keeper_left_does_not_hinder_the_next(cache: Cache, kept: Kept) -> None:
    os.kill(kept.keeper, signal.SIGKILL)
    assert _vanishes(kept.keeper, kept.first)
    (kept.state.folder / "left").touch()
    again = Start(cache, "one").keep(_plan(cache))
    assert not (again.state.folder / "left").exists()
    again.stop()


def _start_elsewhere(cache: Cache) -> tuple[subprocess.Popen[str], int, int]:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTED, cache.root],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(KIT.parent)},
    )
    assert starter.stdout is not None
    keeper, first = map(int, starter.stdout.readline().split())
    return starter, keeper, first


def test_it_goes_with_a_killed_starter(cache: Cache) -> None:
    starter, keeper, first = _start_elsewhere(cache)
    with starter:
        starter.kill()
        starter.wait()
        assert _vanishes(keeper, first)
    assert list(cache.clusters.iterdir()) == []


def test_once_detached_it_outlives_its_starter(cache: Cache) -> None:
    starter, keeper, first = _start_elsewhere(cache)
    found = keeping.find(cache, "one")
    assert found is not None
    found.detach()
    with starter:
        starter.kill()
        starter.wait()
    assert not _vanishes(keeper, within=0.5)
    assert alive(first)
    found.stop()
    assert _vanishes(keeper, first)


def test_a_keeper_tied_to_nobody_ends_at_once(cache: Cache) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(StartFailed, match="'one' did not start"):
        Start(cache, "one").keep(_plan(cache, tied_to=gone.pid))
    assert not (cache.clusters / "one").exists()


def test_attaching_to_nothing_says_what_is_up(cache: Cache) -> None:
    with pytest.raises(NotRunning, match=r"No cluster named 'one' is up\. None is up"):
        providers.attach("one", cache=cache)


def test_taking_down_nothing_is_no_error(cache: Cache) -> None:
    assert providers.down("one", cache=cache) is False


def test_a_long_path_to_the_cache_is_no_hindrance(tmp_path: Path) -> None:
    cache = Cache(tmp_path / ("x" * 100))  # a socket's address has room for 107 bytes
    kept = Start(cache, "one").keep(_plan(cache))
    kept.detach()
    kept.stop()
    assert _vanishes(kept.keeper)
