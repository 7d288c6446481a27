"""The ways back: by hand, by the window, while warm, and after a regression."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.status import Outcome, Phase
from steersman.core.snapshot import Problem, RegistryAnswer
from unit.core.test_rollout import healthy
from unit.core.world import World, gateway_spec

QUICK: dict[str, Any] = {
    "canary": {"steps": [{"setWeight": 50}, {"pause": {"duration": "10s"}}], "scaleDownDelay": "30s"}
}
BLUE_GREEN: dict[str, Any] = {"blueGreen": {"autoPromotionDelay": "20s", "scaleDownDelay": "100s"}}


def at_version(number: int, **changes: Any) -> World:
    """Versions 1 to number promoted one after the other."""
    world = healthy(gateway_spec(**{"strategy": QUICK, "analysis": {}, **changes}))
    for version in range(2, number + 1):
        world.answer = RegistryAnswer(str(version))
        world.run(120)
        assert world.status.stable is not None and world.status.stable.version == str(version)
    return world


@pytest.mark.parametrize("strategy", [QUICK, BLUE_GREEN])
def test_rollback_goes_to_what_was_stable_before_without_steps(strategy: dict[str, Any]) -> None:
    world = at_version(3, strategy=strategy)
    world.weights_seen.clear()
    world.act("rollback")
    world.run(20)
    status = world.status
    assert status.stable is not None and status.stable.version == "2"
    assert {max(weights) for weights in world.weights_seen} == {100}
    assert status.phase == Phase.DEGRADED
    assert world.condition("Ready") == ("False", "RolledBack")
    assert status.rollback is not None and status.rollback.reason == Reason.ROLLBACK_REQUESTED
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_rollback_to_a_version_or_revision_of_the_history() -> None:
    world = at_version(3)
    first = world.status.history[-1].revision
    world.act(f"rollback:{first}")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "1"
    world.act("rollback:2")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.status.rollback is not None and world.status.rollback.instead_of.startswith("fraud-v3-")


@pytest.mark.parametrize(
    "where", ["rollback:9", "rollback:fraud-v1-ffffffff", "rollback:{stable}", "rollback:" + "x" * 500]
)
def test_rollback_to_what_is_not_there_says_what_is(where: str) -> None:
    world = at_version(2)
    world.act(where.replace("{stable}", world.stable))
    world.run(10)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.status.action is not None and world.status.action.result.startswith("ignored: no earlier revision")
    assert world.status.rollback is None
    assert Reason.ACTION_IGNORED in world.reasons()


@pytest.mark.parametrize("change", ["retry", "spec", "alias"])
def test_a_rollback_lasts_until_something_changes(change: str) -> None:
    world = at_version(2)
    world.act("rollback")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "1"
    if change == "retry":
        world.act("retry")
    elif change == "alias":
        world.answer = RegistryAnswer("3")
    else:
        world.change_spec(gateway_spec(strategy=QUICK, analysis={}, replicas=2))
    world.run(120)
    assert world.status.stable is not None and world.status.stable.version == ("3" if change == "alias" else "2")
    assert world.status.rollback is None and world.status.phase == Phase.HEALTHY


def test_rollback_in_mid_rollout_is_an_abort() -> None:
    world = at_version(2)
    world.answer = RegistryAnswer("3")
    world.run(5)
    assert world.status.candidate_weight == 50
    world.act("rollback")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.status.history[0].outcome == Outcome.ABORTED


def test_rollback_to_an_older_one_in_mid_rollout() -> None:
    world = at_version(2)
    world.answer = RegistryAnswer("3")
    world.run(5)
    world.act("rollback:1")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "1"
    assert world.status.rollback is not None and world.status.rollback.instead_of.startswith("fraud-v3-")


def test_a_warm_revision_comes_back_without_steps_and_a_cold_one_by_steps() -> None:
    world = at_version(1, strategy=BLUE_GREEN)
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    world.answer = RegistryAnswer("1")
    world.run(10)
    assert world.status.stable is not None and world.status.stable.version == "1"
    world.answer = RegistryAnswer("2")
    world.run(10)
    world.answer = RegistryAnswer("1")
    world.run(150)
    world.answer = RegistryAnswer("2")
    world.run(10)
    assert world.status.rollout is not None and not world.status.rollout.fast


def test_the_window_lets_recent_revisions_skip_the_steps() -> None:
    world = at_version(4, rollbackWindow={"revisions": 2})
    world.run(100)
    world.answer = RegistryAnswer("1")
    world.run(8)
    assert world.status.rollout is not None and not world.status.rollout.fast
    world.answer = RegistryAnswer("2")
    world.weights_seen.clear()
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert 50 not in {weight for weights in world.weights_seen[2:] for weight in weights}


def test_a_failed_rollback_keeps_what_serves() -> None:
    world = at_version(2)
    world.run(60)
    world.broken = {world.status.history[-1].revision}
    world.act("rollback")
    world.run(700, step=30)
    status = world.status
    assert status.stable is not None and status.stable.version == "2"
    assert status.rollout is None and status.rollback is None
    assert world.route_weights() == {world.stable: 100}


def test_a_rollback_needs_no_registry_for_warm_pods() -> None:
    world = at_version(1)
    world.answer = RegistryAnswer("2")
    world.run(30)
    world.answer = Problem(Reason.REGISTRY_UNREACHABLE, "connection refused")
    world.act("rollback")
    world.run(20)
    assert world.status.stable is not None and world.status.stable.version == "1"


def test_a_regression_after_promotion_brings_the_old_one_back() -> None:
    world = at_version(1, watch={"duration": "10m"}, analysis={"templates": [{"name": "errors"}]})
    world.answer = RegistryAnswer("2")
    world.run(150)
    assert world.status.phase == Phase.HEALTHY and world.status.watch is not None
    assert world.condition("Ready")[0] == "True"
    assert world.condition("AnalysisPassing")[0] == "True"
    old = world.status.watch.previous
    assert world.replicas(old) == 4
    world.failing = {"2": 0.4}
    world.run(90)
    status = world.status
    assert status.stable is not None and status.stable.version == "1"
    assert status.quarantine is not None and status.quarantine.version == "2"
    assert status.rollback is not None and status.rollback.reason == Reason.REGRESSION
    assert {Reason.WATCH_STARTED, Reason.REGRESSION} <= set(world.reasons())
    world.run(700, step=30)
    assert world.status.stable is not None and world.status.stable.version == "1"


def test_a_watch_without_regression_ends_and_lets_the_old_pods_go() -> None:
    world = at_version(1, watch={"duration": "5m"}, analysis={"templates": [{"name": "errors"}]})
    world.answer = RegistryAnswer("2")
    world.run(120)
    assert world.status.watch is not None
    world.run(400, step=10)
    assert world.status.watch is None and world.status.retiring == []
    assert Reason.WATCH_ENDED in world.reasons()
    assert len([key for key in world.children if key[0] == "Deployment"]) == 1


def test_a_new_rollout_ends_the_watch() -> None:
    world = at_version(1, watch={"duration": "1h"}, analysis={"templates": [{"name": "errors"}]})
    world.answer = RegistryAnswer("2")
    world.run(120)
    world.answer = RegistryAnswer("3")
    world.run(120)
    assert world.status.stable is not None and world.status.stable.version == "3"
    assert world.status.watch is not None and world.status.watch.revision == world.stable
    assert {entry.version for entry in world.status.retiring} == {"2"}


def regressed() -> World:
    """Version 2 got worse after its promotion, and version 1 serves again."""
    world = at_version(1, watch={"duration": "10m"}, analysis={"templates": [{"name": "errors"}]})
    world.answer = RegistryAnswer("2")
    world.run(120)
    world.failing = {"2": 0.4}
    world.run(90)
    assert world.status.stable is not None and world.status.stable.version == "1"
    return world


def test_what_regressed_comes_back_by_steps_only() -> None:
    world = regressed()
    assert world.status.last_analysis is not None
    assert world.condition("AnalysisPassing") == ("False", "AnalysisFailed")
    world.act("retry")
    world.reconcile()
    assert world.status.rollout is not None and not world.status.rollout.fast


@pytest.mark.parametrize("how", ["by hand", "after a regression"])
def test_a_second_rollback_never_leads_to_what_was_left(how: str) -> None:
    world = regressed() if how == "after a regression" else at_version(2)
    if how == "by hand":
        world.act("rollback")
        world.run(60)
    pinned = world.status.rollback
    world.act("rollback")
    world.run(60)
    assert world.status.action is not None and world.status.action.result.startswith("ignored")
    assert world.status.rollback == pinned
    assert world.status.stable is not None and world.status.stable.version == "1"


def test_a_paused_spec_does_not_hold_the_way_back() -> None:
    world = at_version(2)
    world.change_spec(gateway_spec(strategy=QUICK, analysis={}, paused=True))
    world.run(20)
    world.act("rollback")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "1"
