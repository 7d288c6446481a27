"""The command refuses what the operator would ignore, and nothing else: the same states through both sets of rules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from steersman.adapters.traffic import provider_for
from steersman.api.meta import ANNOTATION_ACTION
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import ModelDeploymentStatus, RolloutPhase
from steersman.api.steps import STEP_KINDS
from steersman.cli.action_rules import objection
from steersman.cli.choices import Action, Request
from steersman.cli.reading import read_model
from steersman.core.plan import plan
from steersman.core.snapshot import RegistryAnswer
from unit.core.world import World, gateway_spec

ERRORS = {"templates": [{"name": "errors"}]}
EVERY_STEP: list[dict[str, Any]] = [
    {"setHeaderRoute": {"match": [{"headers": [{"name": "x-group", "exact": "beta"}]}]}},
    {"setMirrorRoute": {"percentage": 10}},
    {"setCanaryScale": {"replicas": 2}},
    {"experiment": {"weight": 10, "duration": "20s", "analysis": ERRORS}},
    {"setWeight": 20},
    {"analysis": ERRORS},
    {"pause": {"duration": "10s"}},
    {"pause": {}},
    {"setWeight": 60},
]
TWO_STEPS: dict[str, Any] = {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}}
BLUE_GREEN: dict[str, Any] = {
    "blueGreen": {"prePromotionAnalysis": ERRORS, "postPromotionAnalysis": ERRORS, "autoPromotion": False}
}

Moments = Iterator[World]


def moments(world: World, turns: int, seconds: float = 5.0) -> Moments:
    """The world after each turn of the operator."""
    for _ in range(turns):
        for _ in range(3):
            world.reconcile()
            yield world
            world.settle()
        world.now += seconds


def started(version: int = 1, **spec: Any) -> World:
    """Versions 1 to this one promoted, one after the other."""
    world = World(gateway_spec(**spec))
    for number in range(1, version + 1):
        world.answer = RegistryAnswer(str(number))
        for _ in range(60):
            world.run(10)
            if world.status.stable is not None and world.status.stable.version == str(number):
                break
            world.act("promote-full")
        assert world.status.stable is not None and world.status.stable.version == str(number)
    return world


def first_revision() -> Moments:
    world = World()
    world.pods_start = False
    yield from moments(world, 2)
    world.act("pause")
    yield from moments(world, 2)
    world.act("resume")
    world.pods_start = True
    yield from moments(world, 3)


def every_step() -> Moments:
    world = started(strategy={"canary": {"steps": EVERY_STEP}})
    world.answer = RegistryAnswer("2")
    yield from moments(world, 40)
    world.act("promote")
    yield from moments(world, 12)
    assert world.status.stable is not None and world.status.stable.version == "2"


def every_step_waved_through() -> Moments:
    world = started(strategy={"canary": {"steps": EVERY_STEP}})
    world.answer = RegistryAnswer("2")
    world.prometheus_works = False
    for _ in range(20):
        world.act("promote")
        yield from moments(world, 1)
    world.change_spec({**world.manifest["spec"], "paused": True})
    world.act("promote")
    yield from moments(world, 2)


def held_for_lack_of_evidence() -> Moments:
    inconclusive = {"after": "20s"}
    world = started(strategy=TWO_STEPS, analysis={**ERRORS, "inconclusive": inconclusive})
    world.answer = RegistryAnswer("2")
    world.prometheus_works = False
    yield from moments(world, 4)
    world.act("promote")
    yield from moments(world, 10)
    assert world.status.rollout is not None and world.status.rollout.held


def paused_by_hand_and_by_the_spec() -> Moments:
    world = started(strategy=TWO_STEPS)
    world.change_spec({**world.manifest["spec"], "paused": True})
    world.answer = RegistryAnswer("2")
    yield from moments(world, 1)
    world.change_spec({**world.manifest["spec"], "paused": False})
    yield from moments(world, 2)
    world.act("pause")
    yield from moments(world, 2)
    world.change_spec({**world.manifest["spec"], "paused": True})
    yield from moments(world, 2)
    world.act("resume")
    yield from moments(world, 2)


def blue_green() -> Moments:
    world = started(strategy=BLUE_GREEN)
    world.answer = RegistryAnswer("2")
    world.prometheus_works = False
    yield from moments(world, 6)
    world.prometheus_works = True
    world.act("promote")
    yield from moments(world, 12)
    world.answer = RegistryAnswer("3")
    yield from moments(world, 2)
    world.pods_start = False
    world.act("promote-full")
    yield from moments(world, 2)


def promote_full_without_pods() -> Moments:
    world = started(strategy=TWO_STEPS)
    world.answer = RegistryAnswer("2")
    yield from moments(world, 4)
    world.pods_start_slowly = 0
    world.act("promote-full")
    yield from moments(world, 3)


def slow_way_back_and_quarantine() -> Moments:
    world = started(strategy={"canary": {**TWO_STEPS["canary"], "dynamicStableScale": True}})
    world.answer = RegistryAnswer("2")
    world.run(60)
    world.pods_start_slowly = 0
    world.act("abort")
    yield from moments(world, 3)
    world.pods_start_slowly = None
    yield from moments(world, 4)
    assert world.status.quarantine is not None
    world.act("retry")
    yield from moments(world, 2)


def rolled_back() -> Moments:
    world = started(3, strategy=TWO_STEPS)
    yield from moments(world, 1)
    world.act("rollback:1")
    yield from moments(world, 6)
    assert world.status.rollback is not None and world.status.rollout is None
    world.act("retry")
    yield from moments(world, 6)
    world.answer = RegistryAnswer("4")
    yield from moments(world, 3)
    world.act("rollback")
    yield from moments(world, 3)


def got_worse_after_promotion() -> Moments:
    world = started(strategy=TWO_STEPS, watch={"duration": "10m"})
    world.answer = RegistryAnswer("2")
    world.run(60)
    world.act("promote")
    world.run(60)
    assert world.status.watch is not None
    yield from moments(world, 1)
    world.failing = {"2": 0.5}
    yield from moments(world, 12)
    assert world.status.rollback is not None and world.status.quarantine is not None


def retrained() -> Moments:
    action = {"job": {"template": {"spec": {"template": {"spec": {"containers": [{"name": "t", "image": "t"}]}}}}}}
    world = started(retraining={"action": action, "retries": {"limit": 0}})
    yield from moments(world, 1)
    world.act("retrain")
    yield from moments(world, 2)
    assert world.status.retraining is not None and world.status.retraining.current is not None
    broken = {"job": {"template": {}}}
    world.change_spec({**world.manifest["spec"], "retraining": {"action": broken}})
    yield from moments(world, 2)


SCENARIOS = (
    retrained,
    first_revision,
    every_step,
    every_step_waved_through,
    held_for_lack_of_evidence,
    paused_by_hand_and_by_the_spec,
    blue_green,
    promote_full_without_pods,
    slow_way_back_and_quarantine,
    rolled_back,
    got_worse_after_promotion,
)


def requests(status: ModelDeploymentStatus) -> list[Request]:
    """Everything that can be asked for."""
    stable = [status.stable.name] if status.stable is not None else []
    earlier = [entry.revision for entry in status.history[-1:]]
    return [Request(action) for action in Action] + [
        Request(Action.ROLLBACK, to) for to in ("2", "9", "fraud-v9-00000000", *stable, *earlier)
    ]


def is_ignored(world: World, asked: Request) -> bool:
    """What the operator would make of it now."""
    tried = copy.copy(world)
    tried.manifest = copy.deepcopy(world.manifest)
    tried.manifest["metadata"]["annotations"] = {ANNOTATION_ACTION: asked.word}
    tried.manifest["status"].pop("action", None)
    action = plan(tried.snapshot(), provider_for).status.action
    assert action is not None and action.action == asked.word
    return action.result.startswith("ignored")


def read(world: World, *, by_the_rules_alone: bool) -> ModelDeployment:
    manifest = copy.deepcopy(world.manifest)
    if by_the_rules_alone:
        manifest["status"].pop("actions", None)
    md, left_out = read_model(manifest)
    assert not left_out
    return md


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_command_agrees_with_the_operator(scenario: Callable[[], Moments]) -> None:
    seen = set()
    for world in scenario():
        status = world.status
        state = status.model_dump_json(
            include={"phase", "rollout", "quarantine", "rollback", "paused", "weights", "retraining"}
        )
        if state in seen:
            continue
        seen.add(state)
        models = [read(world, by_the_rules_alone=alone) for alone in (True, False)]
        for asked in requests(status):
            expected = is_ignored(world, asked)
            for md in models:
                assert (objection(md, asked) is not None) is expected, (
                    f"{asked.word} at {status.rollout or status.phase}"
                )


def test_the_scenarios_reach_every_phase_and_every_kind_of_step() -> None:
    phases, kinds = set(), set()
    for scenario in (every_step, blue_green, slow_way_back_and_quarantine):
        for world in scenario():
            rollout = world.status.rollout
            if rollout is None:
                continue
            phases.add(rollout.phase)
            if scenario is every_step and rollout.phase is RolloutPhase.STEPPING and rollout.step < len(EVERY_STEP):
                kinds |= set(EVERY_STEP[rollout.step])
    assert phases == set(RolloutPhase)
    assert kinds == set(STEP_KINDS)
