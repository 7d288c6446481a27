"""The images that clusters run, and building them by buildah without Docker, a daemon or a registry."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster import base_image, pip_settings
from cluster.archives import BuiltImage, ImageLayout
from cluster.cache import KIT, REPOSITORY, Cache
from cluster.commands import run, stream
from cluster.dockerfiles import content_key
from cluster.errors import BuildFailed
from cluster.packages import SYSTEM_PATH
from cluster.progress import Progress

KEPT_STEPS = 40
"""Build steps without a name that buildah keeps, to spare their repetition; a heavy one has a gigabyte."""
KEPT_BUILDS = 3
"""Builds of one image that are kept, for people who go back and forth between branches."""


@dataclass(frozen=True)
class ImageSource:
    """An image and what it is built from."""

    name: str
    """The name under which manifests use it."""
    dockerfile: Path
    context: Path = REPOSITORY
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Build arguments beside those below."""
    parent: ImageSource | None = None
    """The image that it starts from, when that is built here too."""
    parent_argument: str = "BASE_IMAGE"
    """The build argument that names the image to start from."""
    program: str = ""
    """A program of the cache that the Dockerfile copies: the context is then a folder with it alone."""


OPERATOR = ImageSource("steersman/operator:dev", REPOSITORY / "Dockerfile")
MLFLOW_RUNTIME = ImageSource(
    "steersman/mlflow-runtime:dev", REPOSITORY / "operator" / "steersman_server" / "Dockerfile"
)
LOOP_TRAINER = ImageSource(
    "steersman/loop-trainer:dev",
    REPOSITORY / "examples" / "loop" / "Dockerfile",
    parent=MLFLOW_RUNTIME,
    parent_argument="RUNTIME_IMAGE",
)
PAUSE = ImageSource("steersman/test-pause:dev", KIT / "images" / "pause" / "Dockerfile", KIT / "images" / "pause")
PROMETHEUS = ImageSource(
    "steersman/test-prometheus:dev",
    KIT / "images" / "prometheus" / "Dockerfile",
    KIT / "images" / "prometheus",
    program="prometheus",
)
GATEWAY = ImageSource(
    "steersman/test-envoy:dev", KIT / "images" / "gateway" / "Dockerfile", KIT / "images" / "gateway", program="contour"
)
MLFLOW = ImageSource(
    "steersman/test-mlflow:dev",
    KIT / "images" / "mlflow" / "Dockerfile",
    KIT / "images" / "mlflow",
    parent=MLFLOW_RUNTIME,
    parent_argument="RUNTIME_IMAGE",
)


