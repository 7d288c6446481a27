"""One cluster for all end-to-end tests: built from this checkout, with the operator installed by its Helm chart."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.cluster import Cluster
from cluster.images import OPERATOR
from e2e.workspace import Workspace

CHART = Path(__file__).resolve().parents[2] / "helm" / "steersman"
_numbers = itertools.count(1)


def install(cluster: Cluster, *words: str) -> None:
    """`helm upgrade --install`, as docs/install.md says, with the images that were built here."""
    settings = {"prometheus.url": "http://prometheus.monitoring.svc:9090"}
    for key, name in (("image", "steersman/operator:dev"), ("runtimes.mlflow.image", "steersman/mlflow-runtime:dev")):
        settings[f"{key}.repository"], settings[f"{key}.tag"] = cluster.image(name).rsplit(":", 1)
    chosen = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    place = ("--namespace", "steersman-system", "--create-namespace", "--wait", "--timeout", "3m")
    cluster.helm("upgrade", "--install", "steersman", str(CHART), *place, *chosen, *words)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of this run's own, or the running one that STEERSMAN_TEST_CLUSTER names (for repeated runs while developing)."""
    running = os.environ.get("STEERSMAN_TEST_CLUSTER")
    if running:
        found = Cluster.attach(running)
        found.build_source(OPERATOR)
        install(found)
        found.kubectl("-n", "steersman-system", "rollout", "restart", "deployment/steersman")
        found.kubectl("-n", "steersman-system", "rollout", "status", "deployment/steersman")
        yield found
    else:
        with Cluster.up("e2e", scrape_interval="2s") as fresh:
            install(fresh)
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
