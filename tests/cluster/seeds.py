"""Containerd folders in which the images are unpacked already, so that a cluster starts without importing them.

A seed is made once by a containerd that runs in namespaces of its own and imports the images. A cluster gets copies
of its two small databases, hard links to its blobs, and the unpacked layers mounted read-only into place; what the
cluster unpacks or runs goes into folders of its own. So one seed serves many clusters at once and never changes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cluster.archives import BuiltImage, ImageLayout
from cluster.cache import KIT, Cache, clear_unfinished, finished_folder, take_lock
from cluster.commands import run
from cluster.configuration import CONTAINERD_SOCKET, containerd
from cluster.errors import BuildFailed
from cluster.namespaces import below, children, isolate, run_module
from cluster.packages import SYSTEM_PATH, find
from cluster.progress import Progress

SNAPSHOTS = Path("io.containerd.snapshotter.v1.overlayfs/snapshots")
DATABASES = (
    Path("io.containerd.metadata.v1.bolt/meta.db"),
    Path("io.containerd.snapshotter.v1.overlayfs/metadata.db"),
)
BLOBS = Path("io.containerd.content.v1.content/blobs/sha256")
STAMP = "seed.json"
TOLERATED = 48 << 20
"""Bytes that a cluster rather imports by itself than have a new seed made for them (less than a second)."""
KEPT = 2
"""Seeds kept, beside those in use."""


@dataclass(frozen=True)
class Seed:
    """A containerd folder in the cache and the blobs that it holds."""

    folder: Path
    blobs: frozenset[str]
    names: Mapping[str, str]
    """Full image name to the digest of its manifest."""

    @classmethod
    def read(cls, folder: Path) -> Seed | None:
        """The seed in `folder`, or None when it is not whole."""
        try:
            stamp = json.loads((folder / STAMP).read_text())
            blobs, names = frozenset(stamp["blobs"]), dict(stamp["names"])
        except (OSError, ValueError, KeyError):
            return None
        if not all((folder / database).is_file() for database in DATABASES):
            return None
        return cls(folder, blobs, names)

    def missing_bytes(self, images: Sequence[BuiltImage]) -> int:
        """The bytes of these images' blobs that the seed lacks."""
        lacking = {blob.digest: blob.size for image in images for blob in image.blobs if blob.digest not in self.blobs}
        return sum(lacking.values())

    def hold(self) -> int | None:
        """A descriptor that keeps the seed from being removed until it is closed."""
        return take_lock(_lock_path(self.folder), shared=True)


def ensure(images: Sequence[BuiltImage], layout: ImageLayout, cache: Cache, progress: Progress) -> Seed:
    """The seed that spares most of `images`' bytes; a new one when none spares enough."""
    with cache.lock("seeds", waiting=lambda: progress.say("Another process is preparing images; waiting for it")):
        seeds = [seed for folder in _folders(cache) if (seed := Seed.read(folder))]
        best = min(seeds, key=lambda seed: seed.missing_bytes(images), default=None)
        if best is not None and best.missing_bytes(images) <= TOLERATED:
            os.utime(best.folder)
            return best
        clear_unfinished(cache.seeds)
        target = cache.seeds / f"seed-{time.time_ns():x}"
        title = f"Unpacking {len(images)} images for the clusters to start from"
        with progress.step(title), finished_folder(target) as work:
            if best is not None:
                grow_from(best, work)
            _fill(work, images, layout, best)
        _remove_older(cache)
        made = Seed.read(target)
        if made is None:
            raise BuildFailed(f"The seed {target} was made but is not whole; see {cache.root / 'logs'}.")
        return made


def copy(seed: Seed, root: Path) -> None:
    """Make `root` a containerd folder that starts out as the seed; mount_snapshots completes it."""
    for database in DATABASES:
        (root / database).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(seed.folder / database, root / database)
    (root / BLOBS).mkdir(parents=True, exist_ok=True)
    (root / BLOBS.parent.parent / "ingest").mkdir(exist_ok=True)
    for blob in (seed.folder / BLOBS).iterdir():
        _link_or_copy(blob, root / BLOBS / blob.name)
    (root / SNAPSHOTS).mkdir(mode=0o700)
    for snapshot in (seed.folder / SNAPSHOTS).iterdir():
        (root / SNAPSHOTS / snapshot.name).mkdir(mode=0o700)


