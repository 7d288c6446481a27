"""The embedded provider: a real one-node Kubernetes in namespaces of its own, without Docker."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import binaries, certificates, configuration, images, keeping, kubeconfig, manifests, packages, seeds
from cluster.archives import BuiltImage
from cluster.background import Background
from cluster.binaries import Binaries, GoModule
from cluster.cache import Cache
from cluster.cgroups import group_name
from cluster.cluster import Cluster
from cluster.connection import merged_environment
from cluster.errors import BuildFailed, ClusterError, MissingRequirement, NotRunning, StartFailed
from cluster.images import ImageBuilder, ImageSource
from cluster.keeper import Plan, keep_logs
from cluster.keeping import Kept, Start, wait_until
from cluster.layout import API_PORT, API_SERVICE_ADDRESS, DNS_ADDRESS, NODE, NODE_ADDRESS
from cluster.namespaces import enter, run_module
from cluster.options import Options
from cluster.parts import Part, choose
from cluster.progress import Progress
from cluster.requirements import WARM_SPACE, require_namespaces, require_root, require_space

NODE_MODULES = (binaries.KUBERNETES, binaries.ETCD, binaries.COREDNS, binaries.HELM)

EVIDENCE = {
    "pods.txt": ("get", "pods", "--all-namespaces", "--output=wide"),
    "described-pods.txt": ("describe", "pods", "--all-namespaces"),
    "events.txt": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
}
"""What is kept beside the components' logs when a cluster did not come up."""


@dataclass(frozen=True)
class Prepared:
    """Everything that is made once and then lies in the cache."""

    binaries: Binaries
    builder: ImageBuilder
    images: tuple[BuiltImage, ...]
    seed: seeds.Seed


def prepare(options: Options, cache: Cache, progress: Progress) -> Prepared:
    """Check the machine, and install and build what is missing."""
    require_root()
    packages.ensure((*packages.CONTAINERS, *packages.IMAGE_BUILDING), progress)
    require_namespaces()
    require_space(cache.root, WARM_SPACE)
    parts = choose(options.parts)
    modules = [*NODE_MODULES, *(module for part in parts for module in part.modules)]
    sources = [images.PAUSE, *(part.image for part in parts), *options.images]
    built = _build_programs(modules, sources, cache, progress)
    programs = {name: built[name] for part in parts for module in part.modules for name in module.programs}
    builder = ImageBuilder(cache, progress, programs)
    made = tuple(builder.build(source) for source in sources)
    return Prepared(built, builder, made, seeds.ensure(made, builder.layout, cache, progress))


def _build_programs(
    modules: Sequence[GoModule], sources: Sequence[ImageSource], cache: Cache, progress: Progress
) -> Binaries:
    """Build the programs and, as that takes minutes, beside it the images that need none of them."""
    if binaries.all_built(modules, cache):
        return binaries.ensure(modules, cache, progress)
    early = ImageBuilder(cache, progress)
    beside = Background(lambda: [early.build(source) for source in sources if not source.program])
    built = binaries.ensure(modules, cache, progress)
    beside.finish()
    return built


