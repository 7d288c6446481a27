"""Ingress-NGINX: no order of writes and no moment between two of them shows a wrong weight, and what it cannot say."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from pydantic import ValidationError

from steersman.adapters.traffic.nginx import NginxProvider
from steersman.api.routing import CookieMatch, HeaderMatch, RequestMatch
from steersman.api.traffic import Traffic
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import HeaderRoute, Mirror, TrafficIntent
from unit.traffic.cases import COOKIE, DEPLOYMENT, NAMESPACE, SPLIT, V1, V2, V3
from unit.traffic.providers.nginx import PREFIX, forced, weights

PROVIDER = NginxProvider()
TRAFFIC = Traffic.model_validate({"nginx": {"hosts": ["fraud.example.com"]}})


def intent(*split: tuple[str, int], **more: object) -> TrafficIntent:
    return TrafficIntent(NAMESPACE, DEPLOYMENT, TRAFFIC, split, **more)  # type: ignore[arg-type]


def header(name: str = "X-Who", revision: str = V2, **condition: str) -> HeaderRoute:
    return HeaderRoute("who", (RequestMatch(headers=[HeaderMatch(name=name, **condition)]),), revision)


CANARY = [
    intent((V1, 100)),
    intent((V1, 100), (V2, 0)),
    intent((V1, 90), (V2, 10)),
    intent((V1, 50), (V2, 50)),
    intent((V1, 0), (V2, 100)),
    intent((V2, 100), (V1, 0)),
    intent((V2, 100)),
]
ABORT = [CANARY[2], intent((V1, 100), (V2, 0)), intent((V1, 100))]
ABORT_AT_100 = [CANARY[4], intent((V1, 100), (V2, 0)), intent((V1, 100))]
NEXT_WHILE_RETIRING = [CANARY[5], intent((V2, 100), (V3, 0), (V1, 0)), intent((V2, 80), (V3, 20), (V1, 0))]
BACK_AFTER_PROMOTION = [CANARY[5], intent((V2, 0), (V1, 100)), intent((V1, 100), (V2, 0))]
HEADERS = [
    intent((V1, 100), (V2, 0)),
    intent((V1, 100), (V2, 0), header_routes=(header(exact="me"),)),
    intent((V1, 90), (V2, 10), header_routes=(header(exact="me"),)),
    intent((V1, 0), (V2, 100), header_routes=(header(exact="me"),)),
    intent((V2, 100), (V1, 0)),
]
WAYS = {
    "canary": CANARY,
    "abort": ABORT,
    "abort at 100": ABORT_AT_100,
    "next while retiring": NEXT_WHILE_RETIRING,
    "back after promotion": BACK_AFTER_PROMOTION,
    "headers": HEADERS,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_prefix_of_the_writes_shows_the_old_weights_or_the_new(way: list[TrafficIntent]) -> None:
    """Also in any order, as the controller watches Services and Ingresses apart; a revision without weight never gets any."""
    for before, after in pairwise(way):
        old, new = PROVIDER.render(before), PROVIDER.render(after)
        allowed = [positive(before.weights), positive(after.weights)]
        for choice in range(8):
            mixed = [new[place] if choice >> place & 1 else old[place] for place in range(3)]
            assert positive(tuple(weights(mixed).items())) in allowed, (before.weights, after.weights, choice)


def positive(split: tuple[tuple[str, int], ...]) -> dict[str, int]:
    return {revision: weight for revision, weight in split if weight}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_steps_change_the_canary_ingress_alone_and_a_promotion_the_front_service_alone(
    way: list[TrafficIntent],
) -> None:
    for before, after in pairwise(way):
        old, new = PROVIDER.render(before), PROVIDER.render(after)
        changed = {manifest["kind"] for manifest, other in zip(new, old, strict=True) if manifest != other}
        dropped = len(before.header_routes) > len(after.header_routes)
        assert len(changed) <= 1 or dropped, (before.weights, after.weights)
        # A changed main Ingress would make NGINX reload.
        assert old[1] == new[1]


def test_main_and_canary_never_name_one_service() -> None:
    """The controller drops the main Ingress's location if the canary, which may be the older one, names its Service."""
    for way in WAYS.values():
        for step in way:
            _, main, canary = PROVIDER.render(step)
            services = [i["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] for i in (main, canary)]
            assert services[0] == DEPLOYMENT != services[1]


def test_matches_of_several_routes_on_one_header_are_one_pattern() -> None:
    routes = (header(exact="a|b"), header(prefix="risk."), header(regex="(beta|rc)-[0-9]+"))
    rendered = PROVIDER.render(intent(*SPLIT, header_routes=routes))
    for value in ("a|b", "risk.eu", "beta-12"):
        assert forced(rendered, {"x-who": value}) == V2
    for value in ("a", "b", "xrisk.", "beta-", "abeta-1b"):
        assert forced(rendered, {"x-who": value}) is None


def test_two_cookies_in_one_match_are_one_condition() -> None:
    cookies = [CookieMatch(name="cohort", value="b.2"), CookieMatch(name="plan", value="gold")]
    rendered = PROVIDER.render(intent(*SPLIT, header_routes=(HeaderRoute("c", (RequestMatch(cookies=cookies),), V2),)))
    assert forced(rendered, {"cookie": "x=1; plan=gold; cohort=b.2"}) == V2
    assert forced(rendered, {"cookie": "plan=gold; cohort=bx2"}) is None


@pytest.mark.parametrize("regex", [r'"a b",\?', r"\@\\x", "[!-,]+", "é"])
def test_regular_expressions_are_spelled_in_the_accepted_characters(regex: str) -> None:
    step = intent(*SPLIT, header_routes=(header(regex=regex),))
    rendered = PROVIDER.render(step)
    if not regex.isascii():
        assert "does not support" in PROVIDER.read(step, Children(rendered)).message
        return
    hits = {r'"a b",\?': '"a b",?', r"\@\\x": r"@\x", "[!-,]+": "!,+"}
    assert forced(rendered, {"x-who": hits[regex]}) == V2
    assert forced(rendered, {"x-who": f"{hits[regex]}z"}) is None


UNSAID = {
    "two headers in a match": RequestMatch(
        headers=[HeaderMatch(name="X-A", exact="a"), HeaderMatch(name="X-B", exact="b")]
    ),
    "a header and a cookie": RequestMatch(
        headers=[HeaderMatch(name="X-A", exact="a")], cookies=[CookieMatch(name="c", value="d")]
    ),
    "a name that it refuses": RequestMatch(headers=[HeaderMatch(name="X-A|B", exact="a")]),
    "a quantifier with a comma": RequestMatch(headers=[HeaderMatch(name="X-A", regex="a{1,3}")]),
    "a named group": RequestMatch(headers=[HeaderMatch(name="X-A", regex="(?P<n>a)")]),
    "a quotation": RequestMatch(headers=[HeaderMatch(name="X-A", regex=r"\Qa.b\E")]),
}


@pytest.mark.parametrize("match", UNSAID.values(), ids=UNSAID)
def test_what_it_cannot_express_is_said_and_not_rendered(match: RequestMatch) -> None:
    step = intent(*SPLIT, header_routes=(HeaderRoute("who", (match,), V2),))
    rendered = PROVIDER.render(step)
    state = PROVIDER.read(step, Children(rendered))
    assert state.rejected and state.message.startswith("traffic.nginx does not support ")
    assert not [key for key in rendered[2]["metadata"]["annotations"] if "by-header" in key]
    assert weights(rendered) == dict(SPLIT)


def test_routes_on_two_headers_or_to_two_revisions_are_said() -> None:
    two_headers = intent(*SPLIT, header_routes=(header("X-A", exact="a"), COOKIE))
    two_revisions = intent((V1, 50), (V2, 50), header_routes=(header(exact="a"), header(revision=V1, exact="b")))
    for step, words in ((two_headers, "more than one header"), (two_revisions, "more than one revision")):
        state = PROVIDER.read(step, Children(PROVIDER.render(step)))
        assert state.rejected and words in state.message


def test_mirroring_names_the_candidate_by_its_host() -> None:
    main = PROVIDER.render(intent((V1, 100), (V2, 0), mirror=Mirror(V2, 100)))[1]
    target = main["metadata"]["annotations"][f"{PREFIX}mirror-target"]
    assert target == f"http://{V2}.risk.svc.cluster.local$request_uri"


@pytest.mark.parametrize("place", [1, 2], ids=["main", "canary"])
@pytest.mark.parametrize("name", ["mirror-target", "canary-by-cookie", "canary-weight-total"])
def test_annotations_of_an_earlier_split_are_waited_for(place: int, name: str) -> None:
    step = intent(*SPLIT)
    rendered: list[Manifest] = PROVIDER.render(step)
    rendered[place]["metadata"].setdefault("annotations", {})[PREFIX + name] = "x"
    state = PROVIDER.read(step, Children(rendered))
    assert not state.settled and not state.rejected and name in state.message


@pytest.mark.parametrize("name", ["canary", "canary-weight", "mirror-target", "affinity", "session-cookie-name"])
def test_annotations_that_would_make_weights_wrong_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="must not begin with"):
        Traffic.model_validate({"nginx": {"hosts": ["a.example"], "annotations": {PREFIX + name: "x"}}})


def test_a_cookie_route_and_weights_work_together() -> None:
    rendered = PROVIDER.render(replace(intent(*SPLIT), header_routes=(COOKIE,)))
    assert weights(rendered) == dict(SPLIT) and forced(rendered, {"cookie": "cohort=b.2"}) == V2
