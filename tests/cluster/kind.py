"""The kind provider: Kubernetes in a Docker container, where Docker runs and can pull kind's node image."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cluster import binaries
from cluster.archives import BuiltImage
from cluster.binaries import Binaries
from cluster.borrowed import BorrowedCluster, find_clients
from cluster.cache import Cache
from cluster.commands import run
from cluster.errors import AlreadyRunning, BuildFailed, ClusterError, NotRunning, StartFailed
from cluster.images import ImageSource
from cluster.options import Options
from cluster.parts import choose
from cluster.progress import Progress

NODE_IMAGE = "kindest/node:v1.35.0"
PYTHON_IMAGE = "python:3.13-slim-bookworm"
KIND_PREFIX = "steersman-"


def succeeds(command: list[str], timeout: float = 30.0) -> bool:
    """Whether the command exists and ends well in time."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def usable(attempt: Callable[..., bool] = succeeds) -> bool:
    """Whether kind is installed, a Docker daemon answers, and the node image is here or can be pulled."""
    return (
        attempt(["kind", "version"])
        and attempt(["docker", "info"])
        and (
            attempt(["docker", "image", "inspect", NODE_IMAGE]) or attempt(["docker", "pull", NODE_IMAGE], timeout=600)
        )
    )


class KindCluster(BorrowedCluster):
    """A cluster that kind runs."""

    provider = "kind"

    def __init__(
        self, name: str, kubeconfig: Path, clients: tuple[Path, Path], parts: frozenset[str], built: Binaries
    ) -> None:
        super().__init__(name, kubeconfig, clients, parts=parts)
        self._built = built

    @classmethod
    def start(cls, options: Options, cache: Cache, progress: Progress) -> KindCluster:
        """Create the cluster, build and load the images, and install the parts."""
        kind_name = KIND_PREFIX + options.name
        if kind_name in names():
            raise AlreadyRunning(
                f"A kind cluster named '{kind_name}' is up already. Use it (--reuse), take it down first (down --name "
                f"{options.name}), or choose another --name."
            )
        parts = choose(options.parts)
        built = binaries.ensure([module for part in parts for module in part.modules], cache, progress)
        folder = cache.root / "kind" / options.name
        folder.mkdir(parents=True, exist_ok=True)
        cluster = cls(options.name, folder / "kubeconfig", find_clients(cache, progress), options.parts, built)
        (folder / "parts").write_text(" ".join(sorted(options.parts)))
        try:
            with progress.step(f"Creating the kind cluster '{kind_name}'"):
                run(
                    ["kind", "create", "cluster", f"--name={kind_name}", f"--image={NODE_IMAGE}", "--wait=120s",
                     f"--kubeconfig={cluster.kubeconfig}"],
                    error=StartFailed,
                    explain="kind could not create the cluster; choose --provider embedded to do without Docker",
                )  # fmt: skip
            for source in [*(part.image for part in parts), *options.images]:
                with progress.step(f"Building and loading {source.name}"):
                    cluster.build_source(source)
            cluster.install_parts(built, options.scrape_interval, progress)
        except BaseException:
            cluster.down()
            raise
        return cluster

    @classmethod
    def attached(cls, name: str, cache: Cache, progress: Progress) -> KindCluster:
        """A kind cluster that this kit has created before."""
        folder = cache.root / "kind" / name
        if KIND_PREFIX + name not in names() or not (folder / "kubeconfig").exists():
            raise NotRunning(f"No kind cluster named '{KIND_PREFIX + name}' of this kit is up.")
        parts = frozenset((folder / "parts").read_text().split())
        built = binaries.ensure([module for part in choose(parts) for module in part.modules], cache, progress)
        cluster = cls(name, folder / "kubeconfig", find_clients(cache, progress), parts, built)
        cluster._owned = False
        return cluster

    def build_source(self, source: ImageSource, *, load: bool = True) -> str:
        """Build one of the project's own images by Docker."""
        if source.parent is not None:
            self.build_source(source.parent, load=False)
        start = source.parent.name if source.parent else PYTHON_IMAGE
        with tempfile.TemporaryDirectory() as folder:
            if source.program:
                shutil.copy2(self._built[source.program], folder)
                source = replace(source, context=Path(folder))
            run(build_command(source, start), error=BuildFailed, explain=f"Building the image {source.name} failed")
        if load:
            self.load_image(source.name)
        return source.name

    def load_image(self, image: BuiltImage | str) -> None:
        """Copy an image of Docker's into kind's node."""
        name = image if isinstance(image, str) else image.name
        run(
            ["kind", "load", "docker-image", name, f"--name={KIND_PREFIX}{self.name}"],
            error=BuildFailed,
            explain=f"The image {name} could not be loaded into kind",
        )

    def down(self) -> None:
        """Delete the cluster."""
        self.close_forwards()
        run(
            ["kind", "delete", "cluster", f"--name={KIND_PREFIX}{self.name}"],
            explain="kind could not delete the cluster",
        )
        shutil.rmtree(self.kubeconfig.parent, ignore_errors=True)


def build_command(source: ImageSource, start: str) -> list[str]:
    """The `docker build` of an image that starts from the image `start`."""
    command = ["docker", "build", "--tag", source.name, "--file", str(source.dockerfile)]
    for name, value in {**source.arguments, source.parent_argument: start}.items():
        command += ["--build-arg", f"{name}={value}"]
    return [*command, str(source.context)]


def names() -> list[str]:
    """The names of kind's clusters; none when kind is not installed."""
    if shutil.which("kind", path=os.environ.get("PATH")) is None:
        return []
    try:
        return run(["kind", "get", "clusters"]).split()
    except ClusterError:
        return []
