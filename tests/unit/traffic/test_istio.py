"""Istio: the objects around the VirtualService, and what istiod says when its status is on."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.adapters.traffic.istio import IstioProvider
from steersman.api.meta import LABEL_REVISION
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import HeaderRoute, TrafficIntent
from unit.traffic.cases import CASES, SPLIT, STICKY, V1, V2, Case
from unit.traffic.contract import GENERATION, as_stored

PROVIDER = IstioProvider()
POLICY = {"loadBalancer": {"simple": "LEAST_REQUEST"}}


def intent(case: Case = CASES["canary"], **settings: Any) -> TrafficIntent:
    return case.intent({"istio": {"hosts": ["fraud.example.com"], **settings}})


def kinds(rendered: list[Manifest]) -> list[tuple[str, str]]:
    return [(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered]


@pytest.mark.parametrize("gateways", [[], ["mesh"], ["gateways/public", "mesh"]])
def test_the_mesh_has_a_service_to_call_on_the_revision_with_most_weight(gateways: list[str]) -> None:
    service = PROVIDER.render(intent(gateways=gateways))[0]
    assert (service["kind"], service["metadata"]["name"]) == ("Service", "fraud")
    assert service["spec"]["selector"][LABEL_REVISION] == V1
    promoted = PROVIDER.render(intent(CASES["promoted"], gateways=gateways))[0]
    assert promoted["spec"]["selector"][LABEL_REVISION] == V2


def test_without_the_mesh_there_is_only_the_virtual_service() -> None:
    assert kinds(PROVIDER.render(intent(gateways=["gateways/public"]))) == [("VirtualService", "fraud")]


def test_a_traffic_policy_is_every_revisions_and_comes_before_the_weights() -> None:
    rendered = PROVIDER.render(intent(gateways=["gateways/public"], trafficPolicy=POLICY))
    assert kinds(rendered) == [("DestinationRule", V1), ("DestinationRule", V2), ("VirtualService", "fraud")]
    assert all(rule["spec"]["trafficPolicy"] == POLICY for rule in rendered[:2])
    assert [rule["spec"]["host"] for rule in rendered[:2]] == [f"{v}.risk.svc.cluster.local" for v in (V1, V2)]


def test_the_candidates_answers_alone_set_the_cookie() -> None:
    stable, candidate = PROVIDER.render(intent(CASES["affinity"]))[-1]["spec"]["http"][-1]["route"]
    cookie = candidate["headers"]["response"]["add"]["Set-Cookie"]
    assert cookie == f"steersman-candidate={V2}; Path=/; Max-Age=3600; HttpOnly"
    assert "headers" not in stable


@pytest.mark.parametrize("name", ["X-Who", "cookie"])
def test_a_second_condition_on_a_header_of_the_users_matches_is_said(name: str) -> None:
    taken = [{"uri": {"prefix": "/"}, "headers": {name.lower(): {"exact": "x"}}}]
    route = HeaderRoute("who", (RequestMatch(headers=[HeaderMatch(name="x-who", exact="me")]),), V2)
    step = intent(Case(SPLIT, (route,), affinity=STICKY), matches=taken)
    rendered = PROVIDER.render(step)
    state = PROVIDER.read(step, Children(as_stored(rendered)))
    assert state.rejected and state.message.startswith("traffic.istio does not support")
    assert name.lower() in state.message


def seen(status: dict[str, Any]) -> Children:
    rendered = as_stored(PROVIDER.render(intent(gateways=["gateways/public"])))
    rendered[-1]["status"] = status
    return Children(rendered)


def reconciled(status: str, generation: int | str = GENERATION) -> dict[str, Any]:
    condition = {"type": "Reconciled", "status": status, "message": "2/3 proxies", "observedGeneration": generation}
    return {"conditions": [condition]}


@pytest.mark.parametrize(
    ("status", "settled", "words"),
    [
        ({}, True, ""),
        (reconciled("True"), True, ""),
        (reconciled("True", str(GENERATION)), True, ""),
        (reconciled("False"), False, "2/3 proxies"),
        (reconciled("Unknown"), False, "not every proxy"),
        (reconciled("True", GENERATION - 1), False, f"generation {GENERATION}"),
    ],
)
def test_proxies_that_lag_behind_are_waited_for(status: dict[str, Any], settled: bool, words: str) -> None:
    state = PROVIDER.read(intent(gateways=["gateways/public"]), seen(status))
    assert state.settled is settled and not state.rejected and words in state.message


@pytest.mark.parametrize(
    ("level", "generation", "rejected"),
    [
        ("ERROR", GENERATION, True),
        ("ERROR", str(GENERATION), True),
        ("WARNING", GENERATION, False),
        ("INFO", GENERATION, False),
        ("ERROR", GENERATION - 1, False),
    ],
)
def test_only_errors_about_what_is_there_now_refuse(level: str, generation: int | str, rejected: bool) -> None:
    message = {"level": level, "type": {"code": "IST0101", "name": "ReferencedResourceNotFound"}}
    status = {"observedGeneration": generation, "validationMessages": [message]}
    state = PROVIDER.read(intent(gateways=["gateways/public"]), seen(status))
    assert state.rejected is rejected and state.settled is not rejected
    assert ("IST0101 ReferencedResourceNotFound" in state.message) is rejected