def grow_from(seed: Seed, work: Path) -> None:
    """Let a new seed begin as a copy, its files links to the old one's: containerd adds layers, and alters none."""
    for database in DATABASES:
        (work / database).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(seed.folder / database, work / database)
    for folder in (BLOBS, SNAPSHOTS):
        (work / folder).parent.mkdir(parents=True, exist_ok=True)
        run(
            ["cp", "--archive", "--link", seed.folder / folder, work / folder],
            error=BuildFailed,
            explain=f"The prepared images in {seed.folder} could not be copied; remove {seed.folder} and try again",
        )


def mount_snapshots(seed: Path, root: Path) -> None:
    """Mount the seed's unpacked layers read-only into the copy at `root`; called inside the cluster's mounts."""
    for snapshot in sorted((seed / SNAPSHOTS).iterdir()):
        target = root / SNAPSHOTS / snapshot.name
        subprocess.run(["mount", "--bind", "-o", "ro", str(snapshot), str(target)], check=True)


def import_command(process: int, containerd_program: Path) -> list[str]:
    """The command that imports an archive from its standard input into the containerd below `process`'s root."""
    ctr = find("ctr")
    if ctr is None:
        raise BuildFailed("ctr, which comes with containerd, was not found.")
    socket = below(process, CONTAINERD_SOCKET)
    command = [str(ctr), "--address", str(socket), "--namespace", "k8s.io", "images", "import", "--digests=false"]
    version = run([containerd_program, "--version"])
    if " v2." in version or " 2." in version:
        command.append("--local")  # 2.0's transfer service wants every blob in the archive
    return [*command, "-"]


def _folders(cache: Cache) -> list[Path]:
    return sorted(cache.seeds.glob("seed-*"), key=lambda path: path.stat().st_mtime, reverse=True)


def _lock_path(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.lock"


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or a file system without hard links
        shutil.copyfile(source, target)


def _remove_older(cache: Cache) -> None:
    for folder in _folders(cache)[KEPT:]:
        lock = take_lock(_lock_path(folder))
        if lock is None:
            continue  # a cluster runs from it
        shutil.rmtree(folder, ignore_errors=True)
        _lock_path(folder).unlink(missing_ok=True)
        os.close(lock)


def _fill(work: Path, images: Sequence[BuiltImage], layout: ImageLayout, begun: Seed | None) -> None:
    """Run a containerd with its root in `work` and import what of `images` the seed that it began as lacks."""
    program = find("containerd")
    if program is None:
        raise BuildFailed("containerd was not found.")
    configuration = work / "containerd.toml"
    configuration.write_text(
        containerd(root=str(work), network_folder="/nonexistent", sandbox_image="", runc="runc", with_cri=False)
    )
    log = work / "containerd.log"
    with log.open("wb") as output:
        runner = subprocess.Popen(
            isolate([*run_module("seeds"), str(program), str(configuration)]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(KIT.parent)},
            start_new_session=True,
        )
    try:
        process = _wait_for_containerd(runner, log)
        command = import_command(process, program)
        known = set(begun.blobs) if begun else set()
        names = dict(begun.names) if begun else {}
        for image in images:
            if names.get(image.full_name) == image.manifest.digest:
                continue
            names[image.full_name] = image.manifest.digest
            layout.send(image, command, without=frozenset(known))
            known.update(blob.digest for blob in image.blobs)
        # Containerd closes its databases when it is asked to end, and process 1 with it.
        for child in children(process):
            with suppress(ProcessLookupError):
                os.kill(child, 15)
        runner.wait(timeout=30)
    except subprocess.TimeoutExpired as late:
        raise BuildFailed("The containerd that prepares images did not end when it was asked to; try again.") from late
    finally:
        runner.kill()
        runner.wait()
    for blob in (work / BLOBS).iterdir():
        layout.share(blob)
    stamp = {
        "blobs": sorted(blob.name for blob in (work / BLOBS).iterdir()),
        "names": names,
    }
    (work / STAMP).write_text(json.dumps(stamp))


def _wait_for_containerd(runner: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if runner.poll() is not None:
            break
        for process in children(runner.pid):
            if below(process, CONTAINERD_SOCKET).exists():
                return process
        time.sleep(0.05)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    raise BuildFailed(f"The containerd that prepares images did not start; the end of its log:\n{tail}")


def main() -> None:
    """Process 1 of the namespaces in which a seed is made."""
    program, configuration = sys.argv[1:]
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    child = subprocess.Popen([program, "--config", configuration], env={"PATH": SYSTEM_PATH})
    sys.exit(child.wait())
