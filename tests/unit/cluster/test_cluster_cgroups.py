"""Where the cluster's control groups are, and that they come and go."""

from pathlib import Path

import pytest

from cluster.cgroups import ControlGroups, Hierarchies, find_hierarchies
from cluster.errors import AlreadyRunning, MissingRequirement

VERSION_1 = """\
25 1 0:22 / /proc rw - proc proc rw
30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/net_cls rw - cgroup cgroup rw,net_cls
34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
35 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
VERSION_2 = "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_version_1_takes_each_tree_that_pods_use() -> None:
    found = find_hierarchies(VERSION_1)
    assert found.version == 1
    assert [tree.name for tree in found.trees] == ["cpu,cpuacct", "memory", "systemd", "unified"]


def test_version_2_takes_the_one_tree() -> None:
    assert find_hierarchies(VERSION_2) == Hierarchies(2, (Path("/sys/fs/cgroup"),))


def test_no_cgroups_is_explained() -> None:
    with pytest.raises(MissingRequirement, match="No cgroup file system"):
        find_hierarchies("25 1 0:22 / /proc rw - proc proc rw\n")


def test_a_cpuset_group_gets_its_parents_processors(tmp_path: Path) -> None:
    (tmp_path / "cpuset").mkdir()
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset" / "cpuset.mems").write_text("0\n")
    ControlGroups("demo", Hierarchies(1, (tmp_path / "cpuset",))).create()
    assert (tmp_path / "cpuset" / "steersman-demo" / "cpuset.cpus").read_text() == "0-1\n"


def _version_2_tree(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma\n")
    (folder / "cgroup.subtree_control").write_text("cpuset cpu io memory hugetlb pids\n")
    return folder


def test_version_2_delegates_what_is_not_delegated_yet(tmp_path: Path) -> None:
    tree = _version_2_tree(tmp_path / "cgroup")
    (tree / "cgroup.subtree_control").write_text("cpu io memory hugetlb pids\n")
    group = tree / "steersman-demo"

    class Groups(ControlGroups):
        def remove(self, patience: float = 5.0) -> None:
            """The files of the made-up tree cannot be removed as the kernel's can."""

    _version_2_tree(group)
    Groups("demo", Hierarchies(2, (tree,))).create()
    assert (tree / "cgroup.subtree_control").read_text() == "+cpuset"
    assert (group / "cgroup.subtree_control").read_text() == "cpuset cpu io memory hugetlb pids\n"


def test_groups_are_removed_with_all_below_them(tmp_path: Path) -> None:
    groups = ControlGroups("demo", Hierarchies(1, (tmp_path,)))
    groups.create()
    (tmp_path / "steersman-demo" / "kubepods" / "pod1").mkdir(parents=True)
    (tmp_path / "steersman-other").mkdir()
    groups.remove()
    assert [folder.name for folder in tmp_path.iterdir()] == ["steersman-other"]


def test_a_group_in_use_names_its_processes(tmp_path: Path) -> None:
    busy = tmp_path / "steersman-demo"
    busy.mkdir()
    (busy / "cgroup.procs").write_text("4242\n")  # a file keeps rmdir from working, as a process does
    with pytest.raises(AlreadyRunning, match="processes 4242"):
        ControlGroups("demo", Hierarchies(1, (tmp_path,))).remove(patience=0.05)


def test_a_read_only_tree_is_explained(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="cannot be made"):
        ControlGroups("demo", Hierarchies(1, (tmp_path / "missing",))).create()
