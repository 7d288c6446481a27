"""A route that stays its owner's: only the backendRefs of some of its rules are written, by a JSON patch.

`rules` and `backendRefs` are atomic lists (no x-kubernetes-list-type in the CRDs), so server-side apply could own all rules or
none. Whoever applies their manifest again sets the refs back to the Service named as the ModelDeployment, so that Service exists.

Some proxies (Contour's Envoy) know a Service only while a route names it, and follow their controller's routes and Services one by
one: a Service that comes or goes together with its share of the requests costs some of them. So a second route, which
no request takes, names all Services all the time; and no revision's share rises from zero before that route names it.
"""

from __future__ import annotations

import re
from typing import Any

from steersman.adapters.traffic.base import busiest, carries, read_rendered
from steersman.adapters.traffic.front import front_service
from steersman.adapters.traffic.gateway_routes import API_VERSION, backend, verdict
from steersman.api.traffic_providers import AdoptedRoute, RouteKind
from steersman.core.comparison import contains
from steersman.core.snapshot import Children, Manifest, RoutePatch
from steersman.core.traffic import TrafficIntent, TrafficState


def render(intent: TrafficIntent, kind: RouteKind) -> list[Manifest]:
    """The Service that the owner's manifest names, and the route that keeps every Service known to the proxy."""
    front = front_service(intent, busiest(intent))
    return [front] if intent.adopted is None else [front, _keeper(intent, kind, intent.adopted)]


def _keeper(intent: TrafficIntent, kind: RouteKind, adopted: Manifest) -> Manifest:
    match = {
        RouteKind.HTTP_ROUTE: {"path": {"type": "Exact", "value": f"/.well-known/steersman/{intent.deployment}"}},
        RouteKind.GRPC_ROUTE: {"method": {"service": "steersman.dev.None", "method": "None"}},
    }[kind]
    refs = [backend(intent.deployment, 100), *(backend(revision, 0) for revision, _ in intent.weights)]
    spec = {"parentRefs": _parents(adopted), "rules": [{"matches": [match], "backendRefs": refs}]}
    if hostnames := adopted["spec"].get("hostnames"):
        spec["hostnames"] = list(hostnames)
    return {"apiVersion": API_VERSION, "kind": str(kind), "metadata": {"name": _keeper_name(intent)}, "spec": spec}


def _keeper_name(intent: TrafficIntent) -> str:
    """Not the ModelDeployment's: the adopted route may well be called so."""
    return f"{intent.deployment}-adoption"


def patches(intent: TrafficIntent, kind: RouteKind, adopt: AdoptedRoute, children: Children) -> list[RoutePatch]:
    """One patch that gives the rules of ours the split; none for rules that have it, or whose revisions are not known yet."""
    if intent.adopted is None:
        return []
    known = _all_known(intent, kind, intent.adopted, children)
    changes = [
        {"op": "replace", "path": f"/spec/rules/{number}/backendRefs", "value": _split(intent, rule)}
        for number, rule in enumerate(_rules(intent.adopted))
        if _is_ours(intent, rule) and not _has_split(intent, rule) and (known or not _rises_from_zero(intent, rule))
    ]
    if not changes:
        return []
    version = intent.adopted["metadata"]["resourceVersion"]
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    return [RoutePatch(API_VERSION, str(kind), adopt.name, (test, *changes))]


def read(intent: TrafficIntent, kind: RouteKind, adopt: AdoptedRoute, children: Children) -> TrafficState:
    """Settled when every rule of ours has the split and every parent accepted this generation and resolved its backends."""
    state = read_rendered(intent, render(intent, kind), children)
    if not state.settled:
        return state
    name = f"{kind} {adopt.name}"
    if intent.adopted is None:
        return TrafficState(False, f"{name}, which traffic.gatewayAPI.adopt names, is not there", rejected=True)
    ours = [rule for rule in _rules(intent.adopted) if _is_ours(intent, rule)]
    if not ours:
        wanted = f"has no rule whose backendRefs name only the Service {intent.deployment}"
        return TrafficState(False, f"{name} {wanted}, so none is adopted", rejected=True)
    if not all(_has_split(intent, rule) for rule in ours):
        return TrafficState(False, f"{name} does not carry the intended split yet")
    return verdict(intent.adopted, max(1, len(_parents(intent.adopted))))


def _all_known(intent: TrafficIntent, kind: RouteKind, adopted: Manifest, children: Children) -> bool:
    """Whether the controllers have looked at a keeper that names every revision; what they think of it does not matter."""
    keeper = children.get(str(kind), _keeper_name(intent))
    if keeper is None or not carries(_keeper(intent, kind, adopted), keeper):
        return False
    state = verdict(keeper, max(1, len(_parents(adopted))))
    return state.settled or state.rejected


def _parents(route: Manifest) -> list[dict[str, Any]]:
    return route.get("spec", {}).get("parentRefs") or []


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


def _has_split(intent: TrafficIntent, rule: dict[str, Any]) -> bool:
    """Whether the rule has the intended weights, in whatever order."""
    lists = rule["backendRefs"], _split(intent, rule)
    seen, wanted = (sorted(refs, key=lambda ref: str(ref["name"])) for refs in lists)
    return contains(seen, wanted)


def _rises_from_zero(intent: TrafficIntent, rule: dict[str, Any]) -> bool:
    present = {ref["name"]: ref.get("weight", 1) for ref in rule["backendRefs"]}
    return any(weight > 0 and not present.get(revision) for revision, weight in intent.weights)


def _split(intent: TrafficIntent, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """A backendRef for each revision; filters on the owner's backendRef stay on all of them."""
    filters = rule["backendRefs"][0].get("filters")
    kept = {"filters": filters} if filters else {}
    return [{**backend(revision, weight), **kept} for revision, weight in intent.weights]
