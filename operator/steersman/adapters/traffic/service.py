"""A plain Service: it carries no weights, so a canary's share is its share of the pods, and blue-green moves the selector."""

from __future__ import annotations

from steersman.adapters.traffic.base import OwnRoutes, read_rendered
from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION
from steersman.api.runtime import HTTP_PORT
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import Scale, TrafficIntent, TrafficState


class ServiceProvider(OwnRoutes):
    """A Service named as the ModelDeployment."""

    exclusive_pods = True

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """One Service: on one revision's pods, or on all pods while two revisions have weight."""
        port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": HTTP_PORT}
        spec = {"selector": _selector(intent), "ports": [port]}
        return [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": intent.deployment}, "spec": spec}]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the selector is in force and, in a split, no more pods are there than intended."""
        state = read_rendered(intent, self.render(intent), children)
        if not state.settled:
            return state
        for revision, weight in intent.weights:
            deployment = children.get("Deployment", revision) or {}
            pods = deployment.get("status", {}).get("replicas", 0)
            if weight not in (0, 100) and pods != deployment.get("spec", {}).get("replicas"):
                return TrafficState(False, f"revision {revision} is being scaled")
        return TrafficState(True)

    def scale(self, replicas: int, weight: int) -> Scale:
        """The candidate's share in whole pods, at least one; stable keeps the rest, at least one below 100 %."""
        if weight >= 100:
            return Scale(replicas, replicas)
        candidate = min(max(1, round(replicas * weight / 100)), max(1, replicas - 1))
        return Scale(max(1, replicas - candidate), candidate)


def _selector(intent: TrafficIntent) -> dict[str, str]:
    selector = {LABEL_DEPLOYMENT: intent.deployment}
    serving = [revision for revision, weight in intent.weights if weight > 0]
    if len(serving) == 1:
        selector[LABEL_REVISION] = serving[0]
    return selector
