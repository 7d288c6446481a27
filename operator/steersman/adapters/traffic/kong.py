"""Kong: an HTTPRoute for a Gateway of Kong's, with Kong's annotations.

https://developer.konghq.com/kubernetes-ingress-controller/reference/annotations/
"""

from __future__ import annotations

from typing import Any

from steersman.adapters.traffic.base import read_rendered, share_of_pods
from steersman.adapters.traffic.gateway_routes import API_VERSION, parent_references, rules, verdict
from steersman.api.traffic_providers import Kong
from steersman.core.snapshot import Children, Manifest, RoutePatch
from steersman.core.traffic import Scale, TrafficIntent, TrafficState

KIND = "HTTPRoute"


class KongProvider:
    """An HTTPRoute named as the ModelDeployment."""

    exclusive_pods = False

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """One route with a backendRef for each revision."""
        kong = _settings(intent)
        every = {"path": {"type": "PathPrefix", "value": kong.path}}
        spec: dict[str, Any] = {"parentRefs": parent_references(kong.parent_refs), "rules": rules(intent, [every])}
        if kong.hostnames:
            spec["hostnames"] = list(kong.hostnames)
        annotations = {"konghq.com/strip-path": "true" if kong.strip_path else "false"}
        if kong.plugins:
            annotations["konghq.com/plugins"] = ",".join(kong.plugins)
        metadata = {"name": intent.deployment, "annotations": annotations}
        return [{"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}]

    def patches(self, intent: TrafficIntent, children: Children) -> list[RoutePatch]:
        """Every object is our own."""
        return []

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the route carries the split and every parent accepted this generation and resolved its backends."""
        parents = len(_settings(intent).parent_refs)
        return read_rendered(intent, self.render(intent), children, lambda route: verdict(route, parents), (KIND,))

    def scale(self, replicas: int, weight: int) -> Scale:
        """Stable stays whole; the candidate has its share, rounded up."""
        return share_of_pods(replicas, weight)


def _settings(intent: TrafficIntent) -> Kong:
    if intent.traffic.kong is None:
        raise ValueError("traffic.kong is not set")
    return intent.traffic.kong
