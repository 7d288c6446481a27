"""The parts that a cluster can carry beside Kubernetes: a Gateway, Prometheus, an MLflow server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster import images, manifests
from cluster.binaries import CONTOUR, Binaries, GoModule
from cluster.binaries import PROMETHEUS as PROMETHEUS_MODULE
from cluster.errors import MissingRequirement
from cluster.layout import NODE_ADDRESS
from cluster.manifests import Manifest

GATEWAY_CLASSES = "gateway-api-crds"
CONTOUR_MANIFESTS = "contour-manifests"


@dataclass(frozen=True)
class Part:
    """One part: its image, what is applied for it, and where it is reached."""

    name: str
    image: images.ImageSource
    namespace: str
    service: str
    port: int
    deployments: tuple[str, ...]
    values: Callable[[str, str], Mapping[str, str]]
    """(image name, scrape interval) to the values of its manifest."""
    modules: tuple[GoModule, ...] = ()
    awaited: bool = True
    """Whether `up` waits until it is ready; else whoever asks for its address does."""

    def definitions(self, binaries: Binaries) -> list[Manifest]:
        """Its CustomResourceDefinitions, which must be there before its objects."""
        if self.name != "gateway":
            return []
        found = manifests.load_files(binaries.files(GATEWAY_CLASSES))
        return found + manifests.load_files(self._contour_files(binaries, "01-crds.yaml"))

    def objects(self, binaries: Binaries, image: str, scrape_interval: str) -> list[Manifest]:
        """Its objects, in an order in which they can be made."""
        own = manifests.read(self.name, **self.values(image, scrape_interval))
        if self.name != "gateway":
            return own
        roles = manifests.load_files(self._contour_files(binaries, "02-role-contour.yaml", "02-rbac.yaml"))
        return own[:1] + roles + own[1:]

    @staticmethod
    def _contour_files(binaries: Binaries, *names: str) -> list[Path]:
        return [file for file in binaries.files(CONTOUR_MANIFESTS) if file.name in names]


GATEWAY = Part(
    name="gateway",
    image=images.GATEWAY,
    namespace="projectcontour",
    service="envoy",
    port=80,
    deployments=("contour", "envoy"),
    values=lambda image, _: {"envoy_image": image, "node_address": NODE_ADDRESS},
    modules=(CONTOUR,),
)
PROMETHEUS = Part(
    name="prometheus",
    image=images.PROMETHEUS,
    namespace="monitoring",
    service="prometheus",
    port=9090,
    deployments=("prometheus",),
    values=lambda image, interval: {"prometheus_image": image, "scrape_interval": interval},
    modules=(PROMETHEUS_MODULE,),
)
MLFLOW = Part(
    name="mlflow",
    image=images.MLFLOW,
    namespace="mlflow",
    service="mlflow",
    port=5000,
    deployments=("mlflow",),
    values=lambda image, _: {"mlflow_image": image},
    awaited=False,  # its server takes some ten seconds to import, in which others can get on
)

PARTS = {part.name: part for part in (GATEWAY, PROMETHEUS, MLFLOW)}
ALL_PARTS = frozenset(PARTS)


def choose(names: Iterable[str]) -> list[Part]:
    """The parts of these names. MissingRequirement when there is no such part."""
    wanted = set(names)
    unknown = wanted - ALL_PARTS
    if unknown:
        raise MissingRequirement(
            f"There is no part called {', '.join(sorted(unknown))}; the parts are {', '.join(sorted(ALL_PARTS))}."
        )
    return [part for part in PARTS.values() if part.name in wanted]
