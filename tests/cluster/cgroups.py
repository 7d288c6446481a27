"""The control groups of one cluster, on version 1 (a tree for each controller) and on version 2 (one tree).

The kubelet puts the pods below the group `/steersman-NAME`, which is made before it starts and removed after it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import AlreadyRunning, MissingRequirement

NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
"""Version 1 controllers that the kubelet and runc use, where the machine has them."""
DELEGATED = ("cpu", "cpuset", "io", "memory", "pids", "hugetlb")
"""Version 2 controllers that the kubelet asks for, where the machine has them."""


CPU_WEIGHT = {"cpu.shares": "8192", "cpu.weight": "800"}
"""Eight times the default, on version 1 and 2: all pods together are one group beside every single process of the machine, and
would starve where tests or builds run beside the cluster."""


@dataclass(frozen=True)
class Hierarchies:
    """Where the machine mounts its cgroup trees."""

    version: int
    trees: tuple[Path, ...]
    """Version 1: one for each controller that pods use, the named tree `systemd`, and `unified` where it is
    mounted. Version 2: the single tree."""


def find_hierarchies(mountinfo: str) -> Hierarchies:
    """Read the trees from the text of /proc/self/mountinfo (proc_pid_mountinfo(5))."""
    version_1: list[Path] = []
    version_2: list[Path] = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if not after:
            continue
        point = Path(before.split()[4].replace("\\040", " "))
        kind, _, options = after.split(" ", 2)
        controllers = options.rsplit(" ", 1)[-1].split(",")
        if kind == "cgroup2":
            version_2.append(point)
        elif kind == "cgroup" and ("name=systemd" in controllers or set(controllers) & set(NEEDED)):
            version_1.append(point)
    if version_1:
        return Hierarchies(1, tuple(dict.fromkeys(version_1 + version_2)))
    if version_2:
        return Hierarchies(2, (version_2[0],))
    raise MissingRequirement(
        "No cgroup file system is mounted here, and a cluster's node needs one. In a container, start it with "
        "--privileged; else use a cluster of your own with --context NAME."
    )


def group_name(cluster: str) -> str:
    """The name of the cluster's group at the top of each tree."""
    return f"steersman-{cluster}"


class ControlGroups:
    """Makes and removes the groups of one cluster."""

    def __init__(self, cluster: str, hierarchies: Hierarchies | None = None) -> None:
        self.name = group_name(cluster)
        self._hierarchies = hierarchies or find_hierarchies(Path("/proc/self/mountinfo").read_text())

    @property
    def folders(self) -> list[Path]:
        """The group's folder in each tree."""
        return [tree / self.name for tree in self._hierarchies.trees]

    def create(self) -> None:
        """Make the groups; left-overs without processes are removed first, others are an error."""
        self.remove()
        try:
            for folder in self.folders:
                self._create_one(folder)
                for setting, weight in CPU_WEIGHT.items():
                    if (folder / setting).exists():
                        (folder / setting).write_text(weight)
        except OSError as refused:
            raise MissingRequirement(
                f"The cgroup {refused.filename or self.name} cannot be made or set up ({refused.strerror}). In a "
                "container, start it with --privileged and a writable /sys/fs/cgroup."
            ) from refused

    def _create_one(self, folder: Path) -> None:
        tree = folder.parent
        if (tree / "cgroup.controllers").exists():  # version 2
            if self._hierarchies.version == 2:
                _delegate(tree)
            folder.mkdir(exist_ok=True)
            if self._hierarchies.version == 2:
                _delegate(folder)
            return
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # A cpuset that was just made is empty, and no process may enter it.
            if (tree / setting).exists():
                (folder / setting).write_text((tree / setting).read_text())

    def remove(self, patience: float = 5.0) -> None:
        """Remove the groups and all below them, waiting up to `patience` seconds for dying processes to leave."""
        deadline = time.monotonic() + patience
        for folder in self.folders:
            while folder.exists():
                _remove_tree(folder)
                if not folder.exists():
                    break
                if time.monotonic() > deadline:
                    raise AlreadyRunning(
                        f"The cgroup {folder} is in use by processes {_processes(folder)}, which are not of a cluster "
                        "that this kit knows. End them, or choose another cluster name."
                    )
                time.sleep(0.02)


def _delegate(folder: Path) -> None:
    """Let the children of `folder` use the controllers that pods need."""
    there = (folder / "cgroup.controllers").read_text().split()
    active = (folder / "cgroup.subtree_control").read_text().split()
    for controller in DELEGATED:
        if controller in there and controller not in active:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _walk(folder: Path) -> Iterable[Path]:
    """The groups from the leaves up."""
    for child in folder.iterdir():
        if child.is_dir():
            yield from _walk(child)
    yield folder


def _remove_tree(folder: Path) -> None:
    try:
        for group in _walk(folder):
            group.rmdir()
    except OSError:
        return  # busy or gone: the caller looks again


def _processes(folder: Path) -> str:
    found: list[str] = []
    for group in _walk(folder):
        listing = group / "cgroup.procs"
        if listing.exists():
            found += listing.read_text().split()
    return ", ".join(sorted(set(found))[:10]) or "unknown"
