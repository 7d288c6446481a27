"""What component tests run against: a real API server, and Prometheus' own programs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.binaries import PROMETHEUS, Binaries, ensure
from cluster.cache import Cache
from cluster.control_plane import ControlPlane
from cluster.definitions import install
from cluster.progress import Progress


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane of this session's own; the caller is cluster-admin. Built from source when the cache is cold."""
    with ControlPlane.up(controllers=True) as made:
        yield made


@pytest.fixture(scope="session")
def provider_kinds(control_plane: ControlPlane) -> ControlPlane:
    """The control plane, serving the kinds of every traffic provider and KEDA's ScaledObject (cluster/definitions.py)."""
    install(control_plane)
    return control_plane


@pytest.fixture(scope="session")
def prometheus_binaries() -> Binaries:
    """`prometheus` and `promtool`, built from source when the cache is cold."""
    return ensure([PROMETHEUS], Cache.default(), Progress())
