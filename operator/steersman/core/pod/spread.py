"""Keeping pods of different revisions on different nodes."""

from __future__ import annotations

from typing import Any

from steersman.api.capacity import AntiAffinity
from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION

NODE = "kubernetes.io/hostname"


def apart(pod: dict[str, Any], strictness: AntiAffinity, deployment: str, revision: str) -> dict[str, Any]:
    """The PodSpec with a term against pods of the same ModelDeployment's other revisions, after the terms that it has already."""
    term: dict[str, Any] = {
        "topologyKey": NODE,
        "labelSelector": {
            "matchExpressions": [
                {"key": LABEL_DEPLOYMENT, "operator": "In", "values": [deployment]},
                {"key": LABEL_REVISION, "operator": "NotIn", "values": [revision]},
            ]
        },
    }
    affinity = pod.get("affinity") or {}
    terms = affinity.get("podAntiAffinity") or {}
    if strictness == AntiAffinity.REQUIRED:
        field = "requiredDuringSchedulingIgnoredDuringExecution"
    else:
        field, term = "preferredDuringSchedulingIgnoredDuringExecution", {"weight": 100, "podAffinityTerm": term}
    terms = {**terms, field: [*(terms.get(field) or []), term]}
    return {**pod, "affinity": {**affinity, "podAntiAffinity": terms}}
