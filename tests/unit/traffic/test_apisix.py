"""APISIX: the order of rules and backends, paths, plugins."""

from __future__ import annotations

import pytest

from steersman.adapters.traffic.apisix import ApisixProvider
from steersman.core.snapshot import Children
from steersman.core.traffic import TrafficIntent
from unit.traffic.cases import CASES, V1, V2, Case
from unit.traffic.contract import as_stored
from unit.traffic.providers.apisix import accept

PROVIDER = ApisixProvider()


def rules(case: Case, **settings: object) -> list[dict]:
    return PROVIDER.render(intent(case, **settings))[0]["spec"]["http"]


def intent(case: Case, **settings: object) -> TrafficIntent:
    return case.intent({"apisix": {"hosts": ["fraud.example.com"], **settings}})


def test_the_weights_rule_keeps_its_place_whatever_comes_beside_it() -> None:
    """The controller knows rules by their position: one that moves is another's for a moment."""
    for name in ("canary", "header", "headers", "both", "mirror", "experiment"):
        assert rules(CASES[name])[0]["name"] == "split"


@pytest.mark.parametrize("weights", [((V1, 0), (V2, 100)), ((V1, 40), (V2, 60)), ((V1, 50), (V2, 50))])
def test_the_revision_with_most_weight_comes_first(weights: tuple[tuple[str, int], ...]) -> None:
    backends = rules(Case(weights))[0]["backends"]
    assert backends[0]["weight"] == max(weight for _, weight in weights)
    assert {backend["serviceName"]: backend["weight"] for backend in backends} == dict(weights)


@pytest.mark.parametrize(("path", "paths"), [("/", ["/*"]), ("/x/", ["/x/*"]), ("/x", ["/x", "/x/*"])])
def test_a_prefix_means_what_it_means_in_an_ingress(path: str, paths: list[str]) -> None:
    assert all(rule["match"]["paths"] == paths for rule in rules(CASES["header"], path=path))


def test_the_users_plugins_are_every_rules_and_the_mirror_is_the_weights() -> None:
    own = {"name": "limit-count", "config": {"count": 2}}
    header = CASES["header"]
    split, *others = rules(Case(header.weights, header.header_routes, CASES["mirror-share"].mirror), plugins=[own])
    kept = {"enable": True, **own}
    mirror = {"host": f"http://{V2}.risk.svc.cluster.local", "sample_ratio": 0.25}
    assert split["plugins"] == [kept, {"name": "proxy-mirror", "enable": True, "config": mirror}]
    assert [rule["plugins"] for rule in others] == [[kept]]


def test_an_answer_without_generation_is_waited_for() -> None:
    step = intent(CASES["canary"])
    (route,) = map(accept, as_stored(PROVIDER.render(step)))
    del route["status"]["conditions"][0]["observedGeneration"]
    state = PROVIDER.read(step, Children([route]))
    assert not state.settled and not state.rejected and "generation" in state.message
