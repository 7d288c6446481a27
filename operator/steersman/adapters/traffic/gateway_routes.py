"""Routes of the Gateway API: their rules, and what their controllers say. Shared by the providers that write such routes.

https://gateway-api.sigs.k8s.io/reference/spec/#httproute
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steersman.adapters.traffic.base import conditions, generation, why
from steersman.adapters.traffic.matching import affinity_pattern, cookie_pattern, header_pattern, set_cookie
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.api.traffic_providers import ParentRef
from steersman.core.snapshot import Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

GROUP = "gateway.networking.k8s.io"
API_VERSION = f"{GROUP}/v1"

Match = dict[str, Any]
"""An HTTPRouteMatch or GRPCRouteMatch."""


def parent_references(parents: Sequence[ParentRef]) -> list[dict[str, Any]]:
    """The Gateways that a route attaches to."""
    return [{"group": GROUP, "kind": "Gateway", **parent.to_wire()} for parent in parents]


def rules(intent: TrafficIntent, matches: Sequence[Match]) -> list[dict[str, Any]]:
    """Header routes, then the affinity's cookie, then the weights, each for all of these matches.

    A more specific match wins wherever it stands; those of header routes have more headers than the weights' have.
    """
    found = [
        {
            "matches": [_narrowed(base, headers) for base in matches for headers in map(_headers, route.matches)],
            "backendRefs": [backend(route.revision, 100)],
        }
        for route in intent.header_routes
    ]
    if intent.affinity is not None:
        sticky = [_pattern("Cookie", affinity_pattern(intent.affinity))]
        found.append(
            {
                "matches": [_narrowed(base, sticky) for base in matches],
                "backendRefs": [backend(intent.affinity.revision, 100)],
            }
        )
    split: dict[str, Any] = {"matches": [dict(match) for match in matches], "backendRefs": backends(intent)}
    if intent.mirror is not None:
        mirror: dict[str, Any] = {"backendRef": _reference(intent.mirror.revision)}
        if intent.mirror.percent < 100:
            # In the standard channel since v1.3; everything is mirrored by every version.
            mirror["percent"] = intent.mirror.percent
        split["filters"] = [{"type": "RequestMirror", "requestMirror": mirror}]
    return [*found, split]


def backends(intent: TrafficIntent) -> list[dict[str, Any]]:
    """A backendRef for each revision; the candidate's answers set the affinity's cookie.

    By name, so that a promotion, which only changes who is called stable, changes nothing in the route.
    """
    found = []
    for revision, weight in sorted(intent.weights):
        ref = backend(revision, weight)
        if intent.affinity is not None and intent.affinity.revision == revision:
            header = {"name": "Set-Cookie", "value": set_cookie(intent.affinity)}
            ref["filters"] = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [header]}}]
        found.append(ref)
    return found


def backend(revision: str, weight: int) -> dict[str, Any]:
    """A backendRef to a revision's Service."""
    return {**_reference(revision), "weight": weight}


def _reference(revision: str) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": revision, "port": 80}


def _headers(match: RequestMatch) -> list[dict[str, str]]:
    headers = [_header(header) for header in match.headers]
    if match.cookies:
        # One condition for all of them: of two on the same header only the first would count.
        headers.append(_pattern("Cookie", cookie_pattern(match.cookies)))
    return headers


def _header(match: HeaderMatch) -> dict[str, str]:
    if match.exact is not None:
        return {"type": "Exact", "name": match.name, "value": match.exact}
    return _pattern(match.name, header_pattern(match))


def _pattern(name: str, pattern: str) -> dict[str, str]:
    return {"type": "RegularExpression", "name": name, "value": pattern}


def _narrowed(base: Match, headers: Sequence[Mapping[str, str]]) -> Match:
    return {**base, "headers": [*(base.get("headers") or []), *headers]}


def verdict(route: Manifest, parents: int) -> TrafficState:
    """Settled when so many parents have accepted this generation of the route and resolved its backends."""
    kind = route["kind"]
    answers = route.get("status", {}).get("parents") or []
    if len(answers) < parents:
        return TrafficState(False, f"{len(answers)} of {parents} parents have answered for the {kind}")
    waiting = None
    for answer in answers:
        reference = answer.get("parentRef", {})
        parent = f"{reference.get('kind') or 'Gateway'} {reference.get('name', '')}"
        seen = conditions(answer.get("conditions"))
        for wanted in ("Accepted", "ResolvedRefs"):
            condition = seen.get(wanted)
            if condition is None or condition.get("observedGeneration", 0) < generation(route):
                waiting = TrafficState(False, f"{parent} has not seen generation {generation(route)} of the {kind}")
            elif condition.get("status") != "True":
                return TrafficState(False, f"{parent} refuses the {kind} ({wanted}): {why(condition)}", rejected=True)
    return waiting or TrafficState(True)
