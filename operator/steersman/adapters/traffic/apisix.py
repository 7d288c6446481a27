"""Apache APISIX: exact weights on the backends of an ApisixRoute.

https://apisix.apache.org/docs/ingress-controller/reference/api-reference/#apisixroute
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steersman.adapters.traffic.base import (
    ExactWeights,
    OwnRoutes,
    conditions,
    generation,
    read_rendered,
    settings_of,
    why,
)
from steersman.adapters.traffic.limits import service_host
from steersman.adapters.traffic.matching import header_pattern
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.api.traffic_providers import Apisix
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

API_VERSION = "apisix.apache.org/v2"
KIND = "ApisixRoute"
_ANSWERS = ("Accepted", "ResourcesAvailable")
"""Conditions of the controller's versions 2 and 1."""


class ApisixProvider(OwnRoutes, ExactWeights):
    """An ApisixRoute named as the ModelDeployment."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """One ApisixRoute. The weights' rule comes first: the controller knows rules by their position, so that one never moves."""
        apisix = settings_of(intent, Apisix)
        match = {"hosts": list(apisix.hosts), "paths": _paths(apisix.path)}
        split: dict[str, Any] = {"name": "split", "match": match, "backends": _backends(intent.weights)}
        plugins = [{"enable": True, **plugin} for plugin in apisix.plugins]
        mirror = [_mirror(intent)] if intent.mirror is not None else []
        routed = [
            (f"{route.name}-{number}", route.revision, request)
            for route in intent.header_routes
            for number, request in enumerate(route.matches)
        ]
        rules = [_with_plugins(split, [*plugins, *mirror])]
        for number, (name, revision, request) in enumerate(routed):
            rule = {
                "name": f"header-{name}",
                # The higher number comes first; the weights' rule has none, which is 0.
                "priority": len(routed) - number,
                "match": {**match, "exprs": _expressions(request)},
                "backends": _backends([(revision, 100)]),
            }
            rules.append(_with_plugins(rule, plugins))
        spec = {"ingressClassName": apisix.ingress_class_name, "http": rules}
        return [{"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": intent.deployment}, "spec": spec}]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the route carries the split and its controller accepted this generation."""
        return read_rendered(intent, self.render(intent), children, _verdict, (KIND,))


def _paths(prefix: str) -> list[str]:
    """The path itself and everything below it, as in an Ingress; `/x*` alone would also mean `/xyz`."""
    if prefix.endswith("/"):
        return [f"{prefix}*"]
    return [prefix, f"{prefix}/*"]


def _backends(weights: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """The one with most weight first: a route whose first backend has no endpoints has no backend at all."""
    heaviest_first = sorted(weights, key=lambda item: -item[1])
    return [{"serviceName": revision, "servicePort": 80, "weight": weight} for revision, weight in heaviest_first]


def _with_plugins(rule: dict[str, Any], plugins: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {**rule, "plugins": list(plugins)} if plugins else rule


def _mirror(intent: TrafficIntent) -> dict[str, Any]:
    assert intent.mirror is not None  # noqa: S101  held by the caller
    config: dict[str, Any] = {"host": f"http://{service_host(intent.mirror.revision, intent.namespace)}"}
    if intent.mirror.percent < 100:
        config["sample_ratio"] = intent.mirror.percent / 100
    return {"name": "proxy-mirror", "enable": True, "config": config}


def _expressions(match: RequestMatch) -> list[dict[str, Any]]:
    """All of them must hold."""
    found = [_expression("Header", header.name, *_header(header)) for header in match.headers]
    return found + [_expression("Cookie", cookie.name, "Equal", cookie.value) for cookie in match.cookies]


def _expression(scope: str, name: str, operator: str, value: str) -> dict[str, Any]:
    return {"subject": {"scope": scope, "name": name}, "op": operator, "value": value}


def _header(header: HeaderMatch) -> tuple[str, str]:
    if header.exact is not None:
        return "Equal", header.exact
    return "RegexMatch", header_pattern(header)


def _verdict(seen: Manifest) -> TrafficState:
    answers = conditions(seen.get("status", {}).get("conditions"))
    condition = next((answers[kind] for kind in _ANSWERS if kind in answers), None)
    if condition is None or condition.get("observedGeneration", 0) < generation(seen):
        return TrafficState(False, f"APISIX has not seen generation {generation(seen)} of the {KIND}")
    if condition.get("status") != "True":
        return TrafficState(False, f"APISIX refuses the {KIND}: {why(condition)}", rejected=True)
    return TrafficState(True)
