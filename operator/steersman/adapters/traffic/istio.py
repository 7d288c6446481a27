"""Istio: exact weights on the destinations of a VirtualService.

https://istio.io/latest/docs/reference/config/networking/virtual-service/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steersman.adapters.traffic.base import (
    ExactWeights,
    OwnRoutes,
    busiest,
    conditions,
    generation,
    read_rendered,
    settings_of,
    why,
)
from steersman.adapters.traffic.front import front_service
from steersman.adapters.traffic.limits import refusal, request_matches, service_host
from steersman.adapters.traffic.matching import affinity_pattern, cookie_pattern, set_cookie
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.api.traffic_providers import Istio
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

API_VERSION = "networking.istio.io/v1"
MESH = "mesh"
"""The word for every sidecar, which is also the default."""

StringMatch = dict[str, str]


class IstioProvider(OwnRoutes, ExactWeights):
    """A VirtualService named as the ModelDeployment; for mesh clients also a Service of that name."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """The front Service in the mesh, a DestinationRule for each revision if asked for, and the VirtualService."""
        istio = settings_of(intent, Istio)
        rendered: list[Manifest] = []
        if not istio.gateways or MESH in istio.gateways:
            # Mesh clients need an address to call; where it leads is the VirtualService's business.
            rendered.append(front_service(intent, busiest(intent)))
        if istio.traffic_policy is not None:
            rendered += [_destination_rule(intent, revision, istio.traffic_policy) for revision, _ in intent.weights]
        return [*rendered, _virtual_service(intent, istio)]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the objects carry the split; where Istio's status is turned on, also when it has no objection."""
        unexpressed = _unexpressed(intent)
        if unexpressed is not None:
            return refusal(intent, unexpressed)
        return read_rendered(intent, self.render(intent), children, _verdict, ("DestinationRule", "VirtualService"))


def _virtual_service(intent: TrafficIntent, istio: Istio) -> Manifest:
    spec: dict[str, Any] = {"hosts": list(istio.hosts)}
    if istio.gateways:
        spec["gateways"] = list(istio.gateways)
    spec["http"] = _rules(intent, istio)
    return {"apiVersion": API_VERSION, "kind": "VirtualService", "metadata": {"name": intent.deployment}, "spec": spec}


def _rules(intent: TrafficIntent, istio: Istio) -> list[dict[str, Any]]:
    """The first rule that matches wins."""
    # A part of a route's conditions would be a rule for more requests; read() tells of it.
    routes = intent.header_routes if _unexpressed(intent) is None else ()
    found = [
        {
            "name": route.name,
            "match": [merged for match in route.matches for merged in _narrowed(istio.matches, _headers(match))],
            "route": [_destination(intent, route.revision, 100)],
        }
        for route in routes
    ]
    if intent.affinity is not None:
        sticky = {"cookie": {"regex": affinity_pattern(intent.affinity)}}
        found.append(
            {
                "name": "affinity",
                "match": _narrowed(istio.matches, sticky),
                "route": [_destination(intent, intent.affinity.revision, 100)],
            }
        )
    split: dict[str, Any] = {"name": "split"}
    if istio.matches:
        split["match"] = [dict(match) for match in istio.matches]
    split["route"] = [_counted(intent, revision, weight) for revision, weight in intent.weights]
    if intent.mirror is not None:
        split["mirror"] = _host(intent, intent.mirror.revision)
        split["mirrorPercentage"] = {"value": intent.mirror.percent}
    return [*found, split]


def _host(intent: TrafficIntent, revision: str) -> dict[str, Any]:
    return {"host": service_host(revision, intent.namespace), "port": {"number": 80}}


def _destination(intent: TrafficIntent, revision: str, weight: int) -> dict[str, Any]:
    return {"destination": _host(intent, revision), "weight": weight}


def _counted(intent: TrafficIntent, revision: str, weight: int) -> dict[str, Any]:
    destination = _destination(intent, revision, weight)
    if intent.affinity is not None and intent.affinity.revision == revision:
        destination["headers"] = {"response": {"add": {"Set-Cookie": set_cookie(intent.affinity)}}}
    return destination


def _destination_rule(intent: TrafficIntent, revision: str, policy: Mapping[str, Any]) -> Manifest:
    spec = {"host": service_host(revision, intent.namespace), "trafficPolicy": dict(policy)}
    return {"apiVersion": API_VERSION, "kind": "DestinationRule", "metadata": {"name": revision}, "spec": spec}


def _narrowed(bases: Sequence[Mapping[str, Any]], headers: Mapping[str, StringMatch]) -> list[dict[str, Any]]:
    """The user's HTTPMatchRequests, each with these conditions on headers as well."""
    return [{**base, "headers": {**(base.get("headers") or {}), **headers}} for base in bases or ({},)]


def _headers(match: RequestMatch) -> dict[str, StringMatch]:
    """Conditions by the header's name, which Istio wants in lower case."""
    found = {header.name.lower(): _string_match(header) for header in match.headers}
    if match.cookies:
        found["cookie"] = {"regex": cookie_pattern(match.cookies)}
    return found


def _string_match(header: HeaderMatch) -> StringMatch:
    """Envoy matches a regular expression against the whole value."""
    if header.exact is not None:
        return {"exact": header.exact}
    if header.prefix is not None:
        return {"prefix": header.prefix}
    return {"regex": header.regex or ""}


def _unexpressed(intent: TrafficIntent) -> str | None:
    """A VirtualService has one condition for each header."""
    taken = {name.lower() for base in settings_of(intent, Istio).matches for name in base.get("headers") or {}}
    for match in request_matches(intent):
        both = taken & _headers(match).keys()
        if both:
            return f"a header route on {min(both)}, on which spec.traffic.istio.matches has a condition"
    if intent.affinity is not None and "cookie" in taken:
        return "session affinity with a condition on cookie in spec.traffic.istio.matches"
    return None


def _verdict(seen: Manifest) -> TrafficState:
    """What istiod wrote, if its status (PILOT_ENABLE_STATUS) or analysis (PILOT_ENABLE_ANALYSIS) is on: by default it writes nothing."""
    status = seen.get("status") or {}
    what = f"{seen['kind']} {seen['metadata']['name']}"
    current = int(status.get("observedGeneration") or generation(seen)) >= generation(seen)
    for message in status.get("validationMessages") or () if current else ():
        if message.get("level") == "ERROR":
            kind = message.get("type") or {}
            said = " ".join(str(kind[key]) for key in ("code", "name") if kind.get(key))
            return TrafficState(False, f"Istio refuses the {what}: {said or 'no reason given'}", rejected=True)
    reconciled = conditions(status.get("conditions")).get("Reconciled")
    if reconciled is None:
        return TrafficState(True)
    if int(reconciled.get("observedGeneration") or 0) < generation(seen):
        return TrafficState(False, f"Istio has not seen generation {generation(seen)} of the {what}")
    if reconciled.get("status") != "True":
        return TrafficState(False, f"not every proxy has the {what} yet: {why(reconciled)}".rstrip(": "))
    return TrafficState(True)
