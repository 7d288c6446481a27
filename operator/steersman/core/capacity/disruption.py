"""Pods that voluntary disruptions, such as draining a node, must leave to a revision."""

from __future__ import annotations

from steersman.api.capacity import DisruptionBudget
from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION
from steersman.core.snapshot import Manifest


def disruption_budget(budget: DisruptionBudget, revision: str, owner_name: str) -> Manifest:
    """The PodDisruptionBudget of a revision's pods. Pods that are not ready may always be evicted: a broken candidate blocks no drain."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": revision},
        "spec": {
            **budget.to_wire(),
            "selector": {"matchLabels": {LABEL_DEPLOYMENT: owner_name, LABEL_REVISION: revision}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
