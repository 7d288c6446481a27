"""The CustomResourceDefinitions that a control plane needs: Steersman's, and the Gateway API's routes."""

from __future__ import annotations

from pathlib import Path

from cluster import manifests
from cluster.binaries import CONTOUR, ensure
from cluster.cache import Cache
from cluster.connection import Connection
from cluster.parts import GATEWAY_CLASSES
from cluster.progress import Progress

REPOSITORY = Path(__file__).resolve().parents[2]
ROUTES = ("HTTPRoute", "GRPCRoute")


def install(control_plane: Connection, cache: Cache | None = None, progress: Progress | None = None) -> None:
    """Apply them and wait until they are served. The Gateway API's come with Contour's sources in the cache."""
    built = ensure([CONTOUR], cache or Cache.default(), progress or Progress())
    objects = [
        *manifests.load_files(sorted((REPOSITORY / "crds").glob("*.yaml"))),
        *(
            found
            for found in manifests.load_files(built.files(GATEWAY_CLASSES))
            if found["kind"] == "CustomResourceDefinition" and found["spec"]["names"]["kind"] in ROUTES
        ),
    ]
    control_plane.apply(objects)
    names = [f"customresourcedefinition/{found['metadata']['name']}" for found in objects]
    control_plane.wait("condition=Established", *names)
