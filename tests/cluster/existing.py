"""The existing provider: a cluster that the person has, by a context of their kubeconfig.

Images are neither built nor pushed: the cluster pulls them, under the project's names behind a prefix.
"""

from __future__ import annotations

import os
from pathlib import Path

from cluster import binaries
from cluster.archives import BuiltImage
from cluster.borrowed import BorrowedCluster, find_clients
from cluster.cache import Cache
from cluster.errors import ClusterError, MissingRequirement
from cluster.images import ImageSource
from cluster.options import Options
from cluster.parts import choose
from cluster.progress import Progress

CONTEXT_VARIABLE = "STEERSMAN_KUBE_CONTEXT"
PREFIX_VARIABLE = "STEERSMAN_IMAGE_PREFIX"


def image_name(prefix: str, name: str) -> str:
    """The name of a project's image in the registry: `registry.example/team` and steersman/operator:dev together."""
    if not prefix:
        raise MissingRequirement(
            f"The existing cluster has to pull the image {name}, and no registry is named. Build and push the "
            f"project's images, and say where they are with {PREFIX_VARIABLE}=registry.example/team or --image-prefix."
        )
    return f"{prefix.rstrip('/')}/{name}"


class ExistingCluster(BorrowedCluster):
    """A person's own cluster. What the kit installed in it is removed by `down`; the rest is left alone."""

    provider = "existing"

    def __init__(self, options: Options, clients: tuple[Path, Path]) -> None:
        # kubectl's own search: $KUBECONFIG may name several files, which only kubectl can merge.
        named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
        kubeconfig = Path(named) if named else Path.home() / ".kube" / "config"
        context = options.context or os.environ.get(CONTEXT_VARIABLE, "")
        super().__init__(options.name, kubeconfig, clients, parts=options.parts, context=context)
        self._prefix = options.image_prefix or os.environ.get(PREFIX_VARIABLE, "")
        self._namespaces: list[str] = []

    @classmethod
    def start(cls, options: Options, cache: Cache, progress: Progress) -> ExistingCluster:
        """Check that the cluster answers, and install the parts into it."""
        cluster = cls(options, find_clients(cache, progress))
        with progress.step(f"Looking for the cluster of the context '{cluster.context or 'current'}'"):
            try:
                cluster.kubectl("get", "--raw=/readyz", timeout=20)
            except ClusterError as silent:
                raise MissingRequirement(
                    f"The cluster of the kubectl context '{cluster.context or 'current'}' does not answer; check "
                    f"`kubectl --context {cluster.context} get nodes`.\n{silent}"
                ) from silent
        parts = choose(options.parts)
        for part in parts:
            image_name(cluster._prefix, part.image.name)
        there = set(cluster.kubectl("get", "namespaces", "-o=jsonpath={.items[*].metadata.name}").split())
        taken = [part.namespace for part in parts if part.namespace in there]
        if taken:
            raise MissingRequirement(
                f"The existing cluster has the namespaces {', '.join(taken)} already, and the kit does not touch what "
                "it did not make. Choose fewer --parts, or another cluster."
            )
        cluster._namespaces = [part.namespace for part in parts]
        modules = [module for part in parts for module in part.modules]
        try:
            cluster.install_parts(binaries.ensure(modules, cache, progress), options.scrape_interval, progress)
        except BaseException:
            cluster.down()
            raise
        return cluster

    @property
    def env(self) -> dict[str, str]:
        """PATH with the clients; KUBECONFIG as the person has it."""
        inherited = super().env
        del inherited["KUBECACHEDIR"]
        if "KUBECONFIG" in os.environ:
            inherited["KUBECONFIG"] = os.environ["KUBECONFIG"]
        return inherited

    def image(self, name: str) -> str:
        """The image's name in the registry that the cluster pulls from."""
        return image_name(self._prefix, name)

    def build_source(self, source: ImageSource, *, load: bool = True) -> str:
        """Nothing is built: the name under which the cluster pulls the image that the person has pushed."""
        del load
        return self.image(source.name)

    def load_image(self, image: BuiltImage | str) -> None:
        """An existing cluster pulls its images by itself."""
        self.image(image if isinstance(image, str) else image.name)

    def down(self) -> None:
        """Delete the namespaces of the parts that the kit installed."""
        self.close_forwards()
        if self._namespaces:
            self.kubectl("delete", "namespace", *self._namespaces, "--ignore-not-found", timeout=300)
            self._namespaces = []
