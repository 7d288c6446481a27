"""Budgets, anti-affinity between revisions, warm-up, and pulling images before pods are made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.api.capacity import AntiAffinity, Autoscaling, DisruptionBudget, Keda, WarmUp
from steersman.api.conditions import Reason
from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION, ApiModel
from steersman.api.status import Phase, RolloutPhase
from steersman.core.capacity.diagnosis import MESSAGE_LENGTH
from steersman.core.capacity.pull import LABEL_PULL, PULL_SECONDS, pre_pull, pulled
from steersman.core.capacity.scaling import STEP_DOWN_SECONDS
from steersman.core.manifests import deployment
from steersman.core.pod.security import violations
from steersman.core.revision import Revision, make_revision
from steersman.core.snapshot import RegistryAnswer
from steersman.shell.pods import LONGEST_LOOK_SECONDS, LOOK_SECONDS, PATIENCE_SECONDS, PODS
from steersman.shell.slots import CLAIM_SECONDS
from unit.core.test_pod import MODEL, REGISTRY, spec
from unit.core.test_rollout import healthy
from unit.core.world import RUNTIME, World, gateway_spec


def revision(**changes: Any) -> Revision:
    return make_revision("fraud", spec(**changes), MODEL, RUNTIME, REGISTRY)


def affinity(made: Revision) -> dict[str, Any]:
    return deployment(made, "fraud", 1)["spec"]["template"]["spec"]["affinity"]


# ---- names


def test_revisions_without_these_settings_are_named_as_ever() -> None:
    assert revision().name == "fraud-v7-d1f05d90"
    environment = {"env": [{"name": "A", "value": "b"}]}
    with_id = MODEL.model_copy(update={"model_id": "m-1"})
    assert make_revision("fraud", spec(runtime=environment), with_id, RUNTIME, REGISTRY).name == "fraud-v7-4f107a7f"


@pytest.mark.parametrize(
    "changes",
    [
        {"autoscaling": {"maxReplicas": 3}},
        {"podDisruptionBudget": {"maxUnavailable": 1}},
        {"warmUp": {"prePull": True}},
        {"warmUp": {}},
    ],
)
def test_what_is_around_the_pods_makes_no_new_revision(changes: dict[str, Any]) -> None:
    assert revision(**changes).name == revision().name


def test_what_is_in_the_pods_does() -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"revisionAntiAffinity": "Preferred"},
        {"revisionAntiAffinity": "Required"},
        {"warmUp": {"requests": 1}},
        {"warmUp": {"requests": 20}},
    ]
    assert len({revision(**changes).name for changes in settings}) == len(settings)


def test_a_revision_comes_back_from_its_snapshot_as_it_was() -> None:
    for made in (revision(), revision(revisionAntiAffinity="Required")):
        assert Revision.from_data(made.name, made.to_data()) == made


# ---- anti-affinity


def test_pods_of_other_revisions_are_kept_away() -> None:
    made = revision(revisionAntiAffinity="Required")
    (term,) = affinity(made)["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchExpressions"] == [
        {"key": LABEL_DEPLOYMENT, "operator": "In", "values": ["fraud"]},
        {"key": LABEL_REVISION, "operator": "NotIn", "values": [made.name]},
    ]
    (preferred,) = affinity(revision(revisionAntiAffinity="Preferred"))["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert preferred["weight"] == 100 and preferred["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert "affinity" not in deployment(revision(), "fraud", 1)["spec"]["template"]["spec"]


def test_the_users_own_affinity_stays() -> None:
    own: dict[str, Any] = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "noisy"}}}
    overlay = {
        "spec": {
            "affinity": {
                "nodeAffinity": {"a": 1},
                "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [own]},
            }
        }
    }
    made = revision(revisionAntiAffinity="Required", podTemplate=overlay)
    assert affinity(made)["nodeAffinity"] == {"a": 1}
    terms = affinity(made)["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms[0] == own and len(terms) == 2
    assert made.template["spec"]["affinity"] == overlay["spec"]["affinity"], "the snapshot is not changed"


def test_an_experiments_baseline_is_kept_away_from_both_others() -> None:
    steps = [{"setWeight": 10}, {"experiment": {"duration": "10m", "weight": 10}}]
    world = healthy(gateway_spec(revisionAntiAffinity="Preferred", strategy={"canary": {"steps": steps}}))
    world.answer = RegistryAnswer("2")
    world.run(100)
    assert world.status.rollout is not None and world.status.rollout.experiment is not None
    baseline = world.status.rollout.experiment.baseline.name
    for name in (world.stable, world.candidate, baseline):
        template = world.children["Deployment", name]["spec"]["template"]["spec"]
        (term,) = template["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert term["podAffinityTerm"]["labelSelector"]["matchExpressions"][1]["values"] == [name]


# ---- disruption budgets


def test_every_revision_with_pods_has_a_budget_of_its_own() -> None:
    world = healthy(gateway_spec(analysis={}, podDisruptionBudget={"maxUnavailable": "25%"}))
    world.answer = RegistryAnswer("2")
    world.run(40)
    for name in (world.stable, world.candidate):
        budget = world.children["PodDisruptionBudget", name]["spec"]
        assert budget["maxUnavailable"] == "25%" and "minAvailable" not in budget
        assert budget["selector"]["matchLabels"] == {LABEL_DEPLOYMENT: "fraud", LABEL_REVISION: name}
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    world.run(300)
    assert [name for kind, name in world.children if kind == "PodDisruptionBudget"] == [world.stable]
    world.change_spec(gateway_spec(analysis={}))
    world.run(5)
    assert [kind for kind, _ in world.children if kind == "PodDisruptionBudget"] == []
    assert world.status.phase == Phase.HEALTHY and world.status.rollout is None


# ---- warm-up requests


def environment(made: Revision, field: str = "containers") -> dict[str, str]:
    return {v["name"]: v.get("value") for v in made.template["spec"][field][0]["env"]}


def test_warm_up_requests_reach_the_server_and_nothing_else() -> None:
    made = revision(warmUp={"requests": 20}, runtime={"env": [{"name": "WARM_UP_REQUESTS", "value": "3"}]})
    assert environment(made)["WARM_UP_REQUESTS"] == "20", "the field is what is meant"
    assert "WARM_UP_REQUESTS" not in environment(made, "initContainers")
    assert "WARM_UP_REQUESTS" not in environment(revision())


# ---- pre-pull


def test_each_image_is_pulled_where_the_pods_may_go_and_by_nothing_that_looks_like_them() -> None:
    overlay = {
        "spec": {
            "nodeSelector": {"gpu": "yes"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "serviceAccountName": "puller",
            "imagePullSecrets": [{"name": "registry"}],
            "affinity": {"nodeAffinity": {"n": 1}, "podAntiAffinity": {"p": 1}},
            "containers": [{"name": "proxy", "image": "serve", "env": [{"name": "A", "value": "b"}]}],
            "volumes": [{"name": "weights", "image": {"reference": "weights:1"}}, {"name": "tmp", "emptyDir": {}}],
        }
    }
    made = revision(podTemplate=overlay)
    daemon_set = pre_pull(made)
    template = daemon_set["spec"]["template"]
    pod = template["spec"]
    assert daemon_set["metadata"]["name"] == f"{made.name}-pull"
    assert [container["image"] for container in pod["containers"]] == ["fetch", "serve"]
    assert all(container["command"] == ["sleep", "3600"] for container in pod["containers"])
    assert not any("env" in container for container in pod["containers"])
    assert pod["nodeSelector"] == {"gpu": "yes"} and pod["tolerations"] == overlay["spec"]["tolerations"]
    assert (pod["serviceAccountName"], pod["imagePullSecrets"]) == ("puller", [{"name": "registry"}])
    assert pod["affinity"] == {"nodeAffinity": {"n": 1}}
    assert pod["volumes"] == [overlay["spec"]["volumes"][0]]  # type: ignore[index]
    assert pod["containers"][-1]["volumeMounts"][0]["name"] == "weights"
    assert violations(template) == []
    labels = template["metadata"]["labels"]
    assert daemon_set["spec"]["selector"]["matchLabels"] == {LABEL_PULL: made.name}
    assert labels[LABEL_PULL] == made.name and LABEL_REVISION not in labels and LABEL_DEPLOYMENT not in labels


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({}, False),
        ({"observedGeneration": 1, "desiredNumberScheduled": 3, "numberReady": 2}, False),
        ({"observedGeneration": 1, "desiredNumberScheduled": 3, "numberReady": 3}, True),
        ({"observedGeneration": 1, "desiredNumberScheduled": 0, "numberReady": 0}, True),
        ({"observedGeneration": 0, "desiredNumberScheduled": 0, "numberReady": 0}, False),
    ],
)
def test_images_are_there_when_every_node_says_so(status: dict[str, int], done: bool) -> None:
    daemon_set = {"metadata": {"generation": 1}, "status": status}
    assert pulled(daemon_set, started_at=100.0, now=101.0) is done
    assert pulled(daemon_set, started_at=100.0, now=100.0 + PULL_SECONDS)


def test_a_daemon_set_that_is_not_there_has_pulled_nothing() -> None:
    assert not pulled(None, 100.0, 101.0)
    assert pulled(None, 100.0, 100.0 + PULL_SECONDS)


def pulling_world() -> World:
    world = healthy(gateway_spec(analysis={}))
    world.change_spec(gateway_spec(analysis={}, warmUp={"prePull": True}))
    world.run(5)
    world.answer = RegistryAnswer("2")
    world.run(10)
    return world


def nodes(world: World, ready: int, of: int) -> None:
    daemon_set = next(child for (kind, _), child in world.children.items() if kind == "DaemonSet")
    generation = daemon_set["metadata"]["generation"]
    daemon_set["status"] = {"observedGeneration": generation, "desiredNumberScheduled": of, "numberReady": ready}


def test_pods_are_made_when_the_images_are_there_and_the_pull_goes() -> None:
    world = pulling_world()
    candidate = world.candidate
    assert ("DaemonSet", f"{candidate}-pull") in world.children
    assert ("Deployment", candidate) not in world.children
    nodes(world, ready=1, of=2)
    world.run(10)
    assert ("Deployment", candidate) not in world.children
    nodes(world, ready=2, of=2)
    decided = world.reconcile()
    assert "Deployment" in [manifest["kind"] for manifest in decided.apply]
    assert [ref.kind for ref in decided.delete] == ["DaemonSet"]
    world.run(300)
    assert world.stable == candidate and world.status.phase == Phase.HEALTHY
    assert [kind for kind, _ in world.children if kind == "DaemonSet"] == []


def test_a_crash_between_the_pods_and_the_end_of_the_pull_starts_nothing_again() -> None:
    world = pulling_world()
    nodes(world, ready=2, of=2)
    while ("Deployment", world.candidate) not in world.children:
        world.reconcile(crash_after=1)
    assert ("DaemonSet", f"{world.candidate}-pull") in world.children
    decided = world.reconcile()
    assert "DaemonSet" in [ref.kind for ref in decided.delete]
    assert "DaemonSet" not in [manifest["kind"] for manifest in world.reconcile().apply]


def test_images_that_cannot_be_pulled_everywhere_hold_a_rollout_for_five_minutes() -> None:
    world = pulling_world()
    nodes(world, ready=0, of=2)
    started = world.status.rollout.started_at  # type: ignore[union-attr]
    assert world.reconcile().requeue_at == started + PULL_SECONDS
    world.run(started + PULL_SECONDS - 5 - world.now)
    assert ("Deployment", world.candidate) not in world.children
    world.run(10)
    assert ("Deployment", world.candidate) in world.children


def test_a_rollout_that_is_given_up_while_it_pulls_makes_no_pods() -> None:
    world = pulling_world()
    candidate = world.candidate
    world.act("abort")
    world.run(60)
    assert world.status.rollout is None and Reason.ROLLOUT_ABORTED in world.reasons()
    assert not [
        name for kind, name in world.children if kind == "DaemonSet" or (kind, name) == ("Deployment", candidate)
    ]


def test_a_first_revision_is_pulled_too() -> None:
    world = World(gateway_spec(analysis={}, warmUp={"prePull": True}))
    world.run(10)
    assert world.status.rollout is not None and world.status.rollout.phase == RolloutPhase.STARTING
    assert [kind for kind, _ in world.children if kind in ("DaemonSet", "Deployment")] == ["DaemonSet"]
    nodes(world, ready=1, of=1)
    world.run(20)
    assert world.status.phase == Phase.HEALTHY


# ---- the page


PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "capacity.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_every_manifest_of_the_page_is_accepted_with_every_field(block: str) -> None:
    fields = yaml.safe_load(block)
    understood = spec(**fields).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert {name: understood[name] for name in fields} == fields
    world = healthy(gateway_spec(analysis={}, **{**fields, "warmUp": {}}))
    assert world.condition("Accepted") == ("True", "Accepted")


@pytest.mark.parametrize("model", [Autoscaling, Keda, DisruptionBudget, WarmUp])
def test_every_field_is_explained(model: type[ApiModel]) -> None:
    for name, field in model.model_fields.items():
        assert re.search(rf"\b{field.alias or name}\b", PAGE), name
    assert all(f"`{word}`" in PAGE for word in AntiAffinity)


def test_the_limits_of_time_are_those_of_the_page() -> None:
    assert (PULL_SECONDS, STEP_DOWN_SECONDS, PATIENCE_SECONDS, LOOK_SECONDS) == (300, 15, 5, 15)
    assert (PODS, MESSAGE_LENGTH, CLAIM_SECONDS, LONGEST_LOOK_SECONDS) == (50, 400, 15, 300)
