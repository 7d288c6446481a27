"""The conditions that kstatus reads, in every state."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import ConditionType
from steersman.api.status import Phase
from steersman.core.snapshot import RegistryAnswer
from unit.core.test_rollout import with_v2
from unit.core.world import gateway_spec
from unit.gitops.scenarios import CURRENT, FAILED, SCENARIOS, SUSPENDED, Scenario, manifest

SEEN = {name: scenario for name, scenario in SCENARIOS.items() if "not seen" not in name}


def conditions(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in found["status"]["conditions"]}


@pytest.mark.parametrize("scenario", SEEN.values(), ids=SEEN)
def test_exactly_one_of_ready_reconciling_stalled_and_a_wait_for_a_person_holds(scenario: Scenario) -> None:
    found = scenario.manifest()
    held = conditions(found)
    true = {kind for kind in ("Ready", "Reconciling", "Stalled") if held.get(kind, {}).get("status") == "True"}
    assert found["status"]["phase"] == scenario.phase
    if scenario.kstatus == CURRENT:
        assert true == {"Ready"}
    elif scenario.kstatus == FAILED:
        assert true == {"Stalled"}
    elif scenario.health == SUSPENDED:
        assert true == set()
        assert scenario.phase == Phase.PAUSED
    else:
        assert true == {"Reconciling"}


@pytest.mark.parametrize("scenario", SEEN.values(), ids=SEEN)
def test_both_are_there_only_while_true_and_say_why_of_the_present_generation(scenario: Scenario) -> None:
    found = scenario.manifest()
    held = conditions(found)
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    for kind in (ConditionType.RECONCILING, ConditionType.STALLED, ConditionType.READY, ConditionType.ACCEPTED):
        if kind in held:
            assert held[kind]["observedGeneration"] == found["metadata"]["generation"]
            assert held[kind]["message"]
            assert held[kind]["reason"]
    assert held.get("Reconciling", {"status": "True"})["status"] == "True"
    assert held.get("Stalled", {"status": "True"})["status"] == "True"


def test_every_phase_is_among_the_states() -> None:
    assert {scenario.phase for scenario in SCENARIOS.values()} == {None, *Phase}


def test_reconciling_keeps_its_time_through_the_steps_and_goes_at_the_end() -> None:
    world = with_v2()
    world.run(10)
    began = conditions(manifest(world))["Reconciling"]["lastTransitionTime"]
    world.run(60)
    assert world.status.candidate_weight > 0
    assert conditions(manifest(world))["Reconciling"]["lastTransitionTime"] == began
    world.run(300)
    assert world.status.phase == Phase.HEALTHY
    assert "Reconciling" not in conditions(manifest(world))


def test_a_spec_that_is_put_right_is_not_stalled_any_more() -> None:
    world = with_v2()
    world.run(30)
    world.change_spec(gateway_spec(replicas=-1))
    world.run(5)
    assert "Stalled" in conditions(manifest(world))
    assert "Reconciling" not in conditions(manifest(world))
    world.change_spec(gateway_spec())
    world.answer = RegistryAnswer("2")
    world.run(300)
    assert "Stalled" not in conditions(manifest(world))
    assert conditions(manifest(world))["Ready"]["status"] == "True"
