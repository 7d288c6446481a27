"""Gateway API: exact weights on the backendRefs of an HTTPRoute, settled when its controllers accepted that generation.

https://gateway-api.sigs.k8s.io/reference/spec/#httproute
"""

from __future__ import annotations

from math import ceil
from typing import Any

from steersman.api.traffic_providers import GatewayAPI
from steersman.core.snapshot import Children, Manifest, RoutePatch
from steersman.core.traffic import Scale, TrafficIntent, TrafficState

API_VERSION = "gateway.networking.k8s.io/v1"
KIND = "HTTPRoute"


class GatewayApiProvider:
    """An HTTPRoute named as the ModelDeployment."""

    exclusive_pods = False

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """One HTTPRoute with a backendRef for each revision."""
        gateway = _settings(intent)
        rule: dict[str, Any] = {
            "matches": gateway.matches or [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [_backend(revision, weight) for revision, weight in intent.weights],
        }
        parents = [parent.to_wire() for parent in gateway.parent_refs]
        defaults = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
        spec: dict[str, Any] = {"parentRefs": [{**defaults, **parent} for parent in parents], "rules": [rule]}
        if gateway.hostnames:
            spec["hostnames"] = list(gateway.hostnames)
        return [{"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": intent.deployment}, "spec": spec}]

    def patches(self, intent: TrafficIntent, children: Children) -> list[RoutePatch]:
        """Every object is our own."""
        return []

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the route carries the weights and every parent accepted this generation and resolved its backends."""
        route = children.get(KIND, intent.deployment)
        if route is None:
            return TrafficState(False, "the HTTPRoute is not there yet")
        rules = route.get("spec", {}).get("rules") or [{}]
        seen = tuple((ref.get("name"), ref.get("weight")) for ref in rules[0].get("backendRefs") or [])
        if seen != intent.weights:
            return TrafficState(False, "the HTTPRoute does not carry the weights yet")
        generation = route["metadata"].get("generation", 0)
        parents = route.get("status", {}).get("parents") or []
        wanted = len(_settings(intent).parent_refs)
        if len(parents) < wanted:
            return TrafficState(False, f"{len(parents)} of {wanted} Gateways have answered for the HTTPRoute")
        for parent in parents:
            conditions = {condition["type"]: condition for condition in parent.get("conditions") or []}
            for kind in ("Accepted", "ResolvedRefs"):
                condition = conditions.get(kind)
                gateway = parent.get("parentRef", {}).get("name", "")
                if condition is None or condition.get("observedGeneration", 0) < generation:
                    return TrafficState(
                        False, f"Gateway {gateway} has not seen generation {generation} of the HTTPRoute"
                    )
                if condition.get("status") != "True":
                    why = f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
                    return TrafficState(
                        False, f"Gateway {gateway} refuses the HTTPRoute ({kind}): {why}", rejected=True
                    )
        return TrafficState(True)

    def scale(self, replicas: int, weight: int) -> Scale:
        """Stable stays whole; the candidate has its share, rounded up."""
        return Scale(replicas, max(1, ceil(replicas * weight / 100)))


def _settings(intent: TrafficIntent) -> GatewayAPI:
    if intent.traffic.gateway_api is None:
        raise ValueError("traffic.gatewayAPI is not set")
    return intent.traffic.gateway_api


def _backend(revision: str, weight: int) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": revision, "port": 80, "weight": weight}
