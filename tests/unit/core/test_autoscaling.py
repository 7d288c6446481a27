"""An autoscaler's number of pods is the autoscaler's, and coming and going it changes nothing abruptly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.status import Phase
from steersman.core.capacity import base_replicas
from steersman.core.capacity.scaling import autoscaler, size
from steersman.core.snapshot import Children, RegistryAnswer
from unit.core.test_rollout import healthy
from unit.core.world import World, gateway_spec

SCALING = {"minReplicas": 2, "maxReplicas": 10}
KEDA = {"triggers": [{"type": "cron", "metadata": {"desiredReplicas": "3"}}], "cooldownPeriod": 60}


def autoscaled(**scaling: Any) -> dict[str, Any]:
    return gateway_spec(analysis={}, autoscaling={**SCALING, **scaling})


def scale(world: World, revision: str, replicas: int) -> None:
    """What an autoscaler does."""
    world.children["Deployment", revision]["spec"]["replicas"] = replicas
    world.settle()


def kinds(world: World, revision: str) -> set[str]:
    return {kind for kind, name in world.children if name == revision} - {"ControllerRevision", "Service"}


def spec(**changes: Any) -> ModelDeploymentSpec:
    return ModelDeploymentSpec.model_validate(gateway_spec(**changes))


def deployment(replicas: int, **annotations: str) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "r", "annotations": annotations},
        "spec": {"replicas": replicas},
    }


@pytest.mark.parametrize(("seen", "base"), [(None, 2), (1, 2), (7, 7), (12, 10)])
def test_all_of_the_traffic_needs_what_stable_is_scaled_to(seen: int | None, base: int) -> None:
    stable = None if seen is None else deployment(seen)
    assert base_replicas(spec(autoscaling=SCALING), stable) == base
    assert base_replicas(spec(), stable) == 4


def test_autoscaler_scales_between_floor_and_maximum() -> None:
    scaler = autoscaler(spec(autoscaling={**SCALING, "behavior": {"scaleDown": {}}}), "r", 3, Children())
    assert scaler is not None and scaler["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "r"},
        "minReplicas": 3,
        "maxReplicas": 10,
        "behavior": {"scaleDown": {}},
    }
    above = autoscaler(spec(autoscaling=SCALING), "r", 12, Children())
    assert above is not None and above["spec"]["minReplicas"] == 10
    keda = autoscaler(spec(autoscaling={**SCALING, "keda": KEDA}), "r", 2, Children())
    assert keda is not None and (keda["kind"], keda["apiVersion"]) == ("ScaledObject", "keda.sh/v1alpha1")
    assert (keda["spec"]["minReplicaCount"], keda["spec"]["maxReplicaCount"]) == (2, 10)
    assert keda["spec"]["triggers"] == KEDA["triggers"] and keda["spec"]["cooldownPeriod"] == 60
    assert "pollingInterval" not in keda["spec"]
    assert autoscaler(spec(), "r", 2, Children()) is None


def test_a_query_can_be_about_one_revision() -> None:
    selector = {"matchLabels": {"revision": "$(REVISION)"}}
    metric = {"type": "External", "external": {"metric": {"name": "requests", "selector": selector}}}
    scaler = autoscaler(spec(autoscaling={"maxReplicas": 3, "metrics": [metric]}), "fraud-v2-1", 1, Children())
    assert scaler is not None
    seen = scaler["spec"]["metrics"][0]["external"]["metric"]
    assert seen == {"name": "requests", "selector": {"matchLabels": {"revision": "fraud-v2-1"}}}
    trigger = {"type": "prometheus", "metadata": {"query": 'sum(rate(a{r="$(REVISION)"}[1m]))', "threshold": "5"}}
    keda = autoscaler(
        spec(autoscaling={"maxReplicas": 3, "keda": {"triggers": [trigger]}}), "fraud-v2-1", 1, Children()
    )
    assert keda is not None
    assert keda["spec"]["triggers"][0]["metadata"]["query"] == 'sum(rate(a{r="fraud-v2-1"}[1m]))'


def test_the_autoscalers_number_is_never_written_over() -> None:
    world = healthy(autoscaled())
    assert kinds(world, world.stable) == {"Deployment", "HorizontalPodAutoscaler"}
    assert world.replicas(world.stable) == 2
    for replicas in (7, 3, 10, 2):
        scale(world, world.stable, replicas)
        decided = world.reconcile()
        assert decided.apply == () and decided.delete == ()
        assert world.replicas(world.stable) == replicas


@pytest.mark.parametrize(("outside", "inside"), [(1, 2), (0, 2), (11, 10)])
def test_a_number_outside_the_bounds_is_corrected(outside: int, inside: int) -> None:
    world = healthy(autoscaled())
    scale(world, world.stable, outside)
    world.run(5)
    assert world.replicas(world.stable) == inside


def test_candidate_has_an_autoscaler_of_its_own_and_a_retiring_revision_keeps_its_pods() -> None:
    world = healthy(autoscaled())
    old = world.stable
    scale(world, old, 8)
    world.answer = RegistryAnswer("2")
    world.run(40)
    assert world.status.candidate_weight == 10
    assert kinds(world, world.candidate) == {"Deployment", "HorizontalPodAutoscaler"}
    floor = world.children["HorizontalPodAutoscaler", world.candidate]["spec"]["minReplicas"]
    assert floor == world.status.candidate.replicas == 1  # type: ignore[union-attr]
    new = world.candidate
    while world.stable == old:
        scale(world, old, 8)
        world.run(5)
    assert world.stable == new and world.replicas(new) == 8, "the candidate took over with as many pods as stable had"
    assert [entry.revision for entry in world.status.retiring] == [old]
    assert kinds(world, old) == {"Deployment"} and world.replicas(old) == 8
    world.run(60)
    assert kinds(world, old) == set()
    assert world.replicas(new) == 8, "only its autoscaler takes pods away again"
    assert world.children["HorizontalPodAutoscaler", new]["spec"]["minReplicas"] == 2


def test_an_eager_autoscaler_takes_nothing_from_stable_that_the_candidate_will_need() -> None:
    steps = [{"setWeight": weight} for weight in (25, 50, 75)]
    canary = {"strategy": {"canary": {"steps": [*steps, {"pause": {"duration": "5s"}}]}}}
    world = healthy(autoscaled(maxReplicas=20) | canary)
    old = world.stable
    scale(world, old, 12)
    world.answer = RegistryAnswer("2")
    for _ in range(30):
        world.run(5)
        if world.stable != old:
            break
        # It sees stable's share of the traffic fall.
        scaler = world.children.get(("HorizontalPodAutoscaler", old))
        scale(world, old, scaler["spec"]["minReplicas"] if scaler else world.replicas(old))
    assert world.stable != old and world.replicas(world.stable) == 12


def test_an_autoscaler_that_adds_pods_to_stable_in_mid_rollout_adds_them_to_the_candidates_share() -> None:
    world = healthy(autoscaled() | {"strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}}})
    scale(world, world.stable, 4)
    world.answer = RegistryAnswer("2")
    world.run(20)
    assert world.replicas(world.candidate) == 2
    scale(world, world.stable, 10)
    world.run(5)
    assert world.replicas(world.candidate) == 5
    scale(world, world.stable, 10)
    world.change_spec(world.manifest["spec"] | {"autoscaling": {"minReplicas": 2, "maxReplicas": 6}})
    world.run(5)
    world.act("promote")
    world.run(20)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.replicas(world.stable) == 6


def test_switching_autoscaling_on_changes_no_pods() -> None:
    world = healthy(gateway_spec(analysis={}))
    world.change_spec(autoscaled())
    applied = [manifest["kind"] for manifest in world.reconcile().apply]
    assert applied == ["HorizontalPodAutoscaler"]
    world.run(60)
    assert world.replicas(world.stable) == 4
    assert world.status.phase == Phase.HEALTHY and world.status.rollout is None


def test_switching_autoscaling_off_takes_pods_away_a_few_at_a_time() -> None:
    world = healthy(autoscaled(maxReplicas=50))
    scale(world, world.stable, 30)
    world.change_spec(gateway_spec(analysis={}))
    seen = []
    for _ in range(60):
        world.reconcile()
        world.settle()
        world.now += 5
        if not seen or seen[-1] != world.replicas(world.stable):
            seen.append(world.replicas(world.stable))
        if seen[-1] == 4:
            break
    assert kinds(world, world.stable) == {"Deployment"}
    steps = [before - after for before, after in pairwise(seen)]
    assert seen[:4] == [30, 27, 25, 23] and all(1 <= step <= 3 for step in steps)
    assert world.last is not None and world.last.requeue_at is not None
    world.run(400)
    assert world.replicas(world.stable) == 4
    annotations = world.children["Deployment", world.stable]["metadata"]["annotations"]
    assert "steersman.dev/scaled-at" not in annotations
    assert world.reconcile().apply == ()


def test_the_reduction_goes_on_where_it_was_after_a_crash() -> None:
    world = healthy(autoscaled())
    scale(world, world.stable, 9)
    world.change_spec(gateway_spec(analysis={}))
    # The annotation is written, the autoscaler is not deleted yet.
    status_and_deployment = 2
    world.reconcile(crash_after=status_and_deployment)
    assert "HorizontalPodAutoscaler" in kinds(world, world.stable)
    world.reconcile()
    assert kinds(world, world.stable) == {"Deployment"} and world.replicas(world.stable) == 9
    world.now += 16
    world.reconcile()
    assert world.replicas(world.stable) == 8


def test_fewer_replicas_by_hand_are_taken_at_once() -> None:
    world = healthy(gateway_spec(analysis={}, replicas=9))
    world.change_spec(gateway_spec(analysis={}, replicas=3))
    world.reconcile()
    assert world.replicas(world.stable) == 3


def test_a_mark_that_cannot_be_read_does_not_hold_pods_for_ever() -> None:
    children = Children([deployment(9, **{"steersman.dev/scaled-at": "yesterday"})])
    assert size(spec(), "r", 4, children, now=1000.0).replicas == 8


def test_one_kind_of_autoscaler_goes_before_the_other_comes() -> None:
    world = healthy(autoscaled())
    stable = world.stable
    scale(world, stable, 6)
    world.change_spec(autoscaled(keda=KEDA))
    decided = world.reconcile()
    assert [ref.kind for ref in decided.delete] == ["HorizontalPodAutoscaler"]
    assert "ScaledObject" not in [manifest["kind"] for manifest in decided.apply]
    world.reconcile()
    assert kinds(world, stable) == {"Deployment", "ScaledObject"} and world.replicas(stable) == 6
    world.change_spec(autoscaled())
    world.run(5)
    assert kinds(world, stable) == {"Deployment", "HorizontalPodAutoscaler"} and world.replicas(stable) == 6


def test_what_waits_for_kedas_finalizer_is_deleted_once() -> None:
    world = healthy(autoscaled(keda=KEDA))
    stable = world.stable
    going = world.children["ScaledObject", stable]
    world.change_spec(autoscaled())
    assert [ref.kind for ref in world.reconcile().delete] == ["ScaledObject"]
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.children["ScaledObject", stable] = going
    decided = world.reconcile()
    assert decided.delete == () and decided.apply == (), "and the other kind waits until it is gone"
    del world.children["ScaledObject", stable]
    assert [manifest["kind"] for manifest in world.reconcile().apply] == ["HorizontalPodAutoscaler"]


def test_what_kubernetes_fills_in_is_no_difference() -> None:
    world = healthy(
        autoscaled(
            metrics=[
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1000m"}},
                }
            ]
        )
    )
    scaler = world.children["HorizontalPodAutoscaler", world.stable]
    scaler["spec"]["metrics"][0]["resource"]["target"]["averageValue"] = "1"
    scaler["spec"]["behavior"] = {"scaleUp": {"selectPolicy": "Max"}}
    assert world.reconcile().apply == ()
    scaler["spec"]["minReplicas"] = 5
    assert [manifest["kind"] for manifest in world.reconcile().apply] == ["HorizontalPodAutoscaler"]
