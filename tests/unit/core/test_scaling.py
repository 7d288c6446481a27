"""Pods follow weights: dynamic stable scale, surge, minimum pods, previews, the limit of rollouts."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.status import Phase
from steersman.core.snapshot import Problem, RegistryAnswer
from unit.core.test_rollout import healthy
from unit.core.world import World, gateway_spec


def rolling(canary: dict[str, Any], **changes: Any) -> World:
    steps = [{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}, {"setWeight": 75}, {"pause": {}}]
    spec = gateway_spec(
        **{"replicas": 8, "analysis": {}, "strategy": {"canary": {"steps": steps, **canary}}, **changes}
    )
    world = healthy(spec)
    world.answer = RegistryAnswer("2")
    return world


def test_stable_is_scaled_to_its_share() -> None:
    world = rolling({"dynamicStableScale": True})
    seen = []
    for _ in range(3):
        world.run(40)
        seen.append((world.replicas(world.stable), world.replicas(world.candidate)))
        world.act("promote")
    assert seen == [(6, 2), (4, 4), (2, 6)]
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.replicas(world.stable) == 8
    assert world.promises.broken == []


def test_abort_gives_stable_only_what_its_pods_can_carry() -> None:
    world = rolling({"dynamicStableScale": True})
    for _ in range(2):
        world.run(40)
        world.act("promote")
    world.run(40)
    assert world.status.candidate_weight == 75
    world.pods_start_slowly = 2
    world.weights_seen.clear()
    world.act("abort")
    world.run(60)
    assert [weights[0] for weights in world.weights_seen][:3] == [50, 75, 100]
    assert world.route_weights() == {world.stable: 100}
    assert world.replicas(world.stable) == 8
    assert world.status.phase == Phase.DEGRADED


def test_stable_that_cannot_be_scaled_up_gets_everything_after_the_deadline() -> None:
    world = rolling({"dynamicStableScale": True})
    world.run(40)
    world.act("promote")
    world.run(40)
    world.pods_start_slowly = 0
    world.act("abort")
    world.run(60)
    assert world.status.candidate_weight == 50
    world.run(700, step=20)
    assert world.route_weights() == {world.stable: 100}


def test_a_candidate_without_pods_gives_everything_back_at_once() -> None:
    world = rolling({"dynamicStableScale": True})
    world.run(40)
    world.pods_start_slowly = 0
    world.broken = {world.candidate}
    world.settle()
    world.reconcile()
    assert world.status.candidate_weight == 0


@pytest.mark.parametrize("surge", [2, "25%"])
def test_no_more_pods_than_the_surge_allows(surge: int | str) -> None:
    world = rolling({"maxSurge": surge})
    for _ in range(4):
        for _ in range(40):
            world.run(1, step=1)
            pods = sum(child["spec"]["replicas"] for key, child in world.children.items() if key[0] == "Deployment")
            retiring = sum(entry.replicas for entry in world.status.retiring)
            assert pods - retiring <= 10
        world.act("promote")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.promises.broken == []


def test_steps_that_do_not_fit_under_the_surge_are_refused() -> None:
    world = World(gateway_spec(replicas=8, strategy={"canary": {"maxSurge": 1}}))
    world.run(20)
    assert world.condition("Accepted") == ("False", "InvalidSpec")
    assert "maxSurge 1 is too small for the step from 10 to 50 %" in world.status.message


def test_minimum_pods_per_revision() -> None:
    world = rolling({"minPodsPerRevision": 3, "dynamicStableScale": True})
    world.run(40)
    assert world.replicas(world.candidate) == 3
    for _ in range(2):
        world.act("promote")
        world.run(40)
    assert world.replicas(world.stable) == 3


def test_a_preview_may_be_smaller_until_it_is_switched_to() -> None:
    world = healthy(gateway_spec(strategy={"blueGreen": {"previewReplicas": 1, "autoPromotion": False}}, analysis={}))
    world.answer = RegistryAnswer("2")
    world.run(40)
    assert world.replicas(world.candidate) == 1
    assert world.status.phase == Phase.PAUSED
    world.act("promote")
    world.run(40)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.replicas(world.stable) == 4
    assert world.promises.broken == []


def test_no_rollout_begins_without_a_slot_but_a_rollback_does() -> None:
    world = rolling({})
    world.slot = Problem(Reason.ROLLOUT_LIMIT_REACHED, "2 rollouts are under way in namespace risk: limit 2")
    world.run(40)
    assert world.status.rollout is None
    assert world.condition("Progressing") == ("Unknown", "RolloutLimitReached")
    world.slot = None
    world.run(40)
    assert world.status.candidate_weight == 25
    for _ in range(3):
        world.act("promote")
        world.run(40)
    world.slot = Problem(Reason.ROLLOUT_LIMIT_REACHED, "limit")
    world.act("rollback")
    world.run(40)
    assert world.status.stable is not None and world.status.stable.version == "1"


def test_trouble_of_the_pods_is_told_while_no_weight_has_moved() -> None:
    world = rolling({})
    world.pods_start = False
    world.trouble = Problem(Reason.UNSCHEDULABLE, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu")
    world.run(40)
    assert world.condition("Progressing") == ("True", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in world.status.message
    assert world.status.candidate_weight == 0


def test_autoscaled_stable_is_the_measure_for_the_candidate() -> None:
    spec = {"autoscaling": {"minReplicas": 2, "maxReplicas": 10}}
    world = rolling({}, **spec)
    world.children["Deployment", world.stable]["spec"]["replicas"] = 6
    world.settle()
    world.run(40)
    assert world.status.candidate_weight == 25
    assert world.replicas(world.candidate) == 2
    world.act("promote")
    world.run(40)
    assert world.replicas(world.candidate) == 3
    assert world.replicas(world.stable) == 6


def test_images_are_pulled_before_the_pods_are_made() -> None:
    steps = {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}}
    world = World(gateway_spec(warmUp={"prePull": True}, analysis={}, strategy=steps))
    world.images_come = True
    world.run(30)
    world.answer = RegistryAnswer("2")
    world.images_come = False
    world.run(20)
    assert ("DaemonSet", f"{world.candidate}-pull") in world.children
    assert ("Deployment", world.candidate) not in world.children
    assert world.condition("Progressing") == ("True", "PrePulling")
    assert "1 of 3 nodes have them" in world.status.message
    world.images_come = True
    world.run(40)
    assert world.status.candidate_weight == 25
    assert ("DaemonSet", f"{world.candidate}-pull") not in world.children


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": {"canary": {"dynamicStableScale": True}}},
        {"strategy": {"canary": {"maxSurge": 1}}},
        {"strategy": {"canary": {}}, "traffic": {"service": {}}},
    ],
)
def test_what_counts_pods_needs_a_fixed_number_of_them(changes: dict[str, Any]) -> None:
    world = World(gateway_spec(autoscaling={"maxReplicas": 4}, **changes))
    world.run(10)
    assert world.condition("Accepted") == ("False", "InvalidSpec")
