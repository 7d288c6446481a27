"""Traefik: whatever it has seen of each kind, every reference leads somewhere; and its rules are quoted as Go's strings."""

from __future__ import annotations

from itertools import pairwise

import pytest

from steersman.adapters.traffic.traefik import TraefikProvider
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.core.snapshot import Manifest
from steersman.core.traffic import HeaderRoute, TrafficIntent
from unit.traffic.cases import CASES, SPLIT, V1, V2, Case
from unit.traffic.providers.traefik import Rule

PROVIDER = TraefikProvider()
HOST = "fraud.example.com"


def intent(case: str | Case, **settings: object) -> TrafficIntent:
    found = CASES[case] if isinstance(case, str) else case
    return found.intent({"traefik": {"hosts": [HOST], **settings}})


def references(manifest: Manifest) -> set[str]:
    """Names of the TraefikServices that an object refers to."""
    spec = manifest["spec"]
    items = [service for route in spec.get("routes", []) for service in route["services"]]
    items += spec.get("weighted", {}).get("services", [])
    items += [spec["mirroring"], *spec["mirroring"]["mirrors"]] if "mirroring" in spec else []
    return {item["name"] for item in items if item["kind"] == "TraefikService"}


WAY = ["starting", "mirror", "mirror-share", "everything", "affinity", "canary", "header", "everything", "promoted"]


@pytest.mark.parametrize(("before", "after"), list(pairwise(WAY)))
def test_references_hold_after_every_write_whatever_has_been_seen_of_the_other_kind(before: str, after: str) -> None:
    """Writes in order, then deletions; within a kind they are seen in this order, between kinds in any."""
    old = {m["metadata"]["name"]: m for m in PROVIDER.render(intent(before)) if m["kind"] == "TraefikService"}
    new = [m for m in PROVIDER.render(intent(after)) if m["kind"] == "TraefikService"]
    routes = [PROVIDER.render(intent(case))[-1] for case in (before, after)]
    history = [dict(old)]
    for manifest in new:
        history.append({**history[-1], manifest["metadata"]["name"]: manifest})
    gone = [name for name in old if name not in {manifest["metadata"]["name"] for manifest in new}]
    for name in gone:
        history.append({key: value for key, value in history[-1].items() if key != name})
    for state in history:
        reached = set.union(*map(references, routes))
        while more := {name for found in reached for name in references(state[found])} - reached:
            reached |= more
        assert reached <= state.keys()


def test_a_mirror_copies_the_split_itself() -> None:
    split, mirrored, _ = PROVIDER.render(intent("mirror-share"))
    assert split["spec"]["weighted"]["services"] == [{"kind": "Service", "name": V1, "port": 80, "weight": 100}]
    assert mirrored["spec"] == {
        "mirroring": {
            "kind": "TraefikService",
            "name": split["metadata"]["name"],
            "mirrors": [{"kind": "Service", "name": V2, "port": 80, "percent": 25}],
        }
    }


def test_the_candidates_answers_alone_set_the_cookie() -> None:
    sticky, split, _ = PROVIDER.render(intent("affinity"))
    assert sticky["spec"]["weighted"]["sticky"]["cookie"] == {
        "name": f"steersman-candidate-{V2}",
        "maxAge": 3600,
        "httpOnly": True,
    }
    assert [item["name"] for item in sticky["spec"]["weighted"]["services"]] == [V2]
    assert "sticky" not in split["spec"]["weighted"]


def test_wildcard_hosts_and_paths_mean_what_they_mean_in_an_ingress() -> None:
    rule = PROVIDER.render(intent("canary", hosts=["a.example.com", "*.b.example.com"], path="/x"))[-1]
    assert rule["spec"]["routes"][0]["match"] == (
        r"(Host(`a.example.com`) || HostRegexp(`^[^.]+\.b\.example\.com$`)) && (Path(`/x`) || PathPrefix(`/x/`))"
    )


def test_routes_are_tried_in_their_order_just_before_the_weights() -> None:
    *before, split = PROVIDER.render(intent("everything"))[-1]["spec"]["routes"]
    assert [route["priority"] for route in before] == [len(split["match"]) + n for n in (3, 2, 1)]
    assert "priority" not in split


@pytest.mark.parametrize(
    "value", ["`", "a`) || Host(`x", 'say "`"', "back\\slash`", "\N{SNOWMAN}`", "tab`\N{NO-BREAK SPACE}"]
)
def test_a_backtick_makes_a_quoted_string(value: str) -> None:
    route = HeaderRoute("who", (RequestMatch(headers=[HeaderMatch(name="X-Who", exact=value)]),), V2)
    match = PROVIDER.render(intent(Case(SPLIT, (route,))))[-1]["spec"]["routes"][0]["match"]
    assert Rule(match, {"x-who": value}).holds()
    assert not Rule(match, {"x-who": f"{value}x"}).holds()
    assert '"' in match
