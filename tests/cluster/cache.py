"""Where the kit keeps what it builds, and the locks that let several processes share it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import MissingRequirement

REPOSITORY = Path(__file__).resolve().parents[2]
"""The root of the project's checkout: the build context of its images."""

KIT = Path(__file__).resolve().parent
"""The folder of this package."""


@dataclass(frozen=True)
class Cache:
    """The folder for everything that outlives one cluster, and for the clusters' own state below `clusters/`."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """$STEERSMAN_CACHE, else steersman in $XDG_CACHE_HOME, which is ~/.cache by default."""
        chosen = os.environ.get("STEERSMAN_CACHE")
        if chosen:
            return cls(Path(chosen).expanduser().resolve())
        return cls(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steersman")

    @property
    def binaries(self) -> Path:
        """Built programs, one folder for each module and content key."""
        return self.root / "binaries"

    @property
    def images(self) -> Path:
        """Image records, layers and buildah's own storage."""
        return self.root / "images"

    @property
    def seeds(self) -> Path:
        """Containerd folders with images already unpacked."""
        return self.root / "seeds"

    @property
    def clusters(self) -> Path:
        """State of the clusters that are up."""
        return self.root / "clusters"

    @property
    def failures(self) -> Path:
        """Logs of clusters that did not come up."""
        return self.root / "failures"

    @contextmanager
    def lock(self, name: str, *, waiting: Callable[[], object] | None = None) -> Iterator[None]:
        """Hold the lock `name` against every other process; `waiting` is called once if another one holds it.

        The kernel drops the lock with the process that held it, however that ended.
        """
        with locked_file(self.root / "locks" / f"{name}.lock", waiting=waiting):
            yield


@contextmanager
def locked_file(path: Path, *, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def take_lock(path: Path, *, shared: bool = False) -> int | None:
    """A file descriptor that holds the lock until it is closed, or None when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last holder removed the file after it was opened here


def clear_unfinished(folder: Path) -> None:
    """Remove what interrupted builds left in `folder`; what a living process builds there, of another kind perhaps, stays."""
    for left in folder.glob(f"{UNFINISHED}*"):
        pid = left.name.rpartition("-")[2]
        if not (pid.isdecimal() and Path("/proc", pid).exists()):
            shutil.rmtree(left, ignore_errors=True)


UNFINISHED = ".unfinished-"


@contextmanager
def finished_folder(target: Path) -> Iterator[Path]:
    """A new folder to build into that becomes `target` at once when the block ends well, and vanishes otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.parent / f"{UNFINISHED}{target.name}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
        if target.exists():  # a folder without its stamp: half removed, or from a kit of another shape
            shutil.rmtree(target)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def valid_name(name: str) -> str:
    """`name` if it can name a cluster (a DNS label of at most 40 characters)."""
    if len(name) > 40 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
        raise MissingRequirement(
            f"'{name}' cannot name a cluster: use at most 40 lower-case letters, digits and dashes, for example 'demo'."
        )
    return name
