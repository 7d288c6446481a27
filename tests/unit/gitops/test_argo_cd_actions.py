"""Argo CD's actions on ModelDeployments: which are offered when, and what each asks for."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from examples.gitops.argocd.generate import ARGO_CD, CUSTOMIZATIONS, action_files, main, settings

from steersman.api.meta import ANNOTATION_ACTION
from steersman.cli.action_rules import objection
from steersman.cli.choices import Action, Request
from steersman.cli.reading import read_model
from steersman.core.rollout.actions import WORDS
from unit.core.test_rollout import healthy
from unit.gitops.argo_cd import enabled, patch_of, run
from unit.gitops.scenarios import SCENARIOS, Scenario, manifest

ACTIONS = CUSTOMIZATIONS / "ModelDeployment" / "actions"
DISCOVERY = (ACTIONS / "discovery.lua").read_text()
OBSERVED = {name: scenario for name, scenario in SCENARIOS.items() if "not seen" not in name}
VALID = {name: scenario for name, scenario in OBSERVED.items() if "not valid" not in name}
"""With a spec that is not valid the operator touches nothing, and the command line reads past what it does not understand."""
PREFIX = "resource.customizations"


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_offered_is_what_the_operator_says(scenario: Scenario) -> None:
    found = scenario.manifest()
    seen = found["status"]["observedGeneration"] == found["metadata"]["generation"]
    assert enabled(DISCOVERY, found) == (set(found["status"]["actions"]) if seen else set())


@pytest.mark.parametrize("scenario", VALID.values(), ids=VALID)
def test_the_operator_carries_out_what_is_offered_and_ignores_the_rest(scenario: Scenario) -> None:
    world = scenario.make()
    offered = enabled(DISCOVERY, manifest(world))
    for word in WORDS:
        tried = copy.deepcopy(world)
        tried.act(word)
        tried.reconcile()
        assert tried.status.action is not None and tried.status.action.action == word
        assert tried.status.action.result.startswith("done") == (word in offered), word


@pytest.mark.parametrize("scenario", VALID.values(), ids=VALID)
def test_the_command_line_has_the_same_rules(scenario: Scenario) -> None:
    found = scenario.manifest()
    model = read_model(found)[0]
    allowed = {action.value for action in Action if objection(model, Request(action)) is None}
    assert allowed == enabled(DISCOVERY, found)


@pytest.mark.parametrize("name", OBSERVED.keys() - VALID.keys())
def test_nothing_is_offered_while_the_spec_is_not_valid(name: str) -> None:
    assert enabled(DISCOVERY, SCENARIOS[name].manifest()) == set()


def test_every_action_is_offered_in_some_state_and_withheld_in_another() -> None:
    offers = [enabled(DISCOVERY, scenario.manifest()) for scenario in SCENARIOS.values()]
    assert set.union(*offers) == set(WORDS)
    assert set.intersection(*offers) == set()


@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": -1}, {"observedGeneration": 1}, "text", []])
def test_nothing_is_offered_before_the_operator_has_looked(status: Any) -> None:
    found = {**manifest(healthy()), "status": status}
    if status is None:
        del found["status"]
    shown = run(DISCOVERY, found)
    assert set(shown) == set(WORDS)
    assert all(action["disabled"] for action in shown.values())


@pytest.mark.parametrize(
    "odd", ["promote", 7, {"promote": True}, [{}], [["promote"]], ["promote; rm", "", "\0", "x" * 999]]
)
def test_odd_words_in_the_status_offer_nothing(odd: Any) -> None:
    found = manifest(healthy())
    found["status"]["actions"] = odd
    assert enabled(DISCOVERY, found) == set()
    assert set(run(DISCOVERY, found)) == set(WORDS)


def test_each_action_has_a_label_and_a_sign() -> None:
    shown = run(DISCOVERY, manifest(healthy()))
    assert len({action["displayName"] for action in shown.values()}) == len(WORDS)
    assert all(action["iconClass"].startswith("fa ") for action in shown.values())


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "state", ["a canary waits for promote", "a preview waits for promote", "not seen by the operator"]
)
def test_an_action_sets_the_annotation_and_changes_nothing_else(word: str, state: str) -> None:
    found = SCENARIOS[state].manifest()
    script = (ACTIONS / word / "action.lua").read_text()
    assert patch_of(script, found) == {"metadata": {"annotations": {ANNOTATION_ACTION: word}}}
    found["metadata"]["annotations"] = {
        "argocd.argoproj.io/tracking-id": "models:steersman.dev/ModelDeployment:risk/fraud"
    }
    found["metadata"]["managedFields"] = [{"manager": "argocd-controller", "fieldsV1": {"f:spec": {"f:model": {}}}}]
    assert patch_of(script, found) == {"metadata": {"annotations": {ANNOTATION_ACTION: word}}}


def test_folders_hold_the_actions_of_the_operator() -> None:
    assert {path.name for path in ACTIONS.iterdir() if path.is_dir()} == set(WORDS)
    assert set(action_files()) == {ACTIONS / word / "action.lua" for word in WORDS}


def test_the_generated_files_are_what_the_generator_makes() -> None:
    assert main(["--check"]) == 0


def test_argocd_cm_holds_the_same_lua_and_nothing_else() -> None:
    data = yaml.safe_load((ARGO_CD / "argocd-cm.yaml").read_text())["data"]
    assert data == settings()
    assert all(key.startswith(f"{PREFIX}.") and isinstance(text, str) for key, text in data.items())
    actions = yaml.safe_load(data[f"{PREFIX}.actions.steersman.dev_ModelDeployment"])
    assert actions["discovery.lua"] == DISCOVERY
    assert [(d["name"], d["action.lua"]) for d in actions["definitions"]] == [
        (word, (ACTIONS / word / "action.lua").read_text()) for word in WORDS
    ]
    assert (
        data[f"{PREFIX}.health.steersman.dev_ModelDeployment"]
        == (CUSTOMIZATIONS / "ModelDeployment" / "health.lua").read_text()
    )
    ignored = yaml.safe_load(data[f"{PREFIX}.ignoreResourceUpdates.steersman.dev_ModelDeployment"])
    assert ignored == {"jsonPointers": ["/status", "/metadata/annotations/steersman.dev~1action"]}
