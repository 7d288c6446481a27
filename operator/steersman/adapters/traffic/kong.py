"""Kong: an HTTPRoute for a Gateway of Kong's, with Kong's annotations.

https://developer.konghq.com/kubernetes-ingress-controller/reference/annotations/
"""

from __future__ import annotations

from typing import Any

from steersman.adapters.traffic.base import ExactWeights, OwnRoutes, read_rendered, settings_of
from steersman.adapters.traffic.gateway_routes import API_VERSION, parent_references, rules, verdict
from steersman.api.traffic_providers import Kong
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

KIND = "HTTPRoute"


class KongProvider(OwnRoutes, ExactWeights):
    """An HTTPRoute named as the ModelDeployment."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """One route with a backendRef for each revision."""
        kong = settings_of(intent, Kong)
        every = {"path": {"type": "PathPrefix", "value": kong.path}}
        spec: dict[str, Any] = {"parentRefs": parent_references(kong.parent_refs), "rules": rules(intent, [every])}
        if kong.hostnames:
            spec["hostnames"] = list(kong.hostnames)
        annotations = {"konghq.com/strip-path": "true" if kong.strip_path else "false"}
        if kong.plugins:
            annotations["konghq.com/plugins"] = ",".join(kong.plugins)
        metadata = {"name": intent.deployment, "annotations": annotations}
        return [{"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the route carries the split and every parent accepted this generation and resolved its backends."""
        parents = len(settings_of(intent, Kong).parent_refs)
        return read_rendered(intent, self.render(intent), children, lambda route: verdict(route, parents), (KIND,))
