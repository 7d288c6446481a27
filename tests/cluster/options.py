"""What can be chosen about a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.images import MLFLOW_RUNTIME, OPERATOR, ImageSource
from cluster.parts import ALL_PARTS


@dataclass(frozen=True)
class Options:
    """The choices for one cluster."""

    name: str = "steersman"
    parts: frozenset[str] = ALL_PARTS
    images: tuple[ImageSource, ...] = (OPERATOR, MLFLOW_RUNTIME)
    """Images of the project that are built and loaded beside those of the parts."""
    scrape_interval: str = "5s"
    """How often Prometheus scrapes, as Prometheus writes durations."""
    tied: bool = True
    """Whether the cluster ends with the process that asked for it, however that ends."""
    api_port: int = 0
    """The loopback port of the API server; 0 for a free one."""
    context: str = ""
    """The kubectl context of the provider `existing`."""
    image_prefix: str = ""
    """What stands before the project's image names in a registry that an existing cluster pulls from."""
