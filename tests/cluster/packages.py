"""The Debian packages that the embedded cluster needs, installed when they are missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import run
from cluster.errors import MissingRequirement
from cluster.progress import Progress


@dataclass(frozen=True)
class Package:
    """A Debian package, and the file by which its presence is seen."""

    name: str
    provides: str
    """A program's name, or an absolute path."""


CONTAINERS = (
    Package("containerd", "containerd"),
    Package("containerd", "ctr"),
    Package("runc", "runc"),
    Package("containernetworking-plugins", "/usr/lib/cni/bridge"),
    Package("nftables", "nft"),
    Package("iproute2", "ip"),
    Package("util-linux", "unshare"),
    Package("mount", "mount"),
)
"""What runs a node."""

IMAGE_BUILDING = (
    Package("buildah", "buildah"),
    Package("debootstrap", "debootstrap"),
    Package("debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg"),
)
"""What builds images without Docker."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(program: str) -> Path | None:
    """The program's path, looked up where administrators' programs are too."""
    if program.startswith("/"):
        return Path(program) if Path(program).exists() else None
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":" + SYSTEM_PATH)
    return Path(found) if found else None


def missing(packages: Iterable[Package], look: Callable[[str], Path | None] = find) -> list[str]:
    """The names of the packages whose files are not here, each once, sorted."""
    return sorted({package.name for package in packages if look(package.provides) is None})


def ensure(
    packages: Iterable[Package],
    progress: Progress,
    *,
    look: Callable[[str], Path | None] = find,
    apt: Callable[[list[str]], None] | None = None,
) -> None:
    """Install by apt what is missing."""
    packages = list(packages)
    wanted = missing(packages, look)
    if not wanted:
        return
    if apt is None and look("apt-get") is None:
        raise MissingRequirement(
            f"These programs are missing and this machine has no apt to install them: {', '.join(wanted)}. Install "
            "them with the machine's own package manager, or use a cluster of your own with --context NAME."
        )
    with progress.step(f"Installing packages: {', '.join(wanted)}"):
        (apt or _apt_install)(wanted)
    still = missing(packages, look)
    if still:
        raise MissingRequirement(f"apt installed {', '.join(still)}, but the programs in it were not found afterwards.")


def _apt_install(names: list[str]) -> None:
    # RUNLEVEL=1 keeps the packages' services from being started: the kit runs its own containerd.
    env = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    explain = f"apt could not install {', '.join(names)}; install them by hand and try again"
    try:
        run(install, env=env, error=MissingRequirement, explain=explain)
    except MissingRequirement:
        run(["apt-get", "update"], env=env, error=MissingRequirement, explain=explain)
        run(install, env=env, error=MissingRequirement, explain=explain)
