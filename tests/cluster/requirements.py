"""Checks, before anything is started, that this machine can carry an embedded cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from cluster.errors import MissingRequirement

GIB = 1 << 30
COLD_SPACE = 14 * GIB
"""Bytes of free disk that building everything takes: Go's build cache and modules, binaries, images."""
WARM_SPACE = 2 * GIB
"""Bytes of free disk that one more cluster needs when everything is built."""

NAMESPACE_FLAGS = ("--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc")


def require_root(uid: Callable[[], int] = os.geteuid) -> None:
    """The embedded cluster makes namespaces, mounts and cgroups."""
    if uid() != 0:
        raise MissingRequirement(
            "The embedded cluster needs root, to make namespaces and mounts. Run the command again with sudo, or use "
            "a cluster of your own with --context NAME."
        )


def try_namespaces() -> str:
    """Make the kinds of namespaces that a cluster uses; an empty string, or why that failed."""
    done = subprocess.run(["unshare", *NAMESPACE_FLAGS, "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")


def require_namespaces(attempt: Callable[[], str] = try_namespaces) -> None:
    """Containers without CAP_SYS_ADMIN, and hardened kernels, refuse them."""
    refusal = attempt()
    if refusal:
        raise MissingRequirement(
            f"This machine does not let the kit make network, mount and process namespaces ({refusal}). In a "
            "container, start it with --privileged; else use a cluster of your own with --context NAME."
        )


def free_bytes(folder: Path) -> int:
    """Free disk at `folder` or its nearest existing parent."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_space(folder: Path, needed: int, free: Callable[[Path], int] = free_bytes) -> None:
    """Fail early rather than in the middle of a build."""
    there = free(folder)
    if there < needed:
        raise MissingRequirement(
            f"{folder} has {there / GIB:.1f} GiB free and this needs {needed / GIB:.0f} GiB. Free some space, or set "
            "STEERSMAN_CACHE to a folder on a larger disk."
        )


def require_architecture(machine: Callable[[], str] = lambda: os.uname().machine) -> str:
    """Go's name for this machine's architecture."""
    names = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    found = machine()
    if found not in names:
        raise MissingRequirement(f"The embedded cluster runs on x86_64 and arm64, not on {found}. Use --context NAME.")
    return names[found]
