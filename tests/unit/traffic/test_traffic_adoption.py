"""Routes that stay their owners'."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from steersman.adapters.traffic import provider_for
from steersman.core.snapshot import Children, Manifest, RoutePatch
from steersman.core.traffic import TrafficIntent, TrafficState
from unit.traffic.cases import CASES, V1, V2, V3
from unit.traffic.contract import WORDS, as_stored
from unit.traffic.gateway_status import answer, refuse

ADOPTED = {"gatewayAPI": {"adopt": {"name": "shop"}}}
OURS = {"name": "fraud", "port": 80}
OTHERS = {"name": "cart", "port": 8080}


def intent(case: str = "canary", traffic: dict[str, Any] = ADOPTED) -> TrafficIntent:
    return CASES[case].intent(traffic)


def route(*rules: dict[str, Any], kind: str = "HTTPRoute") -> Manifest:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "shop", "namespace": "risk", "generation": 3, "resourceVersion": "17"},
        "spec": {"parentRefs": [{"name": "public"}], "hostnames": ["shop.example.com"], "rules": list(rules)},
    }


def rule(*refs: dict[str, Any], path: str = "/fraud", **more: Any) -> dict[str, Any]:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": list(refs), **more}


def children(wanted: TrafficIntent) -> Children:
    """What is rendered beside the adopted route, accepted by its Gateway."""
    return Children(map(answer("public"), as_stored(provider_for(wanted.traffic).render(wanted))))


def patches(wanted: TrafficIntent, adopted: Manifest, there: Children | None = None) -> list[RoutePatch]:
    wanted = replace(wanted, adopted=adopted)
    return provider_for(wanted.traffic).patches(wanted, children(wanted) if there is None else there)


def patched(wanted: TrafficIntent, adopted: Manifest, there: Children | None = None) -> Manifest:
    """The route after the patch, applied as RFC 6902 says for the two operations that are used; nobody has answered yet."""
    result = copy.deepcopy(adopted)
    for patch in patches(wanted, adopted, there):
        assert (patch.kind, patch.name) == (adopted["kind"], adopted["metadata"]["name"])
        test, *changes = patch.operations
        assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "17"}
        for change in changes:
            assert change["op"] == "replace"
            _, _, rules, number, field = change["path"].split("/")
            assert (rules, field) == ("rules", "backendRefs")
            result["spec"]["rules"][int(number)]["backendRefs"] = change["value"]
        result["metadata"]["generation"] += 1
    return result


def read(wanted: TrafficIntent, adopted: Manifest | None) -> TrafficState:
    wanted = replace(wanted, adopted=adopted)
    return provider_for(wanted.traffic).read(wanted, children(wanted))


def split(adopted: Manifest, number: int = 0) -> dict[str, int]:
    return {ref["name"]: ref.get("weight", 1) for ref in adopted["spec"]["rules"][number]["backendRefs"]}


def test_only_backend_refs_of_its_own_rules_change() -> None:
    before = route(rule(OTHERS, path="/cart"), rule(OURS), rule(OURS, path="/v2", timeouts={"request": "10s"}))
    after = patched(intent(), before)
    assert split(after, 1) == split(after, 2) == {V1: 80, V2: 20}
    for manifest in (before, after):
        for number in (1, 2):
            del manifest["spec"]["rules"][number]["backendRefs"]
    assert after["spec"] == before["spec"]


def test_a_patch_holds_for_one_version_and_is_made_once() -> None:
    after = patched(intent(), route(rule(OURS)))
    assert patches(intent(), after) == []
    assert split(patched(intent("promoted"), after)) == {V2: 100, V1: 0}


@pytest.mark.parametrize("case", ["first", "starting", "retiring", "experiment"])
def test_every_split_fits(case: str) -> None:
    after = patched(intent(case), route(rule(OURS)))
    assert split(after) == dict(CASES[case].weights)
    assert read(intent(case), answer("public")(after)).settled


def keeper(wanted: TrafficIntent, adopted: Manifest) -> Manifest:
    _, made = provider_for(wanted.traffic).render(replace(wanted, adopted=adopted))
    return made


def test_another_route_keeps_every_service_known_to_the_proxy() -> None:
    """For the same Gateways and hostnames; the path is nobody's, and leads to the Service that the owner names."""
    made = keeper(intent("starting"), route(rule(OURS)))
    assert (made["kind"], made["metadata"]["name"]) == ("HTTPRoute", "fraud-adoption")
    assert made["spec"]["parentRefs"] == route()["spec"]["parentRefs"]
    assert made["spec"]["hostnames"] == route()["spec"]["hostnames"]
    assert split(made) == {"fraud": 100, V1: 0, V2: 0}
    (match,) = made["spec"]["rules"][0]["matches"]
    assert match == {"path": {"type": "Exact", "value": "/.well-known/steersman/fraud"}}


def test_no_share_rises_from_zero_before_the_proxy_knows_the_revision() -> None:
    """The keeper must name it and its Gateway must have looked at that; what it thinks of it does not matter."""
    adopted = route(rule(OURS))
    wanted = replace(intent(), adopted=adopted)
    rendered = as_stored(provider_for(wanted.traffic).render(wanted))
    older = as_stored(provider_for(wanted.traffic).render(replace(intent("first"), adopted=adopted)))
    assert patches(intent(), adopted, Children(rendered[:1])) == []
    assert patches(intent(), adopted, Children(rendered)) == []
    assert patches(intent(), adopted, Children(map(answer("public"), older))) == []
    assert "does not carry" in provider_for(wanted.traffic).read(wanted, Children(rendered)).message
    for answered in (answer("public"), refuse("public"), refuse("public", condition="ResolvedRefs")):
        assert split(patched(intent(), adopted, Children(map(answered, rendered)))) == {V1: 80, V2: 20}


