"""A ModelDeployment in every state that it can be in, and what GitOps tools are to make of it: the table of docs/gitops.md."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from steersman.api.conditions import Reason
from steersman.core.snapshot import Problem, RegistryAnswer
from unit.core.test_rollback import QUICK, at_version
from unit.core.test_rollout import healthy, with_v2
from unit.core.world import World, gateway_spec

Manifest = dict[str, Any]

CURRENT, IN_PROGRESS, FAILED = "Current", "InProgress", "Failed"
HEALTHY, PROGRESSING, SUSPENDED, DEGRADED = "Healthy", "Progressing", "Suspended", "Degraded"

PROMOTED_BY_HAND: dict[str, Any] = {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}]}}
PREVIEWED: dict[str, Any] = {"blueGreen": {"autoPromotion": False}}


@dataclass(frozen=True)
class Scenario:
    """One state."""

    phase: str | None
    kstatus: str
    """Of kstatus, and so of Flux."""
    health: str
    """Of Argo CD."""
    make: Callable[[], World]

    def manifest(self) -> Manifest:
        """The object as the API server has it; a copy of one that is made once."""
        return copy.deepcopy(_made(self))


@functools.cache
def _made(scenario: Scenario) -> Manifest:
    return manifest(scenario.make())


def manifest(world: World) -> Manifest:
    """The object as the API server has it; until the operator has written a status the CRD's default shows."""
    return {"status": {"observedGeneration": -1}, **copy.deepcopy(world.manifest)}


def _first(answer: RegistryAnswer | Problem | None = None, spec: dict[str, Any] | None = None) -> World:
    """Nothing serves yet, and the operator has looked."""
    world = World(spec)
    world.pods_start = False
    if answer is not None:
        world.answer = answer
    world.run(10)
    return world


def _trouble(reason: Reason) -> Callable[[], World]:
    return lambda: _first(Problem(reason, f"trouble: {reason}"))


def _later(reason: Reason, **spec: Any) -> Callable[[], World]:
    """Version 1 serves, and the registry gives no version."""

    def make() -> World:
        world = healthy()
        world.answer = Problem(reason, f"trouble: {reason}")
        if spec:
            world.change_spec(gateway_spec(**spec))
        world.run(10)
        return world

    return make


def _not_seen() -> World:
    return World()


def _change_not_seen() -> World:
    world = healthy()
    world.change_spec(gateway_spec(replicas=5))
    return world


def _no_runtime() -> World:
    world = World()
    world.runtime = Problem(Reason.RUNTIME_NOT_FOUND, "there is no ServingRuntime 'mlflow'")
    world.run(10)
    return world


def _held_before_the_first() -> World:
    return _first(spec=gateway_spec(paused=True))


def _invalid() -> World:
    return _first(spec=gateway_spec(replicas=-1))


def _invalid_later() -> World:
    world = healthy()
    world.change_spec(gateway_spec(replicas=-1))
    world.run(10)
    return world


def _invalid_in_mid_rollout() -> World:
    world = _at_first_weight()
    world.change_spec(gateway_spec(replicas=-1))
    world.run(10)
    return world


def _past_its_deadline() -> World:
    world = _first()
    world.run(700)
    return world


def _starting() -> World:
    world = with_v2()
    world.reconcile()
    return world


def _at_first_weight() -> World:
    world = with_v2()
    world.run(30)
    assert world.status.candidate_weight == 10
    return world


def _next_in_turn() -> World:
    world = healthy()
    world.slot = Problem(Reason.ROLLOUT_LIMIT_REACHED, "2 rollouts are under way: limit 2")
    world.answer = RegistryAnswer("2")
    world.run(10)
    return world


def _waits_for_promote(strategy: dict[str, Any]) -> Callable[[], World]:
    def make() -> World:
        world = with_v2(gateway_spec(strategy=strategy, analysis={}))
        world.run(60)
        return world

    return make


def _paused_by_hand() -> World:
    world = _at_first_weight()
    world.act("pause")
    world.run(10)
    return world


def _paused_by_the_spec() -> World:
    world = _at_first_weight()
    world.change_spec(gateway_spec(paused=True))
    world.run(10)
    return world


def _paused_before_it_began() -> World:
    world = healthy(gateway_spec(paused=False))
    world.change_spec(gateway_spec(paused=True))
    world.answer = RegistryAnswer("2")
    world.run(10)
    return world


def _held_without_evidence() -> World:
    world = with_v2()
    world.prometheus_works = False
    world.run(2000)
    return world


def _on_the_way_back() -> World:
    world = _at_first_weight()
    world.gateway_works = False
    world.act("abort")
    world.run(10)
    return world


def _quarantined() -> World:
    world = _at_first_weight()
    world.act("abort")
    world.run(60)
    return world


def _rolling_back_to_before() -> World:
    world = at_version(3)
    world.run(100)
    world.pods_start = False
    world.act("rollback")
    world.run(10)
    return world


def _rolled_back() -> World:
    world = at_version(3)
    world.act("rollback")
    world.run(60)
    return world


def _watched() -> World:
    spec = gateway_spec(strategy=QUICK, watch={"duration": "1h"})
    world = with_v2(spec)
    world.run(120)
    assert world.status.watch is not None
    return world


def _can_be_retrained() -> World:
    hook = {"url": "https://train.example.com", "secret": {"secretName": "hook", "key": "secret"}}
    world = healthy(gateway_spec(retraining={"action": {"webhook": hook}}))
    world.run(10)
    return world


