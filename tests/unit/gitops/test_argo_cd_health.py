"""Argo CD's health of ModelDeployments and ModelRegistries, by the Lua that ships."""

from __future__ import annotations

from typing import Any

import pytest
from examples.gitops.argocd.generate import CUSTOMIZATIONS

from unit.core.test_rollout import healthy
from unit.gitops.argo_cd import health
from unit.gitops.scenarios import CURRENT, DEGRADED, FAILED, HEALTHY, PROGRESSING, SCENARIOS, Scenario, manifest

SCRIPT = (CUSTOMIZATIONS / "ModelDeployment" / "health.lua").read_text()
REGISTRY_SCRIPT = (CUSTOMIZATIONS / "ModelRegistry" / "health.lua").read_text()

HOSTILE = [
    "",
    "]]\n--[[ \"'\\ %s {{ .Values }} ${HOME} $(id)",
    "nul \0 in the middle",
    "return { status = 'Healthy' }",
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{PILE OF POO}\x1b[31m<script>alert(1)</script>",
    "x" * 32768,
]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_health_in_every_state(scenario: Scenario) -> None:
    status, message = health(SCRIPT, scenario.manifest())
    assert status == scenario.health
    assert message


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_argo_cd_and_kstatus_agree(scenario: Scenario) -> None:
    assert (scenario.health == HEALTHY) == (scenario.kstatus == CURRENT)
    assert scenario.health == DEGRADED or scenario.kstatus != FAILED


def test_the_message_says_why() -> None:
    assert health(SCRIPT, SCENARIOS["the model is missing"].manifest())[1] == "trouble: ModelNotFound"
    assert health(SCRIPT, SCENARIOS["some pods are missing"].manifest())[1] == "3 of 4 pods are available"
    assert health(SCRIPT, SCENARIOS["a canary waits for promote"].manifest())[1] == "Waiting for promote at 10 %"


@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": -1}, {"observedGeneration": 0, "conditions": []}])
def test_what_the_operator_has_not_seen_progresses(status: dict[str, Any] | None) -> None:
    found = {**manifest(healthy()), "status": status}
    if status is None:
        del found["status"]
    assert health(SCRIPT, found) == (PROGRESSING, "Waiting for the operator")


@pytest.mark.parametrize("state", ["healthy", "quarantined", "paused by hand"])
@pytest.mark.parametrize("generation", [1, 9])
def test_a_status_of_another_generation_says_nothing(state: str, generation: int) -> None:
    found = SCENARIOS[state].manifest()
    found["status"]["observedGeneration"] = 2 if generation == 1 else 1
    found["metadata"]["generation"] = generation
    assert health(SCRIPT, found) == (PROGRESSING, "Waiting for the operator")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("state", ["healthy", "quarantined", "paused by hand", "the candidate has a weight"])
def test_messages_come_through_and_change_nothing(state: str, text: str) -> None:
    found = SCENARIOS[state].manifest()
    for condition in found["status"]["conditions"]:
        condition["message"] = text
    found["status"]["message"] = text
    assert health(SCRIPT, found) == (SCENARIOS[state].health, text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_unknown_conditions_and_phases_are_left_aside(text: str) -> None:
    found = manifest(healthy())
    found["status"]["conditions"].append({"type": text, "status": "True", "message": text})
    assert health(SCRIPT, found)[0] == HEALTHY
    found["status"]["conditions"] = [{"type": text, "status": text}]
    found["status"]["phase"] = text
    assert health(SCRIPT, found) == (PROGRESSING, "")


@pytest.mark.parametrize("odd", ["text", 7, True, [], {}, ["text"], [[]], [{}], [{"type": 1}], [{"type": {}}]])
@pytest.mark.parametrize("field", ["status", "conditions", "phase", "message"])
def test_fields_of_odd_types_do_not_break_it(field: str, odd: Any) -> None:
    found = manifest(healthy())
    if field == "status":
        found["status"] = odd
    elif field == "message":
        for condition in found["status"]["conditions"]:
            condition["message"] = odd
    else:
        found["status"][field] = odd
    expected = PROGRESSING if field in ("status", "conditions") else HEALTHY
    assert health(SCRIPT, found)[0] == expected


def registry(*conditions: dict[str, Any], generation: int = 1) -> dict[str, Any]:
    status = {"observedGeneration": generation, "conditions": list(conditions)}
    return {"kind": "ModelRegistry", "metadata": {"name": "mlflow", "generation": 1}, "spec": {}, "status": status}


def reachable(status: str, message: str) -> dict[str, Any]:
    return {"type": "Reachable", "status": status, "reason": "Reachable", "message": message}


def test_a_registry_is_healthy_when_it_answers_or_was_not_needed_yet() -> None:
    assert health(REGISTRY_SCRIPT, registry(reachable("True", "it answers"))) == (HEALTHY, "it answers")
    assert health(REGISTRY_SCRIPT, registry(reachable("False", "refused"))) == (DEGRADED, "refused")
    unused = registry()
    assert health(REGISTRY_SCRIPT, unused) == (HEALTHY, "No ModelDeployment asks for it yet")
    del unused["status"]
    assert health(REGISTRY_SCRIPT, unused)[0] == HEALTHY
