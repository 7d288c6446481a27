"""The Service that is named as the ModelDeployment, in front of its revisions."""

from __future__ import annotations

from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION
from steersman.api.runtime import HTTP_PORT
from steersman.core.snapshot import Manifest
from steersman.core.traffic import TrafficIntent


def front_service(intent: TrafficIntent, revision: str) -> Manifest:
    """A Service named as the ModelDeployment on one revision's pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": intent.deployment},
        "spec": {
            "selector": {LABEL_DEPLOYMENT: intent.deployment, LABEL_REVISION: revision},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": HTTP_PORT}],
        },
    }
