"""One cluster for all end-to-end tests: built from this checkout, with the operator installed by its Helm chart."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator

import pytest

from cluster.cluster import Cluster
from cluster.images import MLFLOW_RUNTIME, OPERATOR
from demo.installation import install_operator
from e2e.workspace import Workspace

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of this run's own, or the running one that STEERSMAN_TEST_CLUSTER names (for repeated runs while developing)."""
    running = os.environ.get("STEERSMAN_TEST_CLUSTER")
    if running:
        found = Cluster.attach(running)
        found.build_source(OPERATOR)
        found.build_source(MLFLOW_RUNTIME)
        install_operator(found)
        found.kubectl("-n", "steersman-system", "rollout", "restart", "deployment/steersman")
        found.kubectl("-n", "steersman-system", "rollout", "status", "deployment/steersman")
        yield found
    else:
        with Cluster.up("e2e", scrape_interval="2s") as fresh:
            install_operator(fresh)
            yield fresh


@pytest.fixture
def workspace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A fresh namespace that enforces the restricted Pod Security Standard."""
    base = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_")).strip("-")[:24].strip("-")
    name = f"{base}-{os.getpid() % 10000}-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield Workspace(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
