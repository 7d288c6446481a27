"""A route that stays its owner's: only the backendRefs of some of its rules are written, by a JSON patch.

`rules` and `backendRefs` are atomic lists (no x-kubernetes-list-type in the CRDs), so server-side apply could own all rules or
none. Whoever applies their manifest again sets the refs back to the Service named as the ModelDeployment. That Service exists, so
no request is lost until the next patch.
"""

from __future__ import annotations

import re
from typing import Any

from steersman.adapters.traffic.base import busiest, read_rendered
from steersman.adapters.traffic.front import front_service
from steersman.adapters.traffic.gateway_routes import API_VERSION, backend, verdict
from steersman.api.traffic_providers import AdoptedRoute, RouteKind
from steersman.core.comparison import contains
from steersman.core.snapshot import Children, Manifest, RoutePatch
from steersman.core.traffic import TrafficIntent, TrafficState


def render(intent: TrafficIntent) -> list[Manifest]:
    """The Service that the owner's manifest names."""
    return [front_service(intent, busiest(intent))]


def patches(intent: TrafficIntent, kind: RouteKind, adopt: AdoptedRoute, children: Children) -> list[RoutePatch]:
    """One patch that gives every rule of ours the split; none when all have it."""
    route = children.adopted(kind, adopt.name)
    if route is None:
        return []
    changes = [
        {"op": "replace", "path": f"/spec/rules/{number}/backendRefs", "value": wanted}
        for number, rule in enumerate(_rules(route))
        if _is_ours(intent, rule) and not contains(rule["backendRefs"], wanted := _split(intent, rule))
    ]
    if not changes:
        return []
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": route["metadata"]["resourceVersion"]}
    return [RoutePatch(API_VERSION, str(kind), adopt.name, (test, *changes))]


def read(intent: TrafficIntent, kind: RouteKind, adopt: AdoptedRoute, children: Children) -> TrafficState:
    """Settled when every rule of ours has the split and every parent accepted this generation and resolved its backends."""
    state = read_rendered(intent, render(intent), children)
    if not state.settled:
        return state
    route = children.adopted(kind, adopt.name)
    name = f"{kind} {adopt.name}"
    if route is None:
        return TrafficState(False, f"{name}, which traffic.gatewayAPI.adopt names, is not there", rejected=True)
    if not any(_is_ours(intent, rule) for rule in _rules(route)):
        wanted = f"has no rule whose backendRefs name only the Service {intent.deployment}"
        return TrafficState(False, f"{name} {wanted}, so none is adopted", rejected=True)
    if patches(intent, kind, adopt, children):
        return TrafficState(False, f"{name} does not carry the intended split yet")
    return verdict(route, max(1, len(route["spec"].get("parentRefs") or [])))


def _rules(route: Manifest) -> list[dict[str, Any]]:
    return route.get("spec", {}).get("rules") or []


def _is_ours(intent: TrafficIntent, rule: dict[str, Any]) -> bool:
    refs = rule.get("backendRefs") or []
    return bool(refs) and all(_names_us(intent, ref) for ref in refs)


def _names_us(intent: TrafficIntent, ref: dict[str, Any]) -> bool:
    """The Service named as the ModelDeployment, or one of a revision, also of one that is no longer there."""
    if (ref.get("group") or "", ref.get("kind") or "Service") != ("", "Service"):
        return False
    if ref.get("namespace") not in (None, intent.namespace):
        return False
    revisions = {revision for revision, _ in intent.weights}
    pattern = rf"{re.escape(intent.deployment)}(-v\d+-[0-9a-f]{{8}})?"
    return ref["name"] in revisions or re.fullmatch(pattern, ref["name"]) is not None


def _split(intent: TrafficIntent, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """A backendRef for each revision; filters on the owner's backendRef stay on all of them."""
    filters = rule["backendRefs"][0].get("filters")
    kept = {"filters": filters} if filters else {}
    return [{**backend(revision, weight), **kept} for revision, weight in intent.weights]