def test_on_the_way_back_nothing_is_waited_for() -> None:
    there = patched(intent(), route(rule(OURS)))
    back = replace(intent(), weights=((V1, 100), (V2, 0)))
    assert split(patched(back, there, Children())) == {V1: 100, V2: 0}
    switched = patched(replace(intent(), weights=((V2, 100), (V1, 0))), there)
    assert patches(back, switched, Children()) == []
    assert split(patched(back, switched)) == {V1: 100, V2: 0}


def test_order_does_not_matter() -> None:
    there = patched(intent(), route(rule(OURS)))
    assert patches(replace(intent(), weights=((V2, 20), (V1, 80))), there) == []


def test_revisions_that_are_gone_are_recognized_by_their_names() -> None:
    left = [{"name": V3, "port": 80, "weight": 50}, {"name": "fraud-v12-deadbeef", "port": 80, "weight": 50}]
    assert split(patched(intent(), route(rule(*left)))) == {V1: 80, V2: 20}


@pytest.mark.parametrize(
    "refs",
    [
        [OTHERS],
        [OURS, OTHERS],
        [{**OURS, "namespace": "elsewhere"}],
        [{**OURS, "kind": "ServiceImport"}],
        [{**OURS, "group": "example.com"}],
        [{"name": "fraud-preview", "port": 80}],
        [{"name": "fraud-v2-v1-0a1b2c3d", "port": 80}],
        [{"name": "xfraud", "port": 80}],
        [],
    ],
)
def test_rules_of_others_are_not_touched(refs: list[dict[str, Any]]) -> None:
    """A rule that names anything else too is its owner's; without one of its own nothing is adopted, and that is said."""
    adopted = answer("public")(route(rule(*refs)))
    assert patches(intent(), adopted) == []
    state = read(intent(), adopted)
    assert state.rejected and "HTTPRoute shop has no rule" in state.message and "Service fraud" in state.message


def test_own_namespace_may_be_written_out() -> None:
    assert split(patched(intent(), route(rule({**OURS, "namespace": "risk", "kind": "Service", "group": ""}))))


def test_filters_of_the_owner_stay() -> None:
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X-Team", "value": "risk"}]}}
    ]
    after = patched(intent(), route(rule({**OURS, "filters": filters})))
    assert [ref["filters"] for ref in after["spec"]["rules"][0]["backendRefs"]] == [filters] * 2
    assert patches(intent(), after) == []


def test_missing_route_is_said() -> None:
    state = read(intent(), None)
    assert state.rejected and "HTTPRoute shop" in state.message and "not there" in state.message
    assert provider_for(intent().traffic).patches(intent(), children(intent())) == []


def test_the_adopted_route_may_be_called_as_the_model_deployment() -> None:
    wanted = intent(traffic={"gatewayAPI": {"adopt": {"name": "fraud"}}})
    adopted = route(rule(OURS))
    adopted["metadata"]["name"] = "fraud"
    after = patched(wanted, adopted)
    assert split(after) == {V1: 80, V2: 20} and read(wanted, answer("public")(after)).settled


def test_settled_when_its_gateways_say_so() -> None:
    after = patched(intent(), route(rule(OURS)))
    assert "0 of 1 parents" in read(intent(), after).message
    assert read(intent(), answer("public")(after)).settled
    refused = read(intent(), refuse("public", condition="ResolvedRefs")(after))
    assert refused.rejected and WORDS in refused.message
    older = answer("public")(after)
    older["metadata"]["generation"] += 1
    assert not read(intent(), older).settled
    assert not read(intent(), answer("public")(route(rule(OURS)))).settled


def test_front_service_reaches_the_revision_with_the_most_weight() -> None:
    """Its owner applies the manifest again: until the next patch every request goes there."""
    (service,) = provider_for(intent().traffic).render(intent())
    assert (service["kind"], service["metadata"]["name"]) == ("Service", "fraud")
    assert service["spec"]["selector"]["steersman.dev/revision"] == V1
    (service,) = provider_for(intent().traffic).render(intent("promoted"))
    assert service["spec"]["selector"]["steersman.dev/revision"] == V2
    accepted = replace(intent(), adopted=answer("public")(patched(intent(), route(rule(OURS)))))
    elsewhere = children(replace(intent("promoted"), adopted=accepted.adopted))
    assert not provider_for(intent().traffic).read(accepted, elsewhere).settled


def test_grpc_route() -> None:
    traffic = {"gatewayAPI": {"kind": "GRPCRoute", "adopt": {"name": "shop"}}}
    grpc = route({"backendRefs": [OURS]}, kind="GRPCRoute")
    assert split(patched(intent(traffic=traffic), grpc)) == {V1: 80, V2: 20}
    made = keeper(intent(traffic=traffic), grpc)
    assert made["kind"] == "GRPCRoute" and "path" not in made["spec"]["rules"][0]["matches"][0]


@pytest.mark.parametrize("case", ["header", "mirror", "affinity"])
def test_what_an_adopted_route_cannot_carry_is_said(case: str) -> None:
    wanted = CASES[case].intent(ADOPTED)
    state = read(wanted, answer("public")(patched(wanted, route(rule(OURS)))))
    assert state.rejected and "does not support" in state.message


def test_weights_of_zero_and_equal_splits_are_patched_once() -> None:
    even = replace(intent(), weights=((V1, 50), (V2, 50)))
    after = patched(even, route(rule(OURS)))
    assert split(after) == {V1: 50, V2: 50} and patches(even, after) == []