class EmbeddedCluster(Cluster):
    """A cluster that a keeper keeps on this machine."""

    provider = "embedded"

    def __init__(self, kept: Kept, built: Binaries, builder: ImageBuilder, parts: Sequence[str]) -> None:
        super().__init__(kept.state.name, kept.state.kubeconfig, built.kubectl, built.helm, parts=parts)
        self._kept = kept
        self._builder = builder
        self._loaded: set[str] = set()
        self._failures = kept.state.folder.parent.parent / "failures" / kept.state.name

    # ---------------------------------------------------------------- life

    @classmethod
    def start(cls, options: Options, cache: Cache, progress: Progress) -> EmbeddedCluster:
        """Start a cluster; when that fails or is interrupted, nothing of it is left."""
        prepared = prepare(options, cache, progress)
        with progress.step(f"Starting the cluster '{options.name}'"):
            start = Start(cache, options.name)
            held = prepared.seed.hold()
            try:
                plan = cls._lay_out(start, prepared, options)
                kept = start.keep(plan, [held] if held is not None else [])
            finally:
                start.give_up()
                if held is not None:
                    os.close(held)
        cluster = cls(kept, prepared.binaries, prepared.builder, sorted(options.parts))
        try:
            cluster._bring_up(prepared, options, progress)
            if not options.tied:
                kept.detach()
        except BaseException as failed:
            if isinstance(failed, ClusterError):
                cluster.keep_evidence()
            cluster.down()
            if isinstance(failed, ClusterError):
                raise StartFailed(f"{failed}\nWhat its components and pods said is in {cluster._failures}.") from failed
            raise
        return cluster

    @classmethod
    def attached(cls, kept: Kept, cache: Cache, progress: Progress) -> EmbeddedCluster:
        """A cluster that is up already."""
        modules = [*NODE_MODULES, binaries.CONTOUR]
        built = binaries.ensure(modules, cache, progress)
        builder = ImageBuilder(cache, progress, {"contour": built["contour"]})
        parts = (kept.state.folder / "parts").read_text().split()
        cluster = cls(kept, built, builder, parts)
        cluster._owned = False
        return cluster

    @staticmethod
    def _lay_out(start: Start, prepared: Prepared, options: Options) -> Plan:
        """Write everything that the keeper and the node read."""
        state = start.state
        made = certificates.issue_all(
            state.certificates,
            api_addresses=[NODE_ADDRESS, API_SERVICE_ADDRESS],
            node=NODE,
            node_address=NODE_ADDRESS,
        )
        inside = f"https://{NODE_ADDRESS}:{API_PORT}"
        for identity in ("kubelet", "controller-manager", "scheduler", "proxy", "coredns"):
            kubeconfig.write(state.component_kubeconfig(identity), made, identity, inside, context=state.name)
        runc = packages.find("runc")
        containerd = packages.find("containerd")
        if runc is None or containerd is None:
            raise MissingRequirement("runc or containerd vanished from this machine; install them and try again.")
        pause = next(image for image in prepared.images if image.name == images.PAUSE.name)
        configuration.write_node(state, cgroup=group_name(state.name), sandbox_image=pause.full_name, runc=runc)
        (state.folder / "parts").write_text(" ".join(sorted(options.parts)))
        state.containerd.mkdir(exist_ok=True)
        seeds.copy(prepared.seed, state.containerd)
        names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
        programs = {name: str(prepared.binaries[name]) for name in (*names, "etcd", "coredns")}
        return Plan(
            command=run_module("node"),
            isolated=True,
            programs={**programs, "containerd": str(containerd)},
            path=f"{prepared.binaries.path}:{packages.SYSTEM_PATH}",
            failures=str(start.failures),
            seed=str(prepared.seed.folder),
            target=(NODE_ADDRESS, API_PORT),
            api_port=options.api_port,
            # Until it is up, every cluster goes with the process that asked for it.
            tied_to=os.getpid(),
        )

    def _bring_up(self, prepared: Prepared, options: Options, progress: Progress) -> None:
        state = self._kept.state
        folder = certificates.CertificateFolder(state.certificates)
        url = f"https://127.0.0.1:{self._kept.api_port}"
        kubeconfig.write(state.kubeconfig, folder, "admin", url, context=f"steersman-{state.name}")
        with progress.step("Starting Kubernetes"):
            self._wait_for(self._api_is_ready, "The API server", 90)
            parts = choose(options.parts)
            self._apply_definitions(parts, prepared)
            lacking = [image for image in prepared.images if not self._seeded(image, prepared)]
            for image in lacking:
                self._import(image, prepared.seed.blobs)
            self._wait_for(self._node_is_ready, "The node", 90)
        if parts:
            with progress.step(f"Starting {', '.join(part.name for part in parts)}"):
                self._apply_objects(parts, prepared, options)
                for part in parts:
                    if part.awaited:
                        self.await_part(part)

    def _apply_definitions(self, parts: Sequence[Part], prepared: Prepared) -> None:
        first = manifests.read("dns", dns_address=DNS_ADDRESS, node_address=NODE_ADDRESS)
        for part in parts:
            first += part.definitions(prepared.binaries)
        self.apply(first)

    def _apply_objects(self, parts: Sequence[Part], prepared: Prepared, options: Options) -> None:
        objects = [
            found
            for part in parts
            for found in part.objects(prepared.binaries, self.image(part.image.name), options.scrape_interval)
        ]
        self.apply(objects)

    def _api_is_ready(self) -> bool:
        return self._answers("get", "--raw=/readyz")

    def _node_is_ready(self) -> bool:
        wanted = '{.status.conditions[?(@.type=="Ready")].status}/{.spec.taints}'
        try:
            return self.kubectl("get", "node", NODE, f"-o=jsonpath={wanted}", timeout=5) == "True/"
        except ClusterError:
            return False

    def _answers(self, *arguments: str) -> bool:
        try:
            self.kubectl(*arguments, timeout=5)
        except ClusterError:
            return False
        return True

    def _wait_for(self, ready: Callable[[], bool], what: str, timeout: float) -> None:
        wait_until(ready, what, self._kept, self._failures, timeout=timeout)

    def keep_evidence(self) -> None:
        """Keep the components' logs, and what the pods and their events say, after the cluster is gone."""
        keep_logs(self._kept.state, self._failures)
        for name, words in EVIDENCE.items():
            with contextlib.suppress(ClusterError, OSError):
                (self._failures / name).write_text(self.kubectl(*words, timeout=20))

    def down(self) -> None:
        """Take everything down."""
        self._kept.stop()

    # ---------------------------------------------------------------- images

    def build_source(self, source: ImageSource, *, load: bool = True) -> str:
        """Build one of the project's own images."""
        image = self._builder.build(source)
        if load:
            self.load_image(image)
        return image.name

    def load_image(self, image: BuiltImage | str) -> None:
        """Import what the node's containerd lacks of the image; a name means one that was built here before."""
        if isinstance(image, str):
            image = self._builder.built(image)
        if image.manifest.digest not in self._loaded:
            self._import(image, self._node_blobs())
            self._loaded.add(image.manifest.digest)

    @staticmethod
    def _seeded(image: BuiltImage, prepared: Prepared) -> bool:
        return prepared.seed.names.get(image.full_name) == image.manifest.digest

    def _import(self, image: BuiltImage, known: frozenset[str]) -> None:
        containerd = packages.find("containerd")
        if containerd is None:
            raise MissingRequirement("containerd vanished from this machine; install it and try again.")
        command = seeds.import_command(self._kept.first, containerd)
        try:
            self._builder.layout.send(image, command, without=known)
        except BuildFailed:
            # Containerd throws away what no image uses any more, perhaps since `known` was found.
            self._builder.layout.send(image, command)

    def _node_blobs(self) -> frozenset[str]:
        folder = self._kept.state.containerd / seeds.BLOBS
        return frozenset(blob.name for blob in folder.iterdir())

    # ---------------------------------------------------------------- inside

    def forward(self, namespace: str, service: str, port: int, *, listen: int = 0) -> str:
        """Carry a loopback port to the Service's cluster address."""
        address = self.kubectl("get", "service", service, f"--namespace={namespace}", "-o=jsonpath={.spec.clusterIP}")
        if not re.fullmatch(r"[0-9.]+", address):
            raise NotRunning(
                f"The Service {namespace}/{service} has no cluster address, so nothing can be carried to it."
            )
        return f"http://127.0.0.1:{self._kept.forward(address, port, listen)}"

    def run_inside(
        self, command: Sequence[str | Path], *, namespaces: Sequence[str] = ("net",), timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the node's namespaces."""
        return subprocess.run(
            enter(self._kept.first, command, namespaces),
            env=merged_environment(self.env),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def component_log(self, component: str) -> str:
        """What a component has written so far."""
        file = self._kept.state.logs / f"{component}.log"
        if not file.is_file():
            there = ", ".join(sorted(log.stem for log in self._kept.state.logs.glob("*.log")))
            raise NotRunning(f"The cluster '{self.name}' has no component {component}; it has {there}.")
        return file.read_text(errors="replace")


def ensure_down(cache: Cache, name: str) -> bool:
    """Take the embedded cluster of that name down, or remove what is left of it; whether there was anything."""
    kept = keeping.find(cache, name)
    if kept is not None:
        kept.stop()
        return True
    return keeping.clear_stale(cache, name)


__all__ = ["EmbeddedCluster", "ensure_down", "prepare"]
