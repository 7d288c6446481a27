"""A route that stays its owner's: only the backendRefs of some of its rules are written, by a JSON patch.

`rules` and `backendRefs` are atomic lists (no x-kubernetes-list-type in the CRDs), so server-side apply could own all rules or
none. Whoever applies their manifest again sets the refs back to the Service named as the ModelDeployment. So that no request is
lost then, that Service exists and is always among the refs, at weight 0; and a revision that is not among them gets
weight 0 first, and more once the route's controllers have answered. A proxy may see a route before the clusters that it names.
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
    """One patch that brings every rule of ours nearer to the split; none when all have it or controllers must answer first."""
    route = children.adopted(kind, adopt.name)
    if route is None:
        return []
    changes = []
    for number, rule in enumerate(_rules(route)):
        if not _is_ours(intent, rule):
            continue
        weights = _next(intent, rule, _answered(route))
        if not _carries(rule, weights):
            path = f"/spec/rules/{number}/backendRefs"
            changes.append({"op": "replace", "path": path, "value": _refs(weights, rule)})
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
    ours = [rule for rule in _rules(route) if _is_ours(intent, rule)]
    if not ours:
        wanted = f"has no rule whose backendRefs name only the Service {intent.deployment}"
        return TrafficState(False, f"{name} {wanted}, so none is adopted", rejected=True)
    if not all(_carries(rule, _split(intent)) for rule in ours):
        return TrafficState(False, f"{name} does not carry the intended split yet")
    return _verdict(route)


def _verdict(route: Manifest) -> TrafficState:
    return verdict(route, max(1, len(route["spec"].get("parentRefs") or [])))


def _answered(route: Manifest) -> bool:
    """Whether the controllers have looked at this generation; what they think of it does not matter here."""
    state = _verdict(route)
    return state.settled or state.rejected


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


def _split(intent: TrafficIntent) -> dict[str, int]:
    """Weights of the revisions, and of the Service that the owner names."""
    return {**dict(intent.weights), intent.deployment: 0}


def _next(intent: TrafficIntent, rule: dict[str, Any], answered: bool) -> dict[str, int]:
    """The split, or what comes before it: the weights that are there, with the revisions that are not at 0."""
    present = {ref["name"]: int(ref.get("weight", 1)) for ref in rule["backendRefs"]}
    split = _split(intent)
    unknown = any(weight > 0 and name not in present for name, weight in split.items())
    raised = any(weight > 0 and not present.get(name) for name, weight in split.items())
    held = {name: present.get(name, 0) for name in split}
    if (unknown or (raised and not answered)) and any(held.values()):
        return held
    return split


def _carries(rule: dict[str, Any], weights: dict[str, int]) -> bool:
    """Whether the rule has these weights, in whatever order."""
    seen, wanted = (
        sorted(refs, key=lambda ref: str(ref["name"])) for refs in (rule["backendRefs"], _refs(weights, rule))
    )
    return contains(seen, wanted)


def _refs(weights: dict[str, int], rule: dict[str, Any]) -> list[dict[str, Any]]:
    """A backendRef for each Service; filters on the owner's backendRef stay on all of them."""
    filters = rule["backendRefs"][0].get("filters")
    kept = {"filters": filters} if filters else {}
    return [{**backend(name, weight), **kept} for name, weight in weights.items()]
