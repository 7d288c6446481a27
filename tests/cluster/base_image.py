"""The root file system that images start from where no registry can be reached: Debian with Python, by debootstrap."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from cluster.cache import Cache, clear_unfinished, finished_folder
from cluster.commands import stream
from cluster.errors import BuildFailed
from cluster.packages import SYSTEM_PATH
from cluster.progress import Progress

SUITE = "bookworm"
INCLUDED = ("ca-certificates", "python3", "python3-pip", "python3-venv")
LEFT_OUT = (
    "./var/cache/apt/*.bin",
    "./var/cache/apt/archives/*.deb",
    "./var/lib/apt/lists/*",
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./var/log/*",
    "./dev/*",
)
RECIPE = 1
"""Raised when what happens to the root file system below changes."""

DOCKERFILE = """\
FROM scratch
ADD root.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["python3"]
"""


def key() -> str:
    """The content address of the base image's recipe."""
    recipe = [SUITE, INCLUDED, LEFT_OUT, RECIPE, DOCKERFILE, os.uname().machine]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]


def ensure_context(cache: Cache, progress: Progress) -> Path:
    """A build context with the packed root file system and its Dockerfile; made when the cache has none."""
    target = cache.images / f"base-{key()}"
    if (target / "Dockerfile").exists():
        return target
    with cache.lock("base-image", waiting=lambda: progress.say("Another process is making the base image; waiting")):
        if not (target / "Dockerfile").exists():
            for older in cache.images.glob("base-*"):
                shutil.rmtree(older)
            clear_unfinished(cache.images)
            with finished_folder(target) as work:
                _make(work, progress, cache.root / "logs" / "base-image.log")
    return target


def _make(work: Path, progress: Progress, log: Path) -> None:
    root = work / "root"
    path = {"PATH": os.environ.get("PATH", "") + ":" + SYSTEM_PATH}
    mirror = os.environ.get("STEERSMAN_DEBIAN_MIRROR")  # debootstrap's own choice when unset
    # In a mount namespace of its own, so that nothing stays mounted when it is interrupted.
    command = [
        "unshare",
        "--mount",
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(INCLUDED)}",
        SUITE,
        str(root),
    ]
    explain = "The base image could not be made; check the way to the Debian mirror (STEERSMAN_DEBIAN_MIRROR sets one)"
    with progress.step(f"Making the base image (Debian {SUITE} with Python)") as step:
        done = 0

        def count(line: str) -> None:
            nonlocal done
            # debootstrap retrieves, unpacks and configures each of its packages, about 130 of them.
            done += line.startswith(("I: Retrieving", "I: Validating", "I: Unpacking", "I: Configuring"))
            step.update(done, max(done, 560), "steps")

        stream(command + ([mirror] if mirror else []), count, env=path, log=log, error=BuildFailed, explain=explain)
        _finish(root)
        exclude = [f"--exclude={pattern}" for pattern in LEFT_OUT]
        # The same tree gives the same bytes, hence the same layer.
        pack = ["tar", "--numeric-owner", "--xattrs", "--sort=name", "--mtime=@0", *exclude]
        stream([*pack, "-C", root, "-cf", work / "root.tar", "."], lambda _: None, error=BuildFailed, explain=explain)
        shutil.rmtree(root)
        (work / "Dockerfile").write_text(DOCKERFILE)


def _finish(root: Path) -> None:
    """Make the system's Python look as in the public Python images: `python`, and a pip that installs."""
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
