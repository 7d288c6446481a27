"""The AWS load balancer: its quotas, and what its conditions cannot say."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from steersman.adapters.traffic.alb import ALBProvider
from steersman.api.routing import CookieMatch, HeaderMatch, RequestMatch
from steersman.api.traffic import Traffic
from steersman.core.snapshot import Children
from steersman.core.traffic import HeaderRoute
from unit.traffic.cases import CASES, SPLIT, V1, V2, Case
from unit.traffic.providers.alb import PREFIX, forced, weights

PROVIDER = ALBProvider()


def test_an_action_has_at_most_five_target_groups_and_keeps_those_that_matter() -> None:
    idle = [(f"fraud-v{number}-00000000", 0) for number in range(10, 16)]
    intent = Case((("fraud-v1-0a1b2c3d", 0), *idle[:3], ("fraud-v2-11111111", 100), *idle[3:])).intent({"alb": {}})
    assert weights(PROVIDER.render(intent)) == {V2: 100, V1: 0, **dict(idle[:3])}


@pytest.mark.parametrize("annotation", [None, "instance"])
def test_targets_are_pods_unless_asked_otherwise(annotation: str | None) -> None:
    own = {} if annotation is None else {"annotations": {f"{PREFIX}target-type": annotation}}
    (ingress,) = PROVIDER.render(CASES["canary"].intent({"alb": own}))
    assert ingress["metadata"]["annotations"][f"{PREFIX}target-type"] == (annotation or "ip")


HEADER = HeaderMatch(name="X-A", exact="a")
UNSAID = {
    "a regular expression": RequestMatch(headers=[HeaderMatch(name="X-A", regex="a+")]),
    "one beside an exact value": RequestMatch(headers=[HEADER, HeaderMatch(name="X-B", regex="a+")]),
    "a wildcard": RequestMatch(headers=[HeaderMatch(name="X-A", exact="a*")]),
    "another wildcard": RequestMatch(headers=[HeaderMatch(name="X-A", prefix="a?")]),
    "a backslash": RequestMatch(headers=[HeaderMatch(name="X-A", exact="a\\b")]),
    "a blank": RequestMatch(headers=[HeaderMatch(name="X-A", exact="a b")]),
    "another script": RequestMatch(headers=[HeaderMatch(name="X-A", exact="é")]),
    "a long value": RequestMatch(headers=[HeaderMatch(name="X-A", exact="a" * 128)]),
    "a long name": RequestMatch(headers=[HeaderMatch(name="X" * 41, exact="a")]),
    "a cookie": RequestMatch(headers=[HEADER], cookies=[CookieMatch(name="c", value="d")]),
    "too many": RequestMatch(headers=[HeaderMatch(name=f"X-{number}", exact="a") for number in range(5)]),
}


@pytest.mark.parametrize("match", UNSAID.values(), ids=UNSAID)
def test_what_it_cannot_express_is_said_and_not_widened(match: RequestMatch) -> None:
    other = RequestMatch(headers=[HeaderMatch(name="X-Good", prefix="yes")])
    intent = Case(SPLIT, (HeaderRoute("who", (match, other), V2),)).intent({"alb": {}})
    rendered = PROVIDER.render(intent)
    state = PROVIDER.read(intent, Children(rendered))
    assert state.rejected and state.message.startswith("traffic.alb does not support")
    every = {header.name.lower(): header.exact or header.prefix or "a" for header in match.headers}
    assert forced(rendered, {**every, "cookie": "c=d"}) is None
    assert forced(rendered, {"x-good": "yes, please"}) == V2
    assert weights(rendered) == dict(SPLIT)


@pytest.mark.parametrize(
    ("settings", "most"), [({}, 4), ({"hosts": ["a.example"]}, 3), ({"hosts": ["a.example"], "path": "/x"}, 2)]
)
def test_host_and_path_count_among_a_rules_conditions(settings: dict[str, object], most: int) -> None:
    for number in (most, most + 1):
        match = RequestMatch(headers=[HeaderMatch(name=f"X-{place}", exact="a") for place in range(number)])
        intent = Case(SPLIT, (HeaderRoute("who", (match,), V2),)).intent({"alb": settings})
        assert PROVIDER.read(intent, Children(PROVIDER.render(intent))).settled is (number == most)


def test_annotations_of_an_earlier_split_are_waited_for() -> None:
    intent = CASES["canary"].intent({"alb": {}})
    rendered = PROVIDER.render(intent)
    rendered[0]["metadata"]["annotations"][f"{PREFIX}conditions.fraud-split"] = json.dumps([])
    state = PROVIDER.read(intent, Children(rendered))
    assert not state.settled and not state.rejected and "conditions.fraud-split" in state.message


@pytest.mark.parametrize("name", ["actions.fraud-split", "conditions.x"])
def test_annotations_that_are_steersmans_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="must not begin with"):
        Traffic.model_validate({"alb": {"annotations": {PREFIX + name: "{}"}}})
