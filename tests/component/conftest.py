"""A real API server for the session: etcd, kube-apiserver and the controllers, without a node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane of this session's own; the caller is cluster-admin. Built from source when the cache is cold."""
    with ControlPlane.up(controllers=True) as made:
        yield made
