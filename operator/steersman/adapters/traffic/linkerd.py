"""Linkerd: the proxies of the mesh split what goes to a Service, by an HTTPRoute whose parent it is.

https://linkerd.io/2/features/traffic-split/
"""

from __future__ import annotations

from typing import Any

from steersman.adapters.traffic.base import ExactWeights, OwnRoutes, busiest, read_rendered, settled
from steersman.adapters.traffic.front import front_service
from steersman.adapters.traffic.gateway_routes import API_VERSION, rules, verdict
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

KIND = "HTTPRoute"


class LinkerdProvider(OwnRoutes, ExactWeights):
    """A Service and an HTTPRoute, both named as the ModelDeployment."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """The Service that clients call, and the route that splits it. Clients outside the mesh reach the revision with the most weight."""
        parent = {"group": "", "kind": "Service", "name": intent.deployment, "port": 80}
        every = {"path": {"type": "PathPrefix", "value": "/"}}
        spec: dict[str, Any] = {"parentRefs": [parent], "rules": rules(intent, [every])}
        route = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": intent.deployment}, "spec": spec}
        return [front_service(intent, busiest(intent)), route]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when Service and route carry the split, and Linkerd's policy controller accepted this generation of the route."""

        def judge(manifest: Manifest) -> TrafficState:
            return verdict(manifest, 1) if manifest["kind"] == KIND else settled(manifest)

        return read_rendered(intent, self.render(intent), children, judge, (KIND,))
