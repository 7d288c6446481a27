"""Gates in a rollout: before the candidate has a pod, and golden requests before it has traffic."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.gate_status import GatePhase, GatesStatus
from steersman.api.status import Outcome, Phase
from steersman.core.gates.facts import Missing, RunFacts, Unknown, VersionFacts
from steersman.core.gates.golden import Exchange, Exchanges
from steersman.core.snapshot import RegistryAnswer
from unit.core.world import World, gateway_spec

ACCURACY = {"name": "accuracy", "metric": {"name": "accuracy", "min": 0.9}}
NO_WORSE = {"name": "no-worse", "notWorse": {"metric": "accuracy", "higherIsBetter": True}}
FRESH = {"name": "fresh", "age": {"max": "720h"}}
TESTS = {
    "name": "tests",
    "job": {
        "spec": {"template": {"spec": {"containers": [{"name": "pytest", "image": "tests", "args": ["{{version}}"]}]}}}
    },
}
GOLDEN = {"name": "same-answers", "golden": {"tolerance": 0.1, "maxDisagreement": 0.25}}


def scored(version: str, accuracy: float | None) -> VersionFacts:
    metrics = {} if accuracy is None else {"accuracy": accuracy}
    return VersionFacts("fraud", version, run=RunFacts(metrics=metrics), created_at=999_000.0)


def world_with(*gates: dict[str, Any], stable: float = 0.92, **changes: Any) -> World:
    """Version 1 is stable and version 2 wanted."""
    world = World(gateway_spec(gates=list(gates), **changes))
    world.facts["1"] = scored("1", stable)
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "1", world.status.message
    return world


def gates(world: World) -> GatesStatus:
    assert world.status.gates is not None
    return world.status.gates


def has_pods(world: World, version: str) -> bool:
    return any(kind == "Deployment" and f"-v{version}-" in name for kind, name in world.children)


def test_a_version_that_passes_is_rolled_out_and_the_results_stay() -> None:
    world = world_with(ACCURACY, NO_WORSE)
    world.facts["2"] = scored("2", 0.95)
    world.answer = RegistryAnswer("2")
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"
    found = {result.name: (result.phase, result.found) for result in gates(world).results}
    assert found == {"accuracy": (GatePhase.PASS, "0.95"), "no-worse": (GatePhase.PASS, "0.95")}
    assert world.condition("GatesPassed") == ("True", "GatesPassed")
    assert world.questions == (), "what has passed is not asked for any more"


def test_a_version_that_fails_gets_no_pod_and_the_history_says_why() -> None:
    world = world_with(ACCURACY, NO_WORSE)
    world.facts["2"] = scored("2", 0.91)
    world.answer = RegistryAnswer("2")
    world.run(300)
    assert not has_pods(world, "2")
    assert world.status.phase == Phase.DEGRADED
    assert "gate no-worse fails (expected accuracy at least 0.92" in world.status.message
    assert world.condition("GatesPassed") == ("False", "GateFailed")
    assert world.condition("Ready") == ("False", "GateFailed")
    assert world.condition("Stalled") == ("True", "GateFailed")
    entry = world.status.history[0]
    assert (entry.version, entry.outcome, entry.reason) == ("2", Outcome.REFUSED, "GateFailed")
    assert world.reasons().count(Reason.GATE_FAILED) == 1


def test_a_refused_version_is_rolled_out_when_the_registry_says_something_else() -> None:
    world = world_with(ACCURACY)
    world.facts["2"] = scored("2", None)
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert gates(world).phase == GatePhase.FAIL
    world.facts["2"] = scored("2", 0.99)
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_the_first_version_is_judged_too() -> None:
    world = World(gateway_spec(gates=[ACCURACY]))
    world.facts["1"] = scored("1", 0.5)
    world.run(60)
    assert world.status.phase == Phase.PENDING
    assert not has_pods(world, "1")
    assert world.condition("Ready") == ("False", "GateFailed")


def test_what_cannot_be_judged_holds_the_rollout_and_goes_on_by_itself() -> None:
    world = world_with(ACCURACY)
    world.facts["2"] = Unknown("the registry does not answer")
    world.answer = RegistryAnswer("2")
    world.run(120)
    assert not has_pods(world, "2")
    assert world.condition("GatesPassed") == ("Unknown", "GateError")
    assert world.condition("Reconciling") == ("True", "GateError")
    assert "the registry does not answer" in world.status.message
    assert Outcome.REFUSED not in [entry.outcome for entry in world.status.history]
    world.facts["2"] = scored("2", 0.95)
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_a_version_that_is_gone_fails() -> None:
    world = world_with(ACCURACY)
    world.facts["2"] = Missing("there is no version 2")
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert gates(world).phase == GatePhase.FAIL


def test_a_change_of_the_gates_judges_anew() -> None:
    world = world_with(ACCURACY)
    world.facts["2"] = scored("2", 0.8)
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert gates(world).phase == GatePhase.FAIL
    easier = {"name": "accuracy", "metric": {"name": "accuracy", "min": 0.7}}
    world.change_spec(gateway_spec(gates=[easier]))
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_an_age_does_not_write_the_status_at_each_look() -> None:
    world = world_with(FRESH, ACCURACY)
    world.facts["2"] = scored("2", 0.5)
    world.answer = RegistryAnswer("2")
    world.run(60)
    before = gates(world).results
    world.run(600)
    assert gates(world).results == before


def test_a_way_back_is_not_judged() -> None:
    world = world_with(ACCURACY, strategy={"canary": {"steps": [{"setWeight": 50}]}}, analysis={})
    world.facts["2"] = scored("2", 0.95)
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    world.facts["1"] = scored("1", 0.1)
    world.act("rollback")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "1"


def test_jobs_run_when_the_registry_s_gates_pass_and_not_before() -> None:
    world = world_with(ACCURACY, TESTS)
    world.asked.clear()
    world.facts["2"] = scored("2", 0.8)
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert world.asked == []
    world.jobs["tests"] = None
    world.facts["2"] = scored("2", 0.95)
    world.run(120)
    assert not has_pods(world, "2")
    assert len(set(world.asked)) == 1, "one Job, however often it is looked at"
    pod = json.loads(world.asked[0].source.settings)["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"] == ["2"]
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert environment["MODEL_URI"] == "models:/fraud/2"
    assert environment["MLFLOW_TRACKING_PASSWORD"] is None, "from the Secret"
    world.jobs["tests"] = 1.0
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_a_failed_job_refuses_the_version_until_somebody_says_retry() -> None:
    world = world_with(TESTS)
    world.jobs["tests"] = 0.0
    world.answer = RegistryAnswer("2")
    world.run(600)
    assert gates(world).phase == GatePhase.FAIL
    assert "kubectl logs -n risk job/" in gates(world).results[0].message
    asked = len(set(world.asked))
    world.jobs["tests"] = 1.0
    world.run(600)
    assert not has_pods(world, "2")
    assert len(set(world.asked)) == asked
    assert "retry" in world.status.actions
    world.act("retry")
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert len(set(world.asked)) == asked + 1


def test_a_job_that_could_not_be_made_is_tried_again_with_growing_pauses() -> None:
    world = world_with(TESTS)
    world.asked.clear()
    world.jobs["tests"] = "no quota"
    world.answer = RegistryAnswer("2")
    world.run(620)
    moments = sorted({query.at for query in world.asked})
    pauses = [after - before for before, after in pairwise(moments)]
    assert pauses == sorted(pauses) and pauses[0] >= 30 and pauses[-1] >= 200
    assert world.condition("GatesPassed") == ("Unknown", "GateError")
    world.jobs["tests"] = 1.0
    world.run(900)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_a_job_that_may_not_be_is_refused_as_the_spec_it_is() -> None:
    pod = {"spec": {"hostNetwork": True, "containers": [{"name": "a", "image": "b"}]}}
    world = World(gateway_spec(gates=[{"name": "tests", "job": {"spec": {"template": pod}}}]))
    world.run(30)
    assert world.condition("Accepted") == ("False", "InvalidSpec")
    assert "hostNetwork" in world.status.message


def answers(*pairs: tuple[Any, Any]) -> Exchanges:
    return Exchanges(tuple(Exchange({"predictions": [here]}, {"predictions": [there]}) for here, there in pairs))


@pytest.mark.parametrize(
    "strategy", [{"canary": {"steps": [{"setWeight": 50}, {"pause": {"duration": "20s"}}]}}, {"blueGreen": {}}]
)
def test_golden_requests_that_disagree_stop_the_rollout_before_any_traffic(strategy: dict[str, Any]) -> None:
    world = world_with(GOLDEN, strategy=strategy)
    world.golden["2"] = answers((1.0, 1.05), (2.0, 3.0), (2.0, 2.5), (1.0, 1.0))
    world.answer = RegistryAnswer("2")
    world.weights_seen.clear()
    world.run(120)
    assert {max(weights) for weights in world.weights_seen} == {100}
    assert world.status.quarantine is not None and world.status.quarantine.reason == Reason.GATE_FAILED
    assert "2 of 4 predictions differ" in world.status.quarantine.message
    world.golden["2"] = answers((1.0, 1.05), (2.0, 3.0), (2.0, 2.0), (1.0, 1.0))
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "1"
    world.act("retry")
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_golden_requests_that_are_not_answered_wait_for_the_deadline() -> None:
    world = world_with(GOLDEN, progressDeadline="5m")
    world.golden["2"] = Unknown("connection refused")
    world.answer = RegistryAnswer("2")
    world.run(120)
    assert world.status.candidate_weight == 0 and has_pods(world, "2")
    assert "connection refused" in world.status.message
    world.run(400)
    assert world.status.quarantine is not None
    assert world.status.quarantine.reason == Reason.PROGRESS_DEADLINE_EXCEEDED


def test_without_gates_nothing_is_asked_and_nothing_shown() -> None:
    world = world_with()
    assert world.questions == ()
    assert world.status.gates is None
    assert not any(condition.type == "GatesPassed" for condition in world.status.conditions)
