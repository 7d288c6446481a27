"""Drift beside rollouts: what is told of it and when, and that it stands in the way of nothing."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.status import Phase
from steersman.core.snapshot import RegistryAnswer
from unit.core.world import World, gateway_spec

DRIFT: dict[str, Any] = {"window": "10m", "interval": "1m"}
HOUR = 3600.0


def serving(**drift: Any) -> World:
    """A world whose first revision serves, and was looked at."""
    world = World(gateway_spec(drift=DRIFT | drift))
    world.run(200, step=10)
    assert world.status.phase == Phase.HEALTHY
    return world


def told(world: World) -> tuple[str, str]:
    return world.condition("DataDrift")


def test_the_defaults_are_enough() -> None:
    world = World(gateway_spec(drift={}))
    world.run(700, step=10)
    assert told(world) == ("False", "NoDrift")
    assert world.condition("ConceptDrift") == ("False", "NoDrift")
    drift = world.status.drift
    assert drift is not None and drift.revision == world.stable and drift.data.samples == 3000


def test_without_drift_in_the_spec_nothing_is_asked_and_nothing_is_told() -> None:
    world = World(gateway_spec())
    world.run(400, step=10)
    assert world.status.drift is None
    assert not [c for c in world.status.conditions if c.type.endswith("Drift")]
    world.change_spec(gateway_spec(drift=DRIFT))
    world.run(100, step=10)
    assert told(world)[1] == "NoDrift"
    world.change_spec(gateway_spec())
    world.run(20)
    assert world.status.drift is None and not [c for c in world.status.conditions if c.type.endswith("Drift")]


def test_drift_is_told_once_it_lasts_for_a_window_and_over_once_none_was_seen_for_one() -> None:
    world = serving()
    world.shifted = 0.3
    world.run(300, step=10)
    assert told(world) == ("False", "NoDrift") and "seen since" in _message(world)
    world.run(420, step=10)
    assert told(world) == ("True", "DriftDetected") and "amount (PSI 0.4" in _message(world)
    assert world.reasons().count(Reason.DRIFT_DETECTED) == 1
    world.run(HOUR, step=30)
    assert world.reasons().count(Reason.DRIFT_DETECTED) == 1
    world.shifted = 0.0
    world.run(300, step=10)
    assert told(world) == ("True", "DriftDetected")
    world.run(420, step=10)
    assert told(world) == ("False", "NoDrift")
    assert world.reasons().count(Reason.DRIFT_ENDED) == 1


def test_drift_that_comes_and_goes_is_not_told() -> None:
    world = serving()
    for _ in range(6):
        world.shifted = 0.3
        world.run(300, step=10)
        world.shifted = 0.0
        world.run(120, step=10)
    assert told(world) == ("False", "NoDrift")
    assert Reason.DRIFT_DETECTED not in world.reasons()


def test_one_window_can_be_enough() -> None:
    world = serving(consecutive=1)
    world.shifted = 0.3
    world.run(70, step=10)
    assert told(world) == ("True", "DriftDetected")
    world.shifted = 0.0
    world.run(70, step=10)
    assert told(world) == ("False", "NoDrift")


def test_drift_changes_neither_ready_nor_phase_nor_a_rollout() -> None:
    calm, drifting = serving(consecutive=1), serving(consecutive=1)
    drifting.shifted = 0.3
    drifting.detector_fired = 1.0
    for world in (calm, drifting):
        world.run(100, step=10)
        world.answer = RegistryAnswer("2")
        world.run(1000, step=10)
    assert told(drifting) == ("True", "DriftDetected") and told(calm) == ("False", "NoDrift")
    bare = {"drift", "conditions"}
    assert drifting.status.model_dump(exclude=bare) == calm.status.model_dump(exclude=bare)
    assert drifting.weights_seen == calm.weights_seen
    others = lambda world: [c for c in world.status.conditions if not c.type.endswith("Drift")]  # noqa: E731
    assert others(drifting) == others(calm)


def test_a_metric_server_that_is_down_makes_the_conditions_unknown_and_holds_nothing_up() -> None:
    world = World(gateway_spec(drift=DRIFT | {"consecutive": 1}, analysis={}))
    world.shifted = 0.3
    world.run(200, step=10)
    world.prometheus_works = False
    world.run(90, step=10)
    # One look may fail.
    assert told(world) == ("True", "DriftDetected")
    world.run(240, step=10)
    assert told(world) == ("Unknown", "DriftUnknown") and "connection refused" in _message(world)
    assert world.condition("ConceptDrift") == ("Unknown", "DriftUnknown")
    world.answer = RegistryAnswer("2")
    world.run(600, step=10)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.condition("Ready") == ("True", "RolloutComplete")
    world.prometheus_works = True
    world.run(130, step=10)
    assert told(world) == ("True", "DriftDetected")


def test_drift_that_goes_on_after_an_outage_is_not_told_twice() -> None:
    world = serving(consecutive=1)
    world.shifted = 0.3
    world.run(130, step=10)
    world.prometheus_works = False
    world.run(600, step=10)
    assert told(world) == ("Unknown", "DriftUnknown")
    world.prometheus_works = True
    world.run(130, step=10)
    assert told(world) == ("True", "DriftDetected")
    assert world.reasons().count(Reason.DRIFT_DETECTED) == 1 and Reason.DRIFT_ENDED not in world.reasons()


@pytest.mark.parametrize(
    ("rows", "reason", "words"),
    [
        (None, "NoReference", "log_reference"),
        (0.0, "NotEnoughData", "0 rows"),
        (199.0, "NotEnoughData", "200 are needed"),
    ],
)
def test_what_cannot_be_judged_is_unknown_and_says_what_to_do(rows: float | None, reason: str, words: str) -> None:
    world = World(gateway_spec(drift=DRIFT))
    world.rows_per_window = rows
    world.run(200, step=10)
    assert told(world) == ("Unknown", reason) and words in _message(world)


def test_concept_drift_is_told_while_a_detector_fired_and_needs_feedback() -> None:
    world = serving()
    world.detector_fired = 1.0
    world.run(70, step=10)
    assert world.condition("ConceptDrift") == ("True", "DriftDetected")
    assert told(world) == ("False", "NoDrift")
    world.detector_fired = world.feedback = 0.0
    world.run(70, step=10)
    assert world.condition("ConceptDrift") == ("Unknown", "NotEnoughData")
    assert [r for r in world.reasons() if "Drift" in r] == [Reason.DRIFT_DETECTED, Reason.DRIFT_ENDED]
    world.change_spec(gateway_spec(drift=DRIFT | {"concept": {"enabled": False}}))
    world.run(70, step=10)
    assert world.status.drift is not None and world.status.drift.concept is None
    assert not [c for c in world.status.conditions if c.type == "ConceptDrift"]


def test_a_new_stable_revision_begins_anew_and_its_earlier_rows_do_not_count() -> None:
    world = serving(consecutive=1)
    world.shifted = 0.3
    world.run(70, step=10)
    assert told(world) == ("True", "DriftDetected")
    world.answer, world.shifted = RegistryAnswer("2"), 0.0
    world.run(30, step=5)
    old = world.stable
    while world.stable == old:
        world.run(5, step=5)
    promoted_at = world.now
    drift = world.status.drift
    assert drift is not None and drift.revision == world.stable and drift.data.detected_at is None
    asked = None
    while asked is None and world.now < promoted_at + 130:
        world.now += 1
        asked = next((query for query in world.plan_only().queries if query.metric == "drift"), None)
    assert asked is not None and f'"{world.stable}"' in asked.text
    assert f"[{round(asked.at - drift.started_at + 0.499)}s]" in asked.text


def test_answers_for_the_old_revision_count_nothing_for_the_new() -> None:
    world = serving(consecutive=1)
    world.shifted = 0.3
    while not world.pending:
        world.now += 1
        world.reconcile()
    before = world.status.drift
    assert before is not None
    world.manifest["status"]["drift"]["revision"] = "fraud-v0-other"
    world.settle()
    world.reconcile()
    after = world.status.drift
    assert after is not None and after.revision == world.stable and after.last_look_at is None


def test_looks_lie_on_a_grid_that_is_each_deployments_own() -> None:
    moments = []
    for name in ("fraud", "churn"):
        world = World(gateway_spec(drift=DRIFT))
        world.manifest["metadata"]["name"] = name
        seen: set[float] = set()
        for _ in range(60):
            world.reconcile()
            seen |= {query.at for query in world.pending if query.metric == "drift"}
            world.settle()
            world.now += 5
        assert len({at % 60 for at in seen}) == 1 and len(seen) >= 4
        assert all(second - first == 60 for first, second in zip(sorted(seen), sorted(seen)[1:], strict=False))
        moments.append({at % 60 for at in seen})
    assert moments[0] != moments[1]


def test_it_is_woken_for_the_next_look_and_asks_each_once() -> None:
    world = serving()
    world.run(30, step=1)
    decided = world.plan_only()
    assert decided.requeue_at is not None and world.now < decided.requeue_at <= world.now + 61
    world.now = decided.requeue_at
    asked = world.plan_only().queries
    assert [query.part for query in asked] == ["distributions", "detectors"]
    assert asked == world.plan_only().queries


def _message(world: World) -> str:
    return next(c.message for c in world.status.conditions if c.type == "DataDrift")
