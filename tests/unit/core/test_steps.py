"""Every kind of canary step: what it does, what it waits for, and that it leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.status import Outcome, Phase, RolloutPhase
from steersman.core.snapshot import RegistryAnswer
from unit.core.test_rollout import healthy
from unit.core.world import World, gateway_spec

HEADERS = [{"headers": [{"name": "x-group", "exact": "beta"}]}]


def rolling(*steps: dict[str, Any], **changes: Any) -> World:
    """A healthy version 1, and version 2 on its way by these steps."""
    canary = changes.pop("canary", {})
    world = healthy(gateway_spec(strategy={"canary": {"steps": list(steps), **canary}}, **changes))
    world.answer = RegistryAnswer("2")
    return world


def test_a_header_route_leads_to_the_candidate_until_promotion() -> None:
    world = rolling({"setHeaderRoute": {"match": HEADERS}}, {"pause": {}}, {"setWeight": 50}, {"pause": {}})
    world.run(40)
    assert world.status.candidate_weight == 0
    rules = world.route()["spec"]["rules"]
    assert [ref["name"] for ref in rules[0]["backendRefs"]] == [world.candidate]
    assert rules[0]["matches"][0]["headers"] == [{"type": "Exact", "name": "x-group", "value": "beta"}]
    assert world.status.rollout is not None and world.status.rollout.analysis is not None
    world.act("promote")
    world.run(60)
    assert world.route_weights()[world.candidate] == 50
    assert len(world.route()["spec"]["rules"]) == 2
    world.act("promote")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert len(world.route()["spec"]["rules"]) == 1


def test_testers_who_send_nothing_hold_no_weight_up_but_their_failures_abort() -> None:
    steps = [{"setHeaderRoute": {"match": HEADERS}}, {"pause": {"duration": "60s"}}, {"setWeight": 50}, {"pause": {}}]
    world = rolling(*steps)
    world.matching_percent = 0
    world.run(90)
    assert world.status.candidate_weight == 50
    world = rolling(*steps)
    world.failing = {"2": 0.9}
    world.run(60)
    assert world.status.history[0].reason == Reason.ANALYSIS_FAILED


def test_an_empty_match_ends_the_header_route() -> None:
    world = rolling(
        {"setHeaderRoute": {"name": "a", "match": HEADERS}},
        {"setHeaderRoute": {"name": "b", "match": HEADERS}},
        {"setHeaderRoute": {"name": "a"}},
        {"pause": {}},
    )
    world.run(60)
    assert world.status.rollout is not None
    assert [route.name for route in world.status.rollout.header_routes] == ["b"]
    assert len(world.route()["spec"]["rules"]) == 2


def test_abort_ends_header_routes_and_mirrors_at_once() -> None:
    world = rolling(
        {"setHeaderRoute": {"match": HEADERS}}, {"setMirrorRoute": {"percentage": 50}}, {"pause": {}}, analysis={}
    )
    world.run(60)
    assert "filters" in world.route()["spec"]["rules"][-1]
    world.act("abort")
    world.reconcile()
    assert len(world.route()["spec"]["rules"]) == 1
    assert "filters" not in world.route()["spec"]["rules"][-1]


def test_a_mirror_has_the_pods_for_its_share_first_and_is_judged() -> None:
    world = rolling({"setMirrorRoute": {"percentage": 100}}, {"pause": {}})
    world.pods_start_slowly = 1
    world.reconcile()
    world.settle()
    world.reconcile()
    world.pods_start_slowly = 0
    world.run(20)
    assert world.status.rollout is not None and world.status.rollout.mirror == 0
    assert world.replicas(world.candidate) == 4
    world.pods_start_slowly = None
    world.run(20)
    assert world.status.rollout is not None and world.status.rollout.mirror == 100
    assert world.status.rollout.analysis is not None


def test_an_analysis_step_must_pass_its_count() -> None:
    world = rolling(
        {"setWeight": 20}, {"analysis": {"templates": [{"name": "errors"}]}}, {"setWeight": 60}, {"pause": {}}
    )
    world.prometheus_works = False
    world.run(60)
    assert world.status.candidate_weight == 20
    assert world.status.rollout is not None and world.status.rollout.step == 1
    world.prometheus_works = True
    world.run(120)
    assert world.status.candidate_weight == 60


def test_a_failed_analysis_step_aborts() -> None:
    world = rolling({"setWeight": 20}, {"analysis": {"templates": [{"name": "errors"}]}}, analysis={})
    world.failing = {"2": 0.5}
    world.run(200)
    assert world.status.history[0].outcome == Outcome.ABORTED
    assert world.status.history[0].reason == Reason.ANALYSIS_FAILED


@pytest.mark.parametrize(
    ("scale", "pods"), [({"replicas": 3}, 3), ({"weight": 75}, 3), ({"matchTrafficWeight": True}, 1)]
)
def test_the_candidate_is_scaled_apart_from_its_weight(scale: dict[str, Any], pods: int) -> None:
    world = rolling({"setWeight": 10}, {"setCanaryScale": scale}, {"pause": {}}, {"setWeight": 100})
    world.run(60)
    assert world.replicas(world.candidate) == pods
    assert world.status.candidate_weight == 10
    world.act("promote")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.replicas(world.stable) == 4
    assert world.promises.broken == []


def test_scale_without_weight_keeps_to_what_was_asked() -> None:
    world = rolling({"setCanaryScale": {"replicas": 1}}, {"pause": {}}, {"setWeight": 90}, {"pause": {}})
    world.run(60)
    assert world.replicas(world.candidate) == 1
    world.act("promote")
    world.run(20)
    assert world.status.candidate_weight == 90
    assert world.replicas(world.candidate) == 4


def test_an_experiment_compares_like_with_like_and_leaves_nothing() -> None:
    experiment = {"weight": 10, "duration": "30s", "analysis": {"templates": [{"name": "errors"}]}}
    world = rolling({"experiment": experiment}, {"pause": {}}, analysis={})
    world.run(15)
    rollout = world.status.rollout
    assert rollout is not None and rollout.experiment is not None
    baseline = rollout.experiment.baseline.name
    assert world.route_weights() == {world.stable: 80, world.candidate: 10, baseline: 10}
    stable = world.children["Deployment", world.stable]["spec"]["template"]
    copied = world.children["Deployment", baseline]["spec"]["template"]
    assert copied["spec"] == stable["spec"]
    world.run(90)
    assert world.status.rollout is not None and world.status.rollout.step == 1
    assert world.status.candidate_weight == 0
    assert ("Deployment", baseline) not in world.children
    assert ("ControllerRevision", baseline) not in world.children
    assert {Reason.EXPERIMENT_STARTED, Reason.EXPERIMENT_ENDED} <= set(world.reasons())
    assert world.promises.broken == []


def test_a_failed_experiment_aborts_and_takes_the_baseline_away() -> None:
    experiment = {"weight": 20, "analysis": {"templates": [{"name": "errors"}]}}
    world = rolling({"experiment": experiment}, analysis={})
    world.failing = {"2": 0.5}
    world.run(200)
    assert world.status.history[0].reason == Reason.ANALYSIS_FAILED
    assert world.route_weights() == {world.stable: 100}
    assert [name for kind, name in world.children if kind == "Deployment"] == [world.stable]


def test_steps_edited_in_mid_experiment_end_it_first() -> None:
    world = rolling({"experiment": {"weight": 10, "duration": "10m"}}, {"pause": {}}, analysis={})
    world.run(40)
    spec = gateway_spec(strategy={"canary": {"steps": [{"setWeight": 30}, {"pause": {}}]}}, analysis={})
    world.change_spec(spec)
    world.run(60)
    assert world.status.rollout is not None and world.status.rollout.experiment is None
    assert world.status.candidate_weight == 30


def test_an_experiment_that_is_superseded_keeps_its_weights_until_stable_has_the_pods_for_more() -> None:
    world = rolling({"experiment": {"weight": 5, "duration": "10m"}}, analysis={}, replicas=4)
    world.run(40)
    world.pods_start_slowly = 1
    surge = {"canary": {"maxSurge": "60%", "stepWeight": 20, "maxWeight": 80, "interval": "10s"}}
    world.change_spec(
        gateway_spec(strategy=surge, analysis={}, replicas=7, runtime={"env": [{"name": "A", "value": "a"}]})
    )
    world.run(300)
    assert world.promises.broken == []


def test_promote_ends_an_experiment_and_promote_full_the_rollout() -> None:
    world = rolling({"experiment": {"weight": 10, "duration": "10m"}}, {"setWeight": 20}, {"pause": {}}, analysis={})
    world.run(40)
    world.act("promote")
    world.run(20)
    assert world.status.candidate_weight == 20
    world.act("promote-full")
    world.run(20)
    assert world.status.phase == Phase.HEALTHY and world.status.stable is not None
    assert world.status.stable.version == "2"


def test_promote_full_still_aborts_what_fails_before_it_has_everything() -> None:
    world = rolling({"setWeight": 20}, {"pause": {}})
    world.run(40)
    world.failing = {"2": 0.9}
    world.pods_start = False
    world.act("promote-full")
    world.run(100)
    assert world.status.history[0].outcome == Outcome.ABORTED


def test_the_short_form_rises_by_the_step_weight() -> None:
    canary = {"stepWeight": 20, "maxWeight": 50, "interval": "10s"}
    world = healthy(gateway_spec(strategy={"canary": canary}, analysis={}))
    world.answer = RegistryAnswer("2")
    world.weights_seen.clear()
    world.run(120)
    assert [max(w) for w in world.weights_seen if len(w) == 2][:5] == [100, 80, 60, 50, 100]
    assert world.status.phase == Phase.HEALTHY


def test_affinity_holds_while_the_weight_is_split() -> None:
    world = rolling({"setWeight": 20}, {"pause": {}}, canary={"sessionAffinity": {}}, analysis={})
    world.run(40)
    rules = world.route()["spec"]["rules"]
    assert [ref["name"] for ref in rules[0]["backendRefs"]] == [world.candidate]
    assert world.route_weights()[world.candidate] == 20
    world.act("promote")
    world.run(60)
    assert len(world.route()["spec"]["rules"]) == 1


def test_what_the_provider_cannot_do_is_said_and_nothing_starts() -> None:
    spec = gateway_spec(
        traffic={"service": {}}, strategy={"canary": {"steps": [{"setMirrorRoute": {}}, {"setWeight": 50}]}}
    )
    world = World(spec)
    world.run(20)
    assert world.condition("Accepted") == ("False", "UnsupportedByProvider")
    assert world.status.rollout is None


def test_an_abort_in_every_step_ends_with_stable_alone() -> None:
    steps: list[dict[str, Any]] = [
        {"setHeaderRoute": {"match": HEADERS}},
        {"setMirrorRoute": {"percentage": 10}},
        {"setCanaryScale": {"replicas": 2}},
        {"experiment": {"weight": 10, "duration": "30s"}},
        {"setWeight": 30},
        {"analysis": {"templates": [{"name": "errors"}]}},
        {"pause": {"duration": "30s"}},
    ]
    reached = set()
    for moment in range(5, 300, 7):
        world = rolling(*steps)
        world.run(moment)
        if world.status.rollout is None:
            break
        reached.add((world.status.rollout.phase, world.status.rollout.step))
        world.act("abort")
        world.run(60)
        assert world.status.phase == Phase.DEGRADED
        assert world.route_weights() == {world.stable: 100}
        assert len(world.route()["spec"]["rules"]) == 1
        assert [name for kind, name in world.children if kind == "Deployment"] == [world.stable]
    assert {step for phase, step in reached if phase == RolloutPhase.STEPPING} >= {3, 4, 5, 6}


def paused_at_20() -> World:
    """A pause that has just begun with the intent of its weight."""
    world = rolling({"setWeight": 20}, {"pause": {"duration": "60s"}}, {"setWeight": 50}, {"pause": {}}, analysis={})
    world.reconcile()
    world.settle()
    return world


def test_a_pause_begins_with_its_weight_and_costs_no_write_when_the_route_follows() -> None:
    world = paused_at_20()
    world.reconcile()
    rollout = world.status.rollout
    assert rollout is not None and rollout.step == 1 and world.status.candidate_weight == 20
    recorded = world.manifest["status"]
    world.settle()
    world.now += 1
    world.run(58, step=1)
    assert world.manifest["status"] == recorded
    world.run(3, step=1)
    assert world.status.candidate_weight == 50


@pytest.mark.parametrize("why", ["the gateway is slow", "the operator dies before the route is written"])
def test_a_pause_counts_anew_when_the_route_follows_late(why: str) -> None:
    world = paused_at_20()
    if why == "the gateway is slow":
        world.gateway_works = False
        world.run(30, step=1)
        assert world.condition("TrafficRouted") == ("False", "WeightsPending")
        world.gateway_works = True
    else:
        world.reconcile(crash_after=1)
        assert world.status.candidate_weight == 20 and max(world.route_weights().values()) == 100
        world.now += 30
    world.run(58, step=1)
    assert world.status.candidate_weight == 20
    assert world.status.rollout is not None and world.status.rollout.step == 1
    world.run(6, step=1)
    assert world.status.candidate_weight == 50


def test_a_route_that_never_follows_ends_at_the_deadline() -> None:
    world = paused_at_20()
    world.gateway_works = False
    world.run(700, step=10)
    rollout = world.status.rollout
    assert rollout is not None and rollout.reason == Reason.PROGRESS_DEADLINE_EXCEEDED
    assert rollout.phase == RolloutPhase.ABORTING


def test_an_experiment_smaller_than_the_weight_takes_no_pods_away() -> None:
    experiment = {"weight": 10, "duration": "10s"}
    canary = {"dynamicStableScale": True}
    world = rolling(
        {"setWeight": 50}, {"experiment": experiment}, {"pause": {}}, replicas=7, analysis={}, canary=canary
    )
    world.pods_start_slowly = 1
    world.run(120, step=1)
    assert world.status.rollout is not None and world.status.rollout.step == 2
    assert world.status.candidate_weight == 50
    assert world.promises.broken == []


def test_the_scale_that_comes_first_holds_from_the_first_pod_on() -> None:
    world = rolling({"setCanaryScale": {"replicas": 1}}, {"pause": {}}, {"setWeight": 90})
    world.reconcile()
    assert world.replicas(world.candidate) == 1


def test_time_paused_by_hand_does_not_count_towards_the_deadline() -> None:
    world = rolling({"setCanaryScale": {"replicas": 3}}, {"setWeight": 90}, {"pause": {}})
    world.pods_start_slowly = 0
    world.run(20)
    world.act("pause")
    world.run(900, step=30)
    world.act("resume")
    world.run(20)
    assert world.status.rollout is not None and world.status.rollout.phase != RolloutPhase.ABORTING


def test_a_pause_shorter_than_the_route_takes_skips_no_weight() -> None:
    steps = [{"setWeight": 25}, {"pause": {"duration": "1s"}}, {"setWeight": 60}, {"pause": {"duration": "1s"}}]
    world = rolling(*steps, analysis={})
    world.reconcile()
    world.settle()
    world.gateway_works = False
    world.run(1.5, step=0.5)
    assert world.status.candidate_weight == 25
    world.run(30, step=1)
    assert world.status.candidate_weight == 25
    world.gateway_works = True
    world.weights_seen.clear()
    world.run(30, step=1)
    assert [max(weights) for weights in world.weights_seen][:2] == [60, 100]
