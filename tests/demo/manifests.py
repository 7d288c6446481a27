"""What a user of the demo applies: a registry, and one ModelDeployment in two states."""

from __future__ import annotations

from typing import Any

from demo.names import ALIAS, DEPLOYMENT, HOST, INTERVAL, MODEL_NAME, NAMESPACE

Manifest = dict[str, Any]

MLFLOW_IN_CLUSTER = "http://mlflow.mlflow.svc:5000"
REGISTRY_POLL = "3s"
REPLICAS = 2
LATENCY_OBJECTIVE = "2.5"
"""Seconds; one of the runtime's histogram bounds. Generous, since the demo shares the machine with its own cluster."""
TEMPLATES = [{"name": "request-errors"}, {"name": "latency"}]

# The pauses make each plateau long enough to measure its split to 3 points: see demo.split and the rate in demo.load.
CANARY = {
    "canary": {
        "steps": [
            {"setWeight": 10},
            {"pause": {"duration": "20s"}},
            {"setWeight": 25},
            {"pause": {"duration": "34s"}},
            {"setWeight": 50},
            {"pause": {"duration": "46s"}},
            {"setWeight": 100},
        ],
        "scaleDownDelay": "10s",
    }
}
BLUE_GREEN = {
    "blueGreen": {
        "postPromotionAnalysis": {"templates": TEMPLATES[:1]},
        "autoPromotionDelay": "5s",
        "scaleDownDelay": "10s",
    }
}
PLANNED_WEIGHTS = {0, 10, 25, 50, 100}
"""Every percentage that a version may ever have in the route."""


def foundation() -> list[Manifest]:
    """The namespace and the registry in it."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "steersman.dev/v1alpha1",
            "kind": "ModelRegistry",
            "metadata": {"name": "mlflow", "namespace": NAMESPACE},
            "spec": {"mlflow": {"url": MLFLOW_IN_CLUSTER}, "pollInterval": REGISTRY_POLL},
        },
    ]


def model_deployment(strategy: dict[str, Any]) -> Manifest:
    """The ModelDeployment; its model version is the alias' business."""
    return {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE},
        "spec": {
            "model": {"registry": "mlflow", "name": MODEL_NAME, "alias": ALIAS},
            "runtime": {"name": "mlflow"},
            "replicas": REPLICAS,
            "traffic": {
                "gatewayAPI": {
                    "parentRefs": [{"name": "steersman", "namespace": "projectcontour"}],
                    "hostnames": [HOST],
                }
            },
            "strategy": strategy,
            "analysis": {
                "templates": TEMPLATES,
                "args": [{"name": "slo", "value": LATENCY_OBJECTIVE}],
                "interval": f"{INTERVAL:g}s",
            },
            "progressDeadline": "3m",
        },
    }