def _few_pods() -> World:
    world = healthy()
    world.children["Deployment", world.stable]["status"]["availableReplicas"] = 3
    world.reconcile()
    return world


def _no_pods() -> World:
    world = healthy()
    world.children["Deployment", world.stable]["status"]["availableReplicas"] = 0
    world.reconcile()
    return world


def _no_template() -> World:
    world = healthy()
    del world.templates["errors"]
    world.run(10)
    return world


SCENARIOS: dict[str, Scenario] = {
    "not seen by the operator": Scenario(None, IN_PROGRESS, PROGRESSING, _not_seen),
    "a change not seen by the operator": Scenario("Healthy", IN_PROGRESS, PROGRESSING, _change_not_seen),
    # Nothing serves yet.
    "the registry is being asked": Scenario("Pending", IN_PROGRESS, PROGRESSING, _trouble(Reason.RESOLVING)),
    "the registry cannot be reached": Scenario(
        "Pending", IN_PROGRESS, PROGRESSING, _trouble(Reason.REGISTRY_UNREACHABLE)
    ),
    "the registry answers nonsense": Scenario("Pending", IN_PROGRESS, PROGRESSING, _trouble(Reason.REGISTRY_ERROR)),
    "the registry refuses the credentials": Scenario(
        "Pending", FAILED, DEGRADED, _trouble(Reason.REGISTRY_UNAUTHORIZED)
    ),
    "the credentials are missing": Scenario("Pending", FAILED, DEGRADED, _trouble(Reason.CREDENTIALS_NOT_FOUND)),
    "the model is missing": Scenario("Pending", FAILED, DEGRADED, _trouble(Reason.MODEL_NOT_FOUND)),
    "the runtime is missing": Scenario("Pending", FAILED, DEGRADED, _no_runtime),
    "the spec is not valid": Scenario("Pending", FAILED, DEGRADED, _invalid),
    "held before the first revision": Scenario("Paused", IN_PROGRESS, SUSPENDED, _held_before_the_first),
    "the first revision starts": Scenario("Initializing", IN_PROGRESS, PROGRESSING, _first),
    "the first revision does not start": Scenario("Initializing", FAILED, DEGRADED, _past_its_deadline),
    # A rollout.
    "other rollouts come first": Scenario("Progressing", IN_PROGRESS, PROGRESSING, _next_in_turn),
    "the candidate starts": Scenario("Progressing", IN_PROGRESS, PROGRESSING, _starting),
    "the candidate has a weight": Scenario("Progressing", IN_PROGRESS, PROGRESSING, _at_first_weight),
    "a canary waits for promote": Scenario("Paused", IN_PROGRESS, SUSPENDED, _waits_for_promote(PROMOTED_BY_HAND)),
    "a preview waits for promote": Scenario("Paused", IN_PROGRESS, SUSPENDED, _waits_for_promote(PREVIEWED)),
    "paused by hand": Scenario("Paused", IN_PROGRESS, SUSPENDED, _paused_by_hand),
    "paused by the spec": Scenario("Paused", IN_PROGRESS, SUSPENDED, _paused_by_the_spec),
    "paused before it began": Scenario("Paused", IN_PROGRESS, SUSPENDED, _paused_before_it_began),
    "held for lack of evidence": Scenario("Paused", IN_PROGRESS, SUSPENDED, _held_without_evidence),
    "traffic returns to stable": Scenario("RollingBack", IN_PROGRESS, PROGRESSING, _on_the_way_back),
    "the spec is not valid in mid-rollout": Scenario("Degraded", FAILED, DEGRADED, _invalid_in_mid_rollout),
    # After it.
    "healthy": Scenario("Healthy", CURRENT, HEALTHY, _can_be_retrained),
    "watched after its promotion": Scenario("Healthy", CURRENT, HEALTHY, _watched),
    "healthy although the registry is down": Scenario("Healthy", CURRENT, HEALTHY, _later(Reason.REGISTRY_UNREACHABLE)),
    "quarantined": Scenario("Degraded", FAILED, DEGRADED, _quarantined),
    "an earlier revision comes back": Scenario("Progressing", IN_PROGRESS, PROGRESSING, _rolling_back_to_before),
    "rolled back": Scenario("Degraded", FAILED, DEGRADED, _rolled_back),
    "some pods are missing": Scenario("Healthy", IN_PROGRESS, PROGRESSING, _few_pods),
    "all pods are missing": Scenario("Degraded", IN_PROGRESS, DEGRADED, _no_pods),
    "the alias is gone": Scenario("Degraded", FAILED, DEGRADED, _later(Reason.ALIAS_NOT_FOUND)),
    "the registry cannot be asked for another alias": Scenario(
        "Degraded",
        IN_PROGRESS,
        PROGRESSING,
        _later(Reason.REGISTRY_UNREACHABLE, model={"name": "fraud", "alias": "challenger"}),
    ),
    "the registry is being asked for another alias": Scenario(
        "Progressing",
        IN_PROGRESS,
        PROGRESSING,
        _later(Reason.RESOLVING, model={"name": "fraud", "alias": "challenger"}),
    ),
    "an analysis template is missing": Scenario("Degraded", FAILED, DEGRADED, _no_template),
    "the spec is not valid any more": Scenario("Degraded", FAILED, DEGRADED, _invalid_later),
}