class ImageBuilder:
    """Builds images into the cache's layout; what did not change is not built again."""

    def __init__(self, cache: Cache, progress: Progress, programs: Mapping[str, Path] | None = None) -> None:
        self._cache = cache
        self._progress = progress
        self._programs = programs or {}
        self.layout = ImageLayout(cache.images / "layout")

    def build(self, source: ImageSource) -> BuiltImage:
        """The image, built when anything that goes into it changed."""
        if not source.dockerfile.is_file():
            raise BuildFailed(f"The image {source.name} has no Dockerfile: {source.dockerfile} is missing.")
        parent = self.build(source.parent) if source.parent else None
        with self._context(source) as context:
            key = self.key(source, context, parent)
            if (image := self._recorded(source, key)) is not None:
                return image
            with self._cache.lock(
                "images", waiting=lambda: self._progress.say("Another process is building images; waiting for it")
            ):
                if (image := self._recorded(source, key)) is None:
                    with self._progress.step(f"Building the image {source.name}"):
                        image = self._build(source, context, key)
                return image

    def built(self, name: str) -> BuiltImage:
        """The newest build of the image of that name. BuildFailed when it was never built."""
        folder = self._cache.images / "records" / _slug(name)
        for record in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True):
            image = BuiltImage.from_json(record.read_text())
            if self.layout.holds(image):
                return image
        raise BuildFailed(f"The image {name} has not been built here; build it first.")

    def key(self, source: ImageSource, context: Path, parent: BuiltImage | None) -> str:
        """The content address of the image."""
        parents = [parent.manifest.digest if parent else base_image.key()]
        return content_key(source.dockerfile, context, source.arguments, parents)

    @contextlib.contextmanager
    def _context(self, source: ImageSource) -> Iterator[Path]:
        if not source.program:
            yield source.context
            return
        program = self._programs[source.program]
        with tempfile.TemporaryDirectory(dir=_made(self._cache.images), prefix="context-") as folder:
            target = Path(folder) / source.program
            try:
                os.link(program, target)
            except OSError:
                shutil.copy2(program, target)
            yield Path(folder)

    # ---------------------------------------------------------------- records of what was built

    def _records(self, source: ImageSource) -> Path:
        return self._cache.images / "records" / _slug(source.name)

    def _recorded(self, source: ImageSource, key: str) -> BuiltImage | None:
        record = self._records(source) / f"{key}.json"
        try:
            image = BuiltImage.from_json(record.read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not self.layout.holds(image):
            return None
        os.utime(record)
        return image

    def _all_recorded(self) -> Iterator[BuiltImage]:
        for record in (self._cache.images / "records").glob("*/*.json"):
            try:
                yield BuiltImage.from_json(record.read_text())
            except (ValueError, KeyError, TypeError):
                record.unlink()

    # ---------------------------------------------------------------- buildah

    def _build(self, source: ImageSource, context: Path, key: str) -> BuiltImage:
        # Left by a build that was killed, with its file system still mounted: nobody else builds at this moment.
        run([*self._buildah(), "rm", "--all"], env=self._environment())
        start = self._start_image(source)
        arguments = {**source.arguments, source.parent_argument: start}
        reference = f"{storage_name(source.name)}:{key}"
        log = self._cache.root / "logs" / f"image-{self._records(source).name}.log"
        explain = f"Building the image {source.name} failed"
        with self._mounts() as mounts:
            command = [*self._buildah(), "build", "--isolation=chroot", "--layers", "--pull=never", *self._policy()]
            for name, value in arguments.items():
                command += ["--build-arg", f"{name}={value}"]
            command += [*mounts, "--tag", reference, "--file", str(source.dockerfile), str(context)]
            stream(command, lambda _: None, env=self._environment(), log=log, error=BuildFailed, explain=explain)
        image = self._export(source.name, reference)
        for old in self._forget_older(source):
            run([*self._buildah(), "rmi", f"{storage_name(source.name)}:{old}"], env=self._environment())
        self._forget_steps()
        records = _made(self._records(source))
        (records / f"{key}.json").write_text(image.to_json())
        self.layout.prune([*self._all_recorded(), image])
        return image

    def _start_image(self, source: ImageSource) -> str:
        """The name, in buildah's storage, of the image that `source` starts from."""
        if source.parent is None:
            return self._base()
        parent = self.build_reference(source.parent)
        if not self._stored(parent):
            raise BuildFailed(
                f"The image {source.parent.name} is not in buildah's storage; remove {self._cache.images}."
            )
        return parent

    def build_reference(self, source: ImageSource) -> str:
        """The name of a built image in buildah's storage."""
        with self._context(source) as context:
            parent = self.build(source.parent) if source.parent else None
            return f"{storage_name(source.name)}:{self.key(source, context, parent)}"

    def _base(self) -> str:
        reference = f"localhost/steersman-base:{base_image.key()}"
        if not self._stored(reference):
            context = base_image.ensure_context(self._cache, self._progress)
            run(
                [*self._buildah(), "build", "--isolation=chroot", *self._policy(), "--tag", reference, str(context)],
                env=self._environment(),
                error=BuildFailed,
                explain="The base image could not be stored",
            )
        return reference

    def _export(self, name: str, reference: str) -> BuiltImage:
        # Into a plain folder, because only there buildah leaves the layers uncompressed: a gigabyte would take half a
        # minute to compress, and as long again to unpack.
        with tempfile.TemporaryDirectory(dir=self._cache.images, prefix="export-") as scratch:
            push = ["push", "--quiet", "--disable-compression", "--format=oci", *self._policy()]
            run(
                [*self._buildah(), *push, reference, f"dir:{scratch}"],
                env=self._environment(),
                error=BuildFailed,
                explain=f"The image {name} could not be written into the cache",
            )
            return self.layout.adopt(name, Path(scratch))

    def _forget_older(self, source: ImageSource) -> list[str]:
        """Drop the records of the oldest builds of this image; their keys."""
        records = sorted(self._records(source).glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        dropped = []
        for record in records[KEPT_BUILDS - 1 :]:
            record.unlink()
            if self._stored(f"{storage_name(source.name)}:{record.stem}"):
                dropped.append(record.stem)
        return dropped

    def _forget_steps(self) -> None:
        """Remove the oldest build steps, other than those that newer ones build upon."""
        steps = [image for image in self._stored_images("--all") if not image.get("names")]
        steps.sort(key=lambda image: str(image["createdatraw"]), reverse=True)
        for old in steps[KEPT_STEPS:]:
            with contextlib.suppress(BuildFailed):
                run([*self._buildah(), "rmi", str(old["id"])], env=self._environment(), error=BuildFailed)

    def _stored(self, reference: str) -> bool:
        return any(reference in (image.get("names") or []) for image in self._stored_images())

    def _stored_images(self, *flags: str) -> list[dict[str, Any]]:
        listed = run(
            [*self._buildah(), "images", "--json", *flags],
            env=self._environment(),
            error=BuildFailed,
            explain="buildah could not list its images",
        )
        return json.loads(listed or "[]") or []

    def _buildah(self) -> list[str]:
        storage = _made(self._cache.images / "storage")
        return [
            "buildah",
            "--root",
            str(storage),
            "--runroot",
            str(self._cache.images / "run"),
            "--storage-driver=overlay",
        ]

    def _policy(self) -> list[str]:
        # Debian puts the default policy into a package that buildah only recommends.
        policy = _made(self._cache.images) / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        return ["--signature-policy", str(policy)]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "") + ":" + SYSTEM_PATH,
            "TMPDIR": str(_made(self._cache.images / "tmp")),
            "BUILDAH_FORMAT": "oci",
        }

    @contextlib.contextmanager
    def _mounts(self) -> Iterator[list[str]]:
        """Volumes for a build: pip's downloads, this machine's pip settings and its certificate authorities."""
        settings = pip_settings.collect(os.environ, pip_settings.configuration_files(Path.home()))
        with tempfile.TemporaryDirectory(dir=_made(self._cache.images)) as folder:
            # It may hold a password for a package index, so it is readable to its owner alone.
            configuration = Path(folder) / "pip.conf"
            configuration.touch(mode=0o600)
            configuration.write_text(settings.text)
            volumes = [f"{_made(self._cache.root / 'pip')}:/root/.cache/pip", f"{configuration}:/etc/pip.conf:ro"]
            volumes += [f"{place}:{place}:ro" for place in settings.folders]
            if bundle := pip_settings.certificate_bundle(os.environ):
                volumes.append(f"{bundle.resolve()}:{pip_settings.CERTIFICATES}:ro")
            yield [word for volume in volumes for word in ("--volume", volume)]


def storage_name(name: str) -> str:
    """The image's name in buildah's storage, without a tag."""
    return f"localhost/{name.rsplit(':', 1)[0]}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
