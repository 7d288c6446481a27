"""Gateway API: exact weights on the backendRefs of an HTTPRoute or GRPCRoute, settled when its controllers accepted that generation.

https://gateway-api.sigs.k8s.io/reference/spec/
"""

from __future__ import annotations

from typing import Any

from steersman.adapters.traffic import adoption
from steersman.adapters.traffic.base import ExactWeights, read_rendered, settings_of
from steersman.adapters.traffic.gateway_routes import API_VERSION, parent_references, rules, verdict
from steersman.api.traffic_providers import GatewayAPI, RouteKind
from steersman.core.snapshot import Children, Manifest, RoutePatch
from steersman.core.traffic import TrafficIntent, TrafficState

_KINDS = tuple(str(kind) for kind in RouteKind)
_EVERYTHING: dict[RouteKind, dict[str, Any]] = {
    RouteKind.HTTP_ROUTE: {"path": {"type": "PathPrefix", "value": "/"}},
    RouteKind.GRPC_ROUTE: {},
}
"""The match that every request meets."""


class GatewayApiProvider(ExactWeights):
    """A route named as the ModelDeployment, or an adopted one."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """One route with a backendRef for each revision; beside an adopted route, what keeps its requests safe."""
        gateway = settings_of(intent, GatewayAPI)
        if gateway.adopt is not None:
            return adoption.render(intent, gateway.kind)
        spec: dict[str, Any] = {
            "parentRefs": parent_references(gateway.parent_refs),
            "rules": rules(intent, gateway.matches or [_EVERYTHING[gateway.kind]]),
        }
        if gateway.hostnames:
            spec["hostnames"] = list(gateway.hostnames)
        name = {"name": intent.deployment}
        return [{"apiVersion": API_VERSION, "kind": str(gateway.kind), "metadata": name, "spec": spec}]

    def patches(self, intent: TrafficIntent, children: Children) -> list[RoutePatch]:
        """What gives an adopted route the split."""
        gateway = settings_of(intent, GatewayAPI)
        if gateway.adopt is None:
            return []
        return adoption.patches(intent, gateway.kind, gateway.adopt, children)

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the route carries the split and every parent accepted this generation and resolved its backends."""
        gateway = settings_of(intent, GatewayAPI)
        if gateway.adopt is not None:
            return adoption.read(intent, gateway.kind, gateway.adopt, children)
        parents = len(gateway.parent_refs)
        return read_rendered(intent, self.render(intent), children, lambda route: verdict(route, parents), _KINDS)
