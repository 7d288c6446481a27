"""Where versions come from, in the status: read once for each, small, and never in the way."""

from __future__ import annotations

from typing import Any

from steersman.api.status import ModelDeploymentStatus
from steersman.core.gates.facts import Dataset, Missing, RunFacts, Unknown, VersionFacts
from steersman.core.gates.questions import LineageQuestion
from steersman.core.lineage import LONGEST, MOST, lineage_of
from steersman.core.pod.template import RegistryAccess
from steersman.core.snapshot import RegistryAnswer
from unit.core.world import World, gateway_spec

COMMIT = "4f2a9c1d"


def facts(version: str, tags: dict[str, str] | None = None, **run: Any) -> VersionFacts:
    given = {"tags": {"mlflow.source.git.commit": COMMIT}, "datasets": (Dataset("train", "ab12", "s3"),)} | run
    return VersionFacts("fraud", version, tags=tags or {}, run=RunFacts(**given), run_id=f"run-{version}")


def asked(world: World) -> list[LineageQuestion]:
    return [question for question in world.questions if isinstance(question, LineageQuestion)]


def begun(**changes: Any) -> World:
    world = World(gateway_spec(**changes))
    world.facts = {version: facts(version, {"approved_by": "ann"}) for version in "123"}
    world.run(30)
    return world


def test_stable_and_candidate_are_told_and_then_nothing_more_is_asked() -> None:
    world = begun()
    world.answer = RegistryAnswer("2")
    world.run(40)
    lineage = world.status.lineage
    assert lineage is not None and lineage.stable is not None and lineage.candidate is not None
    assert (lineage.stable.version, lineage.candidate.version) == ("1", "2")
    assert (lineage.candidate.git_commit, lineage.candidate.run_id) == (COMMIT, "run-2")
    assert lineage.candidate.approvals == {"approved_by": "ann"}
    assert [(each.name, each.digest) for each in lineage.candidate.datasets] == [("train", "ab12")]
    assert asked(world) == []


def test_approvals_that_came_meanwhile_are_seen_at_the_promotion() -> None:
    world = begun(gates=[])
    world.answer = RegistryAnswer("2")
    world.run(40)
    world.facts["2"] = facts("2", {"approved_by": "bob"})
    world.run(20)
    lineage = world.status.lineage
    assert lineage is not None and lineage.candidate is not None
    assert lineage.candidate.approvals == {"approved_by": "ann"}, "once for each version"
    world.run(400)
    lineage = world.status.lineage
    assert lineage is not None and lineage.candidate is None and lineage.stable is not None
    assert lineage.stable.approvals == {"approved_by": "bob"} and lineage.stable.version == "2"


def test_what_says_who_approved() -> None:
    gates = [{"name": "data", "tag": {"name": "validated"}}]
    model = {"name": "fraud", "alias": "champion", "approvalTags": ["ticket"]}
    world = World(gateway_spec(gates=gates, model=model))
    world.facts["1"] = facts("1", {"validated": "yes", "ticket": "T-1", "other": "x"})
    world.run(60)
    lineage = world.status.lineage
    assert lineage is not None and lineage.stable is not None
    assert lineage.stable.approvals == {"validated": "yes", "ticket": "T-1"}


def test_a_registry_that_does_not_answer_is_said_and_asked_again() -> None:
    world = World(gateway_spec())
    world.facts["1"] = Unknown("no answer in time")
    world.run(60)
    assert world.status.phase == "Healthy"
    lineage = world.status.lineage
    assert lineage is not None and lineage.stable is not None and lineage.stable.message == "no answer in time"
    assert len(asked(world)) == 1
    world.facts["1"] = facts("1")
    world.run(20)
    lineage = world.status.lineage
    assert lineage is not None and lineage.stable is not None
    assert (lineage.stable.message, lineage.stable.git_commit) == ("", COMMIT) and asked(world) == []


def test_what_is_known_is_kept_while_the_registry_is_down() -> None:
    world = begun()
    world.answer = RegistryAnswer("2")
    world.run(40)
    world.facts["2"] = Unknown("no answer")
    world.run(400)
    lineage = world.status.lineage
    assert lineage is not None and lineage.stable is not None
    assert (lineage.stable.version, lineage.stable.git_commit) == ("2", COMMIT)


def test_a_version_of_another_registry_is_not_looked_up_in_this_one() -> None:
    world = World(gateway_spec())
    world.facts["1"] = Missing("gone")
    world.run(30)
    world.registry = RegistryAccess("http://another:5000")
    world.change_spec(gateway_spec(paused=True))
    world.run(60)
    assert asked(world) == []


def test_it_is_small_whatever_the_registry_says() -> None:
    long = "x" * 100_000
    run = RunFacts(
        params={f"dvc.{number}": long for number in range(100)},
        tags={"mlflow.source.git.commit": long},
        datasets=tuple(Dataset(long, long, long, long, long) for _ in range(50)),
    )
    huge = VersionFacts("fraud", "1", tags={long[:number]: long for number in range(1, 50)}, run=run, source=long)
    told = lineage_of(huge, [long[:number] for number in range(1, 50)], 0.0)
    assert len(told.datasets) == len(told.dvc) == len(told.approvals) == MOST
    assert len(told.git_commit) == LONGEST
    assert len(told.model_dump_json()) < 4 * 8 * 3 * LONGEST


def test_a_status_from_before_is_read() -> None:
    assert ModelDeploymentStatus.model_validate({"phase": "Healthy"}).lineage is None
