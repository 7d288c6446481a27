"""What is written back to the registry, for how it goes with rollouts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelSource
from steersman.core.gates.facts import RunFacts, VersionFacts
from steersman.core.pod.template import RegistryAccess
from steersman.core.snapshot import Problem, RegistryAnswer
from unit.core.world import World, gateway_spec

WHERE = "steersman.dev/eu/risk/fraud"
BOTH = {"tags": True, "promotedAlias": "production"}


def model(write_back: dict[str, Any] | None = BOTH, **changes: Any) -> dict[str, Any]:
    return {"name": "fraud", "alias": "champion", "writeBack": write_back} | changes


def begun(write_back: dict[str, Any] | None = BOTH, **changes: Any) -> World:
    world = World(gateway_spec(model=model(write_back), **changes))
    world.run(30)
    return world


def test_a_promotion_is_told_and_moves_the_alias() -> None:
    world = begun()
    assert world.aliases == {"production": "1"}
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert world.status.candidate_weight > 0 and world.aliases == {"production": "1"}, "not before it is promoted"
    world.run(300)
    assert world.aliases == {"production": "2"}
    tags = world.tags["2"]
    assert (tags[f"{WHERE}/outcome"], tags[f"{WHERE}/reason"]) == ("Promoted", "")
    assert "errors/errors Pass" in tags[f"{WHERE}/evidence"]
    assert tags[f"{WHERE}/at"].endswith("Z")
    assert list(tags)[-1] == f"{WHERE}/outcome", "whoever reads it finds the rest"
    status = world.status.write_back
    assert status is not None and (status.alias, status.alias_version, status.pending) == ("production", "2", 0)


def test_an_abort_is_told_with_its_evidence_and_moves_nothing() -> None:
    world = begun()
    world.answer, world.failing = RegistryAnswer("2"), {"2": 0.6}
    world.run(200)
    tags = world.tags["2"]
    assert (tags[f"{WHERE}/outcome"], tags[f"{WHERE}/reason"]) == ("Aborted", "AnalysisFailed")
    assert "errors" in tags[f"{WHERE}/evidence"] and len(tags[f"{WHERE}/evidence"]) <= 500
    assert world.aliases == {"production": "1"}


def test_a_rollback_moves_the_alias_back() -> None:
    world = begun()
    world.answer = RegistryAnswer("2")
    world.run(400)
    assert world.aliases == {"production": "2"}
    world.act("rollback")
    world.run(200)
    assert world.aliases == {"production": "1"}
    assert world.tags["1"][f"{WHERE}/outcome"] == "Promoted"


def test_a_regression_is_told_of_the_version_that_was_promoted() -> None:
    world = begun(watch={"duration": "300s"})
    world.answer = RegistryAnswer("2")
    world.run(250)
    assert world.tags["2"][f"{WHERE}/outcome"] == "Promoted"
    world.failing = {"2": 0.6}
    world.run(200)
    assert (world.tags["2"][f"{WHERE}/outcome"], world.aliases["production"]) == ("Regressed", "1")
    assert world.tags["2"][f"{WHERE}/reason"] == "RegressionAfterPromotion"


def test_a_registry_that_is_down_holds_nothing_up_and_gets_it_later() -> None:
    world = begun()
    world.registry_writable = False
    world.answer = RegistryAnswer("2")
    world.run(400)
    assert world.stable.startswith("fraud-v2-") and world.aliases == {"production": "1"}
    status = world.status.write_back
    assert status is not None and status.pending == 2 and status.message == "the registry is read-only"
    assert world.reasons().count(Reason.WRITE_BACK_FAILED) == 1
    world.registry_writable = True
    world.run(10)
    assert world.aliases == {"production": "2"} and world.tags["2"][f"{WHERE}/outcome"] == "Promoted"
    assert world.status.write_back is not None and world.status.write_back.message == ""


def test_nothing_is_written_twice_nor_unasked() -> None:
    world = begun()
    world.answer = RegistryAnswer("2")
    world.run(900)
    assert len(world.written) == 4, "an alias and tags for each of two versions"
    silent = World()
    silent.run(60)
    assert silent.written == [] and silent.status.write_back is None


def test_only_what_is_asked_for() -> None:
    assert begun({"promotedAlias": "production"}).tags == {}
    assert begun({"tags": True}).aliases == {}


def test_a_person_who_moves_the_alias_is_not_fought() -> None:
    world = begun()
    world.aliases["production"] = "7"
    world.run(600)
    assert world.aliases == {"production": "7"}


def test_a_new_alias_is_set_at_once_and_the_history_told_when_it_is_turned_on() -> None:
    world = World()
    world.run(30)
    world.change_spec(gateway_spec(model=model()))
    world.run(10)
    assert world.aliases == {"production": "1"} and world.tags["1"][f"{WHERE}/outcome"] == "Promoted"
    world.change_spec(gateway_spec(model=model({"promotedAlias": "live"})))
    world.run(10)
    assert world.aliases == {"production": "1", "live": "1"}


def test_versions_of_another_model_or_registry_are_not_touched() -> None:
    world = begun()
    world.written.clear()
    # Version 1 of these is something else altogether.
    world.registry = RegistryAccess("http://another:5000")
    world.change_spec(gateway_spec(model=model(), paused=True))
    world.run(60)
    assert world.written == []
    world.registry = RegistryAccess("http://mlflow:5000", "mlflow-credentials")
    world.change_spec(gateway_spec(model=model(name="spam"), paused=True))
    world.run(60)
    assert world.written == []
    world.change_spec(gateway_spec(model=model(name="spam")))
    world.run(400)
    assert {(write.model, write.version) for write in world.written} == {("spam", "1")}


def test_a_refused_version_is_told() -> None:
    gate = {"name": "data", "tag": {"name": "data"}}
    world = begun()
    world.facts["2"] = VersionFacts("fraud", "2", run=RunFacts())
    world.change_spec(gateway_spec(model=model(), gates=[gate]))
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert world.tags["2"][f"{WHERE}/outcome"] == "Refused" and world.aliases == {"production": "1"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (model({"promotedAlias": "champion"}), "another alias"),
        (model({}), "needs tags"),
        (model({"tags": False}), "needs tags"),
        (model({"promotedAlias": "latest"}), "reserves"),
        (model({"promotedAlias": "Latest"}), "reserves"),
        (model({"promotedAlias": "v12"}), "reserves"),
        (model({"promotedAlias": "a b"}), "pattern"),
        (model(alias=None, tags={"steersman.dev/eu/risk/fraud/outcome": "Promoted"}), "begin with"),
    ],
)
def test_what_is_refused(source: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ModelSource.model_validate(source)


def test_a_chain_is_allowed() -> None:
    """What staging promotes is what production follows."""
    assert ModelSource.model_validate(model({"promotedAlias": "v1-passed"})).write_back is not None


def test_a_refused_version_is_told_although_another_is_asked_for_by_now() -> None:
    gate = {"name": "data", "tag": {"name": "data"}}
    world = begun()
    world.facts["2"] = VersionFacts("fraud", "2", run=RunFacts())
    world.change_spec(gateway_spec(model=model(), gates=[gate]))
    world.answer, world.registry_writable = RegistryAnswer("2"), False
    world.run(60)
    world.answer = RegistryAnswer("1")
    world.run(60)
    world.registry_writable = True
    world.run(60)
    assert world.tags["2"][f"{WHERE}/outcome"] == "Refused"


def test_a_registry_that_cannot_be_named_now_forgets_nothing() -> None:
    world = begun()
    world.registry = Problem(Reason.REGISTRY_NOT_FOUND, "there is no ModelRegistry")
    world.run(30)
    world.registry = RegistryAccess("http://mlflow:5000", "mlflow-credentials")
    world.run(30)
    assert len(world.written) == 2


def test_settings_that_fail_are_not_the_fault_of_the_version_that_serves() -> None:
    world = begun()
    world.change_spec(gateway_spec(model=model(), runtime={"env": [{"name": "A", "value": "b"}]}))
    world.run(40)
    world.act("abort")
    world.run(100)
    assert world.status.history[0].outcome == "Aborted" and world.status.history[0].version == "1"
    assert world.tags["1"][f"{WHERE}/outcome"] == "Promoted" and world.aliases == {"production": "1"}
