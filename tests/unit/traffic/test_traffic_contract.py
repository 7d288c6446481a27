"""What holds for every traffic provider."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import HeaderRoute
from unit.traffic.cases import CASES, DEPLOYMENT, SPLIT, V1, V2, Case
from unit.traffic.contract import GENERATION, WORDS, Contract, as_stored, in_force, known, unanswered

CONTRACTS = known()
EVERY = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
_params = [
    pytest.param(contract, case, id=f"{contract.name}-{name}") for contract in CONTRACTS for name, case in CASES.items()
]
_able = [param for param in _params if param.values[0].can(param.values[1])]
ABLE = pytest.mark.parametrize(("contract", "case"), _able)
WEIGHTED = pytest.mark.parametrize(("contract", "case"), [param for param in _able if param.values[0].weights])
UNABLE = pytest.mark.parametrize(("contract", "case"), [param for param in _params if param not in _able])
ROUTING = pytest.mark.parametrize(
    "contract",
    [contract for contract in CONTRACTS if contract.can(CASES["header"])],
    ids=lambda contract: contract.name,
)

HOSTILE = [
    'double "quotes"',
    "single 'quotes'",
    "back`tick`",
    "`) || PathPrefix(`/",
    "semi;colon",
    "${host} $1 $request_uri",
    "{{ .Template }} %{x} %REQ(:path)%",
    "back\\slash\\",
    "a|b&c(d)[e]{f}^.*+?$",
    "comma, separated: yes",
    "#comment - *anchor &alias !tag",
    "null",
    "100%",
    "trailing dot.",
    "~tilde/slash",
    "\N{SNOWMAN}",
]


@ABLE
def test_render_is_deterministic_and_complete(contract: Contract, case: Case) -> None:
    """Equal intents make equal objects, each complete but for its ownership, all named after the ModelDeployment."""
    intent = contract.intent(case)
    rendered = contract.provider.render(intent)
    assert json.dumps(rendered) == json.dumps(contract.provider.render(contract.intent(case)))
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered}
    assert len(names) == len(rendered) > 0
    assert any(name == DEPLOYMENT for _, name in names)
    for manifest in rendered:
        assert manifest["apiVersion"] and manifest["spec"]
        name = manifest["metadata"]["name"]
        assert name == DEPLOYMENT or name.startswith(f"{DEPLOYMENT}-")
        assert set(manifest["metadata"]) <= {"name", "annotations"}
        assert all(isinstance(value, str) for value in manifest["metadata"].get("annotations", {}).values())


@ABLE
def test_rendering_changes_neither_the_intent_nor_what_was_rendered(contract: Contract, case: Case) -> None:
    intent = contract.intent(case)
    before = repr(intent)
    rendered = contract.provider.render(intent)
    kept = copy.deepcopy(rendered)
    for manifest in contract.provider.render(intent):
        manifest["spec"].clear()
        manifest["metadata"].clear()
    assert rendered == kept and repr(intent) == before


@WEIGHTED
def test_weights_sum_to_100_and_name_every_revision(contract: Contract, case: Case) -> None:
    assert contract.weights is not None
    weights = contract.weights(contract.provider.render(contract.intent(case)))
    assert sum(weights.values()) == 100
    wanted = {revision: weight for revision, weight in case.weights if weight or contract.names_idle}
    assert {revision: weights.get(revision, 0) for revision in wanted} == wanted


@ABLE
def test_what_was_rendered_and_accepted_is_settled(contract: Contract, case: Case) -> None:
    intent = contract.intent(case)
    state = contract.provider.read(intent, in_force(contract, contract.provider.render(intent)))
    assert state.settled and not state.rejected and state.message == ""


@ABLE
def test_nothing_there_is_waited_for(contract: Contract, case: Case) -> None:
    state = contract.provider.read(contract.intent(case), Children())
    assert not state.settled and not state.rejected and DEPLOYMENT in state.message


@ABLE
def test_without_its_controllers_word_a_split_is_waited_for(contract: Contract, case: Case) -> None:
    intent = contract.intent(case)
    state = contract.provider.read(intent, unanswered(contract, contract.provider.render(intent)))
    assert not state.rejected
    assert state.settled is not contract.answers
    assert bool(state.message) is contract.answers


@EVERY
def test_word_on_an_earlier_generation_does_not_count(contract: Contract) -> None:
    intent = contract.intent(CASES["canary"])
    children = in_force(contract, contract.provider.render(intent))
    for manifest in children:
        manifest["metadata"]["generation"] = GENERATION + 1
    assert contract.provider.read(intent, children).settled is not contract.answers


@EVERY
def test_refusal_is_passed_on_in_the_controllers_words(contract: Contract) -> None:
    if contract.refuse is None:
        assert not contract.answers
        return
    intent = contract.intent(CASES["canary"])
    refused = Children([contract.refuse(manifest) for manifest in as_stored(contract.provider.render(intent))])
    state = contract.provider.read(intent, refused)
    assert state.rejected and not state.settled and WORDS in state.message


@pytest.mark.parametrize("contract", [c for c in CONTRACTS if c.weights], ids=lambda contract: contract.name)
def test_another_split_is_not_settled(contract: Contract) -> None:
    """From every case to every other: what is in force for one is not taken for the other."""
    able = [case for case in CASES.values() if contract.can(case)]
    made = {id(case): contract.provider.render(contract.intent(case)) for case in able}
    for there in able:
        children = in_force(contract, made[id(there)])
        for wanted in able:
            same = made[id(wanted)] == made[id(there)]
            assert contract.provider.read(contract.intent(wanted), children).settled is same, (there, wanted)


@ABLE
def test_no_object_that_was_tampered_with_is_settled(contract: Contract, case: Case) -> None:
    intent = contract.intent(case)
    rendered = contract.provider.render(intent)
    count = 0
    for index, manifest in enumerate(rendered):
        for tampered in _tampered(manifest):
            children = in_force(contract, [*rendered[:index], tampered, *rendered[index + 1 :]])
            assert not contract.provider.read(intent, children).settled, tampered
            count += 1
    assert count > 3


@EVERY
def test_what_the_api_server_fills_in_does_not_matter(contract: Contract) -> None:
    intent = contract.intent(CASES["canary"])
    rendered = contract.provider.render(intent)
    for manifest in rendered:
        manifest["spec"]["fieldOfANewerVersion"] = {"default": True}
        manifest["metadata"].setdefault("annotations", {})["example.com/by-somebody-else"] = "yes"
    assert contract.provider.read(intent, in_force(contract, rendered)).settled


@UNABLE
def test_what_a_provider_cannot_do_is_said(contract: Contract, case: Case) -> None:
    """The weights are still right, and the state says what is missing: it is never dropped without a word."""
    intent = contract.intent(case)
    rendered = contract.provider.render(intent)
    state = contract.provider.read(intent, in_force(contract, rendered))
    assert state.rejected and not state.settled
    assert contract.provider_name in state.message and "does not support" in state.message


@ABLE
def test_every_feature_leaves_its_mark(contract: Contract, case: Case) -> None:
    """No part of an intent is ignored: without it the objects differ."""
    intent = contract.intent(case)
    rendered = contract.provider.render(intent)
    lesser = [replace(intent, header_routes=intent.header_routes[:-1])] if intent.header_routes else []
    lesser += [replace(intent, mirror=None)] if intent.mirror else []
    lesser += [replace(intent, affinity=None)] if intent.affinity else []
    for without in lesser:
        assert contract.provider.render(without) != rendered


@ROUTING
@pytest.mark.parametrize("text", HOSTILE)
def test_header_values_mean_themselves(contract: Contract, text: str) -> None:
    _means_itself(contract, text)


@ROUTING
@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40))
def test_any_header_value_means_itself(contract: Contract, text: str) -> None:
    _means_itself(contract, text)


def _means_itself(contract: Contract, text: str) -> None:
    exact = Case(SPLIT, (_route(HeaderMatch(name="X-Who", exact=text)),))
    prefix = Case(SPLIT, (_route(HeaderMatch(name="X-Who", prefix=text)),))
    for case, accepts_more in ((exact, False), (prefix, True)):
        rendered = contract.provider.render(contract.intent(case))
        if contract.declines(case):
            assert contract.forced is not None and contract.forced(rendered, {"x-who": text}) is None
            continue
        assert _shape(rendered) == _shape(_harmless(contract, case))
        assert contract.forced is not None
        assert contract.forced(rendered, {"x-who": text}) == V2
        assert contract.forced(rendered, {"x-who": f"{text}x"}) == (V2 if accepts_more else None)
        other = "y" if text.startswith("x") else "x"
        assert contract.forced(rendered, {"x-who": f"{other}{text}"}) is None
        assert contract.forced(rendered, {}) is None


@ROUTING
def test_regular_expressions_are_kept(contract: Contract) -> None:
    pattern = r"""^(beta|"gamma"|de`l`ta)-\d+(?:\.[0-9]{1,3})?$"""
    case = Case(SPLIT, (_route(HeaderMatch(name="X-Who", regex=pattern)),))
    rendered = contract.provider.render(contract.intent(case))
    assert contract.forced is not None
    if contract.declines(case):
        assert contract.forced(rendered, {"x-who": "beta-1"}) is None
        return
    for value in ("beta-1", '"gamma"-22.5', "de`l`ta-3.141"):
        assert contract.forced(rendered, {"x-who": value}) == V2
    for value in ("beta-", "xbeta-1", "beta-1.1234", "alpha-1"):
        assert contract.forced(rendered, {"x-who": value}) is None


@pytest.mark.parametrize(
    "contract", [c for c in CONTRACTS if c.can(CASES["headers"])], ids=lambda contract: contract.name
)
def test_all_conditions_of_one_match_and_any_of_the_matches(contract: Contract) -> None:
    rendered = contract.provider.render(contract.intent(CASES["headers"]))
    assert contract.forced is not None
    assert contract.forced(rendered, {"x-beta": "yes"}) == V2
    assert contract.forced(rendered, {"user-agent": "Mozilla/5.0 (X11) Firefox/1"}) == V2
    assert contract.forced(rendered, {"user-agent": "Mozilla/500 (X11) Firefox/1"}) is None
    assert contract.forced(rendered, {"x-team": "risk.eu"}) is None
    only = contract.provider.render(
        contract.intent(replace(CASES["headers"], header_routes=CASES["headers"].header_routes[1:]))
    )
    assert contract.forced(only, {"x-beta": "yes"}) is None
    assert contract.forced(only, {"x-beta": "yes", "x-team": "riskXeu"}) is None
    assert contract.forced(only, {"x-beta": "yes", "x-team": "risk.eu"}) == V2


@pytest.mark.parametrize("contract", [c for c in CONTRACTS if c.can(CASES["both"])], ids=lambda contract: contract.name)
def test_cookies_among_others_in_any_order(contract: Contract) -> None:
    assert contract.forced is not None
    one = contract.provider.render(contract.intent(CASES["cookie"]))
    for cookie in ("cohort=b.2", "a=1; cohort=b.2", "cohort=b.2; z=9", "a=1; cohort=b.2; z=9", "a=1;cohort=b.2;z=9"):
        assert contract.forced(one, {"cookie": cookie}) == V2, cookie
    for cookie in ("cohort=bx2", "xcohort=b.2", "cohort=b.22", "a=cohort=b.2", "cohort=a; x-cohort=b.2", ""):
        assert contract.forced(one, {"cookie": cookie}) is None, cookie
    case = replace(CASES["both"], header_routes=CASES["both"].header_routes[2:])
    two = contract.provider.render(contract.intent(case))
    for cookie in ("cohort=b.2; plan=gold", "plan=gold; x=1; cohort=b.2", "a=1; plan=gold; cohort=b.2; z=9"):
        assert contract.forced(two, {"x-beta": "yes", "cookie": cookie}) == V2, cookie
        assert contract.forced(two, {"cookie": cookie}) is None
    for cookie in ("cohort=b.2", "plan=gold", "plan=golden; cohort=b.2", "cohort=b.2; plan=silver"):
        assert contract.forced(two, {"x-beta": "yes", "cookie": cookie}) is None, cookie


@pytest.mark.parametrize(
    "contract",
    [c for c in CONTRACTS if c.can(CASES["affinity"]) and c.can(CASES["cookie"])],
    ids=lambda contract: contract.name,
)
def test_cookie_of_this_candidate_keeps_its_client(contract: Contract) -> None:
    """The cookie holds the revision, so a client of an earlier candidate is a new client."""
    rendered = contract.provider.render(contract.intent(CASES["affinity"]))
    assert contract.forced is not None
    assert contract.forced(rendered, {"cookie": f"a=1; {contract.cookie(V2)}"}) == V2
    assert contract.forced(rendered, {"cookie": f"a=1; {contract.cookie(V1)}"}) is None


@EVERY
@pytest.mark.parametrize("replicas", [1, 3, 10])
@pytest.mark.parametrize("weight", [1, 10, 50, 99, 100])
def test_scale_gives_each_side_pods_for_its_share(contract: Contract, replicas: int, weight: int) -> None:
    scale = contract.provider.scale(replicas, weight)
    assert 1 <= scale.candidate <= replicas
    assert scale.stable >= 1
    if not contract.provider.exclusive_pods:
        assert scale.stable == replicas
        assert scale.candidate * 100 >= replicas * weight


@EVERY
def test_nothing_of_somebody_elses_is_changed(contract: Contract) -> None:
    assert contract.provider.patches(contract.intent(CASES["canary"]), Children()) == []


def _route(match: HeaderMatch) -> HeaderRoute:
    return HeaderRoute("who", (RequestMatch(headers=[match]),), V2)


def _harmless(contract: Contract, case: Case) -> list[Manifest]:
    (match,) = case.header_routes[0].matches[0].headers
    plain = HeaderMatch(name=match.name, **{"exact" if match.exact else "prefix": "harmless"})
    return contract.provider.render(contract.intent(replace(case, header_routes=(_route(plain),))))


def _shape(value: Any) -> Any:
    """Keys and lengths of lists; texts are only texts."""
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return type(value)


def _tampered(manifest: Manifest) -> Iterator[Manifest]:
    """The manifest with each single value changed in turn, each field left out, and each list shortened."""
    for path in [*_paths(manifest["spec"], ("spec",)), *_annotations(manifest)]:
        for change in ("other", "gone"):
            changed = copy.deepcopy(manifest)
            *parents, last = path
            place: Any = changed
            for key in parents:
                place = place[key]
            if change == "other":
                value = place[last]
                if isinstance(value, bool):
                    place[last] = not value
                elif isinstance(value, int):
                    place[last] = value + 1
                elif isinstance(value, str):
                    place[last] = f"{value}x"
                else:
                    continue
            else:
                del place[last]
            yield changed


def _annotations(manifest: Manifest) -> list[tuple[Any, ...]]:
    return [("metadata", "annotations", key) for key in manifest["metadata"].get("annotations", {})]


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))
