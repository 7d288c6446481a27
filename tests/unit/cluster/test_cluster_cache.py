"""Nothing half built is used, nothing is built twice, and locks end with their holders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import binaries
from cluster.background import Background
from cluster.binaries import KUBERNETES, Binaries, GoModule, is_built
from cluster.cache import KIT, Cache, clear_unfinished, finished_folder, take_lock, valid_name
from cluster.errors import BuildFailed, MissingRequirement


def test_a_folder_appears_only_when_it_is_finished(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with finished_folder(target) as work:
        (work / "file").write_text("x")
        assert not target.exists()
    assert (target / "file").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), finished_folder(tmp_path / "made") as work:
        (work / "half").write_text("x")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == []


def test_what_a_killed_build_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-made-9999999").mkdir()  # no process has such a number
    (tmp_path / "whole").mkdir()
    clear_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_what_a_living_process_builds_beside_is_left_alone(tmp_path: Path) -> None:
    with finished_folder(tmp_path / "other") as work:
        (work / "half").write_text("x")
        clear_unfinished(tmp_path)
        assert (work / "half").read_text() == "x"


def test_a_folder_without_its_stamp_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "half").write_text("x")
    with finished_folder(target) as work:
        (work / "file").write_text("y")
    assert [path.name for path in target.iterdir()] == ["file"]


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    first = take_lock(tmp_path / "lock")
    assert first is not None
    assert take_lock(tmp_path / "lock") is None
    os.close(first)
    again = take_lock(tmp_path / "lock")
    assert again is not None
    os.close(again)


def test_a_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    program = "import sys, time; from cluster.cache import take_lock; from pathlib import Path\n"
    program += "held = take_lock(Path(sys.argv[1])); print(held, flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "lock"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(KIT.parent)},
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert take_lock(tmp_path / "lock") is None
        holder.kill()
        holder.wait()
    mine = take_lock(tmp_path / "lock")
    assert mine is not None
    os.close(mine)


def test_whoever_waits_for_a_lock_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with Cache(tmp_path).lock("one", waiting=lambda: told.append("waiting")):
        pass
    assert told == []


@pytest.mark.parametrize("name", ["demo", "e2e-1", "a"])
def test_names(name: str) -> None:
    assert valid_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a/b", "..", "x" * 41])
def test_bad_names(name: str) -> None:
    with pytest.raises(MissingRequirement, match="cannot name a cluster"):
        valid_name(name)


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_CACHE", str(tmp_path / "here"))
    assert Cache.default().root == tmp_path / "here"
    monkeypatch.delenv("STEERSMAN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Cache.default().root == tmp_path / "xdg" / "steersman"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache.default().root == tmp_path / ".cache" / "steersman"


# ---------------------------------------------------------------- what is built from Go


class _Elsewhere(GoModule):
    place: Path

    @property
    def folder(self) -> Path:
        return _Elsewhere.place


def test_the_key_changes_with_everything_that_is_built_from(tmp_path: Path) -> None:
    _Elsewhere.place = tmp_path
    (tmp_path / "go.mod").write_text("module x\n")
    (tmp_path / "go.sum").write_text("a\n")
    plain = _Elsewhere("x", {"x": "example.org/x"})
    first = plain.key("amd64")
    assert plain.key("amd64") == first
    assert plain.key("arm64") != first
    assert _Elsewhere("x", {"x": "example.org/x"}, tags=("t",)).key("amd64") != first
    assert _Elsewhere("x", {"x": "example.org/x"}, stamps={"v": "1"}).key("amd64") != first
    (tmp_path / "go.sum").write_text("b\n")
    assert plain.key("amd64") != first


def test_a_build_without_stamp_or_program_is_not_taken(tmp_path: Path) -> None:
    assert not is_built(tmp_path)
    (tmp_path / "stamp.json").write_text('{"programs": ["etcd"]}')
    assert not is_built(tmp_path)
    (tmp_path / "etcd").touch()
    assert is_built(tmp_path)
    (tmp_path / "stamp.json").write_text("{half")
    assert not is_built(tmp_path)


def test_programs_are_found_in_their_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    built = Binaries((tmp_path / "one", tmp_path / "two"))
    assert built["two"] == tmp_path / "two" / "two"
    assert built.path == f"{tmp_path}/one:{tmp_path}/two"
    with pytest.raises(KeyError):
        built["three"]


@pytest.mark.parametrize("module", binaries.ALL, ids=lambda module: module.name)
def test_every_module_is_pinned(module: GoModule) -> None:
    pins = (module.folder / "go.mod").read_text()
    for package in module.programs.values():
        assert f"tool {package}" in pins or f"\t{package}\n" in pins
    assert (module.folder / "go.sum").stat().st_size > 0


def test_the_version_that_kubernetes_reports_is_the_pinned_one() -> None:
    pins = (KUBERNETES.folder / "go.mod").read_text()
    assert f"k8s.io/kubernetes {binaries.KUBERNETES_VERSION}" in pins
    staged = binaries.KUBERNETES_VERSION.replace("v1.", "v0.")
    assert f"k8s.io/api => k8s.io/api {staged}" in pins


@pytest.mark.parametrize(
    ("module", "required"),
    [
        (binaries.CONTOUR, "github.com/projectcontour/contour"),
        (binaries.HELM, "helm.sh/helm/v4"),
    ],
    ids=["contour", "helm"],
)
def test_the_stamped_version_is_the_pinned_one(module: GoModule, required: str) -> None:
    (version,) = module.stamps.values()
    assert f"{required} {version}" in (module.folder / "go.mod").read_text()


# ---------------------------------------------------------------- work beside other work


def test_work_beside_is_waited_for_and_its_failure_raised() -> None:
    done: list[int] = []
    Background(lambda: done.append(1)).finish()
    assert done == [1]

    def fail() -> None:
        raise BuildFailed("no luck")

    with pytest.raises(BuildFailed, match="no luck"):
        Background(fail).finish()


def test_work_beside_does_not_hold_up_the_end() -> None:
    code = "import threading; from cluster.background import Background\nBackground(threading.Event().wait)"
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=20, env={**os.environ, "PYTHONPATH": str(KIT.parent)}
    )
