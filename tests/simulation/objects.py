"""Objects to begin with: small and valid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steersman.api.meta import API_VERSION
from steersman.ports import Manifest

GATEWAY = "simulated"
RUNTIME = "simulated"
REGISTRY = "simulated"


def namespace(name: str) -> Manifest:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def runtime(name: str = RUNTIME) -> Manifest:
    """A ClusterServingRuntime whose pods nobody runs."""
    container = {
        "name": "model",
        "image": "simulated",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
    }
    template = {"spec": {"containers": [container]}}
    return _object("ClusterServingRuntime", name, None, {"template": template})


def registry(namespace: str, url: str, *, name: str = REGISTRY, poll_interval: str = "15s") -> Manifest:
    """A ModelRegistry at a URL."""
    return _object("ModelRegistry", name, namespace, {"mlflow": {"url": url}, "pollInterval": poll_interval})


def threshold_template(namespace: str, name: str, query: str, maximum: float) -> Manifest:
    """An AnalysisTemplate with one threshold."""
    metric = {"name": name, "threshold": {"query": query, "max": maximum}}
    return _object("AnalysisTemplate", name, namespace, {"metrics": [metric]})


def sequential_template(namespace: str, name: str = "errors", **judge: Any) -> Manifest:
    """An AnalysisTemplate that compares failures with stable's, on the counters of the simulated metric server."""
    settings = {
        "requests": "steersman_requests_total",
        "failures": 'steersman_requests_total{code=~"5.."}',
        **judge,
    }
    return _object("AnalysisTemplate", name, namespace, {"metrics": [{"name": name, "sequential": settings}]})


def steps(weights: Sequence[int], pause: str) -> list[dict[str, Any]]:
    """Canary steps: a pause after each weight but a last one of 100."""
    made: list[dict[str, Any]] = []
    for weight in weights:
        made.append({"setWeight": weight})
        if weight < 100:
            made.append({"pause": {"duration": pause}})
    return made


def model_deployment(namespace: str, name: str, model: dict[str, Any], **spec: Any) -> Manifest:
    """A ModelDeployment on the simulated Gateway, runtime and registry; `spec` adds to that or replaces it."""
    settings = {
        "model": {"registry": REGISTRY, **model},
        "runtime": {"name": RUNTIME},
        "replicas": 1,
        "traffic": {"gatewayAPI": {"parentRefs": [{"name": GATEWAY}]}},
        **spec,
    }
    return _object("ModelDeployment", name, namespace, settings)


def _object(kind: str, name: str, namespace: str | None, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
