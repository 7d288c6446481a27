"""kstatus' own library on ModelDeployments in every state: what Flux, and everything else that waits by it, sees.

Flux vendors the library as github.com/fluxcd/cli-utils; the rules, pkg/kstatus/status, are the same to the letter.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cluster.cache import REPOSITORY
from component.kstatus_library import Answer, Kstatus
from unit.gitops.scenarios import CURRENT, IN_PROGRESS, SCENARIOS

PATIENT_WITH_PEOPLE = REPOSITORY / "examples" / "gitops" / "flux" / "models-do-not-wait-for-people.yaml"


@pytest.fixture(scope="module")
def kstatus() -> Kstatus:
    return Kstatus()


@pytest.fixture(scope="module")
def answers(kstatus: Kstatus) -> dict[str, Answer]:
    found = kstatus.ask(scenario.manifest() for scenario in SCENARIOS.values())
    return dict(zip(SCENARIOS, found, strict=True))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_library_sees_what_is_promised(answers: dict[str, Answer], name: str) -> None:
    assert answers[name]["status"] == SCENARIOS[name].kstatus


def test_only_three_statuses_are_ever_seen(answers: dict[str, Answer]) -> None:
    assert {answer["status"] for answer in answers.values()} == {"Current", "InProgress", "Failed"}


def test_the_messages_are_the_conditions_own(answers: dict[str, Answer]) -> None:
    assert answers["the model is missing"]["message"] == "trouble: ModelNotFound"
    assert answers["the candidate has a weight"]["message"] == "Pausing for 1m at 10 %"
    assert answers["a canary waits for promote"]["message"] == "Waiting for promote at 10 %"
    assert "latest observed generation is -1" in answers["not seen by the operator"]["message"]


def test_one_that_is_being_deleted_is_terminating(kstatus: Kstatus) -> None:
    found = SCENARIOS["healthy"].manifest()
    found["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert kstatus.status(found) == "Terminating"


def test_without_the_default_in_the_crd_a_new_object_would_pass_for_done(kstatus: Kstatus) -> None:
    found = SCENARIOS["not seen by the operator"].manifest()
    assert kstatus.status(found) == IN_PROGRESS
    del found["status"]
    assert kstatus.status(found) == CURRENT


def test_the_expressions_of_the_flux_example_count_a_wait_for_a_person_as_done(
    kstatus: Kstatus, tmp_path: Path
) -> None:
    (check,) = yaml.safe_load(PATIENT_WITH_PEOPLE.read_text())["spec"]["healthCheckExprs"]
    file = tmp_path / "expressions.json"
    file.write_text(json.dumps({"Failed": check["failed"], "Current": check["current"]}))
    found = kstatus.ask((scenario.manifest() for scenario in SCENARIOS.values()), file)
    wanted = [CURRENT if s.phase == "Paused" else s.kstatus for s in SCENARIOS.values()]
    assert dict(zip(SCENARIOS, (a["status"] for a in found), strict=True)) == dict(zip(SCENARIOS, wanted, strict=True))
