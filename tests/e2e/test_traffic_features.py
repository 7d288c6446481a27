"""Every feature of the Gateway API's and Contour's providers with real requests through Envoy."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import Any

import pytest

from e2e.rendered import V1, V2, V3, VERSIONS, Revisions
from e2e.workspace import GATEWAY, Workspace
from steersman.api.routing import CookieMatch, HeaderMatch, RequestMatch, SessionAffinity
from steersman.core.traffic import Affinity, HeaderRoute, Mirror

PROVIDERS = ("gatewayAPI", "contour")
both = pytest.mark.parametrize("provider", PROVIDERS)
BETA = HeaderRoute(
    "beta",
    (
        RequestMatch(headers=[HeaderMatch(name="X-Beta", exact='yes; "please"')]),
        RequestMatch(
            headers=[HeaderMatch(name="X-Team", prefix="risk."), HeaderMatch(name="X-Size", regex="(small|big)-[0-9]+")]
        ),
    ),
    V2,
)
COHORT = HeaderRoute("cohort", (RequestMatch(cookies=[CookieMatch(name="cohort", value="b.2")]),), V2)
COHORT_AND_PLAN = HeaderRoute(
    "both",
    (RequestMatch(cookies=[CookieMatch(name="cohort", value="b.2"), CookieMatch(name="plan", value="gold")]),),
    V2,
)


def traffic(workspace: Workspace, provider: str) -> dict[str, Any]:
    if provider == "contour":
        return {"contour": {"fqdn": workspace.host}}
    return {"gatewayAPI": {**GATEWAY["gatewayAPI"], "hostnames": [workspace.host]}}


def shares_are(seen: Counter[str], weights: dict[str, int]) -> None:
    """Within five standard deviations of a binomial distribution, which chance exceeds once in two million times."""
    count = sum(seen.values())
    assert seen[""] == 0 and set(seen) <= {VERSIONS[name] for name in weights}, seen
    for name, weight in weights.items():
        share = weight / 100
        tolerance = 5 * sqrt(count * share * (1 - share))
        assert abs(seen[VERSIONS[name]] - count * share) <= tolerance, (seen, weights)


@both
def test_header_and_cookie_routes(workspace: Workspace, provider: str) -> None:
    """Requests that meet a match reach the candidate at weight 0; all others reach stable."""
    revisions = Revisions(workspace, V1, V2)
    assert revisions.put(traffic(workspace, provider), {V1: 100, V2: 0}, (BETA, COHORT)).settled
    revisions.until("the header route is in force", lambda: revisions.version(X_Beta='yes; "please"') == "2")
    for headers in (
        {"X_Beta": 'yes; "please"'},
        {"X_Team": "risk.eu", "X_Size": "big-17"},
        {"Cookie": "cohort=b.2"},
        {"Cookie": "a=1; cohort=b.2; z=9"},
        {"Cookie": "a=1; cohort=b.2", "X_Beta": 'yes; "please"'},
    ):
        assert set(revisions.versions(5, **headers)) == {"2"}, headers
    for headers in (
        {},
        {"X_Beta": "yes"},
        {"X_Beta": 'yes; "please", more'},
        {"X_Team": "risk.eu"},
        {"X_Team": "riskXeu", "X_Size": "big-17"},
        {"X_Team": "risk.eu", "X_Size": "big-17x"},
        {"Cookie": "cohort=bx2"},
        {"Cookie": "xcohort=b.2"},
        {"Cookie": "cohort=b.22; other=b.2"},
    ):
        assert set(revisions.versions(5, **headers)) == {"1"}, headers

    assert revisions.put(traffic(workspace, provider), {V1: 100, V2: 0}, (COHORT_AND_PLAN,)).settled
    revisions.until("the earlier routes are gone", lambda: revisions.version(X_Beta='yes; "please"') == "1")
    assert revisions.version(Cookie="plan=gold; x=1; cohort=b.2") == "2"
    assert revisions.version(Cookie="cohort=b.2; plan=gold") == "2"
    assert revisions.version(Cookie="cohort=b.2") == "1"
    assert revisions.version(Cookie="plan=golden; cohort=b.2") == "1"


@both
def test_weights_of_two_and_of_three(workspace: Workspace, provider: str) -> None:
    """A split, and an experiment with a baseline beside the candidate."""
    revisions = Revisions(workspace, V1, V2, V3)
    assert revisions.put(traffic(workspace, provider), {V1: 75, V2: 25}).settled
    revisions.until("the split is in force", lambda: set(revisions.versions(10)) == {"1", "2"})
    shares_are(revisions.versions(250), {V1: 75, V2: 25})
    experiment = {V1: 60, V2: 20, V3: 20}
    assert revisions.put(traffic(workspace, provider), experiment).settled
    revisions.until("the baseline is in force", lambda: "3" in revisions.versions(10))
    shares_are(revisions.versions(250), experiment)


@both
def test_mirroring_sends_copies_and_drops_their_answers(workspace: Workspace, provider: str) -> None:
    """The candidate gets a copy of each request, and no client ever sees its answer."""
    revisions = Revisions(workspace, V1, V2)
    assert revisions.put(traffic(workspace, provider), {V1: 100, V2: 0}, mirror=Mirror(V2, 100)).settled

    def mirrored() -> bool:
        assert set(revisions.versions(1)) == {"1"}
        return revisions.served(V2) > 0

    revisions.until("the first copy has arrived", mirrored)
    before = {name: revisions.served(name) for name in (V1, V2)}
    assert revisions.versions(100) == Counter({"1": 100})
    revisions.until("every copy has arrived", lambda: revisions.served(V2) - before[V2] == 100)
    assert revisions.served(V1) - before[V1] == 100

    assert revisions.put(traffic(workspace, provider), {V1: 100, V2: 0}).settled

    def quiet() -> bool:
        count = revisions.served(V2)
        revisions.versions(20)
        return revisions.served(V2) == count

    revisions.until("no more copies are made", quiet)


def test_a_share_is_mirrored_by_an_http_proxy(workspace: Workspace) -> None:
    """Contour reads the share in an HTTPProxy; in an HTTPRoute it passes over `percent` (docs/reference/traffic.md)."""
    revisions = Revisions(workspace, V1, V2)
    assert revisions.put(traffic(workspace, "contour"), {V1: 100, V2: 0}, mirror=Mirror(V2, 25)).settled

    def mirrored() -> bool:
        revisions.versions(5)
        return revisions.served(V2) > 0

    revisions.until("the first copy has arrived", mirrored)
    before = revisions.served(V2)
    assert revisions.versions(240) == Counter({"1": 240})
    copies = revisions.served(V2) - before
    assert abs(copies - 60) <= 5 * sqrt(240 * 0.25 * 0.75), copies


@both
def test_affinity_keeps_a_client_with_the_candidate(workspace: Workspace, provider: str) -> None:
    """The candidate's answer sets a cookie; with it every request reaches the candidate, also when its weight falls."""
    revisions = Revisions(workspace, V1, V2)
    affinity = Affinity(V2, SessionAffinity(cookie_name="sticky", max_age_seconds=600))
    assert revisions.put(traffic(workspace, provider), {V1: 50, V2: 50}, affinity=affinity).settled
    revisions.until("the split is in force", lambda: set(revisions.versions(10)) == {"1", "2"})
    for _ in range(20):
        answer = revisions.ask()
        version, cookie = answer.headers["x-steersman-model-version"], answer.headers.get("set-cookie")
        assert (cookie is None) == (version == "1"), (version, cookie)
        if cookie:
            assert cookie == f"sticky={V2}; Path=/; Max-Age=600; HttpOnly"
    assert revisions.put(traffic(workspace, provider), {V1: 95, V2: 5}, affinity=affinity).settled
    revisions.until("the lower weight is in force", lambda: revisions.versions(40)["1"] > 30)
    assert revisions.versions(50, Cookie=f"a=1; sticky={V2}") == Counter({"2": 50})
    shares_are(revisions.versions(120, Cookie=f"sticky={V1}"), {V1: 95, V2: 5})


@both
def test_a_refusal_reaches_the_state(workspace: Workspace, provider: str) -> None:
    """What Contour says of a Service that does not exist is what the provider says."""
    revisions = Revisions(workspace, V1)
    state = revisions.put(traffic(workspace, provider), {V1: 50, V2: 50})
    assert state.rejected and V2 in state.message, state
    assert revisions.put(traffic(workspace, provider), {V1: 100}).settled


def test_a_grpc_route_is_accepted(workspace: Workspace) -> None:
    revisions = Revisions(workspace, V1, V2)
    grpc = {"gatewayAPI": {**GATEWAY["gatewayAPI"], "kind": "GRPCRoute", "hostnames": [workspace.host]}}
    assert revisions.put(grpc, {V1: 90, V2: 10}, (BETA,), Mirror(V2, 100)).settled
