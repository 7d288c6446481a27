"""Rollouts in a small world: what the status, the route and the events say at each turn."""

from __future__ import annotations

import pytest

from steersman.api.conditions import Reason
from steersman.api.status import Outcome, Phase
from steersman.core.snapshot import Problem, RegistryAnswer
from unit.core.world import World, gateway_spec


def healthy(spec: dict | None = None) -> World:
    world = World(spec)
    world.run(30)
    assert world.status.phase == Phase.HEALTHY
    return world


def with_v2(spec: dict | None = None) -> World:
    world = healthy(spec)
    world.answer = RegistryAnswer("2")
    return world


def test_first_revision_gets_all_traffic_without_steps() -> None:
    world = healthy()
    stable = world.status.stable
    assert stable is not None and stable.version == "1"
    assert world.route_weights() == {stable.name: 100}
    assert world.condition("Ready") == ("True", "RolloutComplete")
    assert world.status.ready == "4/4"
    assert Reason.PROMOTED in world.reasons()


def test_no_route_before_the_first_pods_are_available() -> None:
    world = World()
    world.pods_start = False
    world.run(30)
    assert world.status.phase == Phase.INITIALIZING
    assert world.route_weights() == {}


def test_canary_takes_every_weight_of_the_plan_and_no_other() -> None:
    world = with_v2()
    world.weights_seen.clear()
    world.run(300)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.status.phase == Phase.HEALTHY
    assert [set(w) for w in world.weights_seen] == [{100, 0}, {90, 10}, {50}, {0, 100}, {100}]
    assert all(sum(weights) == 100 for weights in world.weights_seen)
    assert [name for kind, name in world.children if kind == "Deployment"] == [world.status.stable.name]
    assert [entry.outcome for entry in world.status.history] == [Outcome.PROMOTED, Outcome.PROMOTED]


def test_candidate_has_its_share_of_pods_before_the_weight() -> None:
    world = with_v2()
    world.reconcile()
    assert world.status.candidate is not None and world.status.candidate.replicas == 1
    world.pods_start = False
    world.run(40)
    assert world.status.candidate_weight == 0
    world.pods_start = True
    world.run(20)
    assert world.status.candidate_weight == 10


def test_bad_version_is_rolled_back_and_quarantined() -> None:
    world = with_v2()
    world.failing = {"2": 0.2}
    world.run(200)
    status = world.status
    assert status.phase == Phase.DEGRADED
    assert status.stable is not None and status.stable.version == "1"
    assert world.route_weights() == {status.stable.name: 100}
    assert status.quarantine is not None and status.quarantine.version == "2"
    assert status.history[0].outcome == Outcome.ABORTED and status.history[0].reason == "AnalysisFailed"
    assert world.condition("Ready") == ("False", "RolloutAborted")
    assert world.condition("Available")[0] == "True"
    assert {Reason.ANALYSIS_FAILED, Reason.ROLLOUT_ABORTED, Reason.QUARANTINED, Reason.ROLLED_BACK} <= set(
        world.reasons()
    )
    assert len([r for r in world.reasons() if r == Reason.ROLLOUT_STARTED]) == 2


def test_outage_that_hits_both_sides_does_not_abort() -> None:
    world = with_v2()
    world.failing = {"1": 0.3, "2": 0.3}
    world.run(400)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_retry_and_alias_move_lift_the_quarantine() -> None:
    world = with_v2()
    world.failing = {"2": 0.5}
    world.run(200)
    assert world.status.quarantine is not None
    world.act("retry")
    world.reconcile()
    assert world.status.rollout is not None and world.status.quarantine is None
    world.run(200)
    assert world.status.quarantine is not None
    world.answer = RegistryAnswer("3")
    world.run(400)
    assert world.status.stable is not None and world.status.stable.version == "3"


def test_replicas_changed_in_mid_rollout_do_not_lift_the_later_quarantine() -> None:
    world = with_v2()
    world.run(20)
    world.change_spec(gateway_spec(replicas=6))
    world.failing = {"2": 0.5}
    world.run(300)
    assert world.status.quarantine is not None
    assert world.status.rollout is None


def test_prometheus_down_holds_then_waits_for_a_person() -> None:
    world = with_v2()
    world.prometheus_works = False
    world.run(300, step=15)
    assert world.status.candidate_weight == 10
    assert world.condition("AnalysisPassing") == ("Unknown", "AnalysisError")
    world.run(600, step=30)
    assert world.status.phase == Phase.PAUSED
    assert world.condition("Progressing") == ("Unknown", "InconclusiveLimitExceeded")
    world.act("promote")
    world.run(30)
    assert world.status.candidate_weight == 50


def test_prometheus_down_may_abort_instead() -> None:
    world = with_v2(
        gateway_spec(analysis={"templates": [{"name": "errors"}], "inconclusive": {"after": "1m", "action": "Abort"}})
    )
    world.prometheus_works = False
    world.run(400)
    assert world.status.stable is not None and world.status.stable.version == "1"
    assert world.status.quarantine is not None and world.status.quarantine.reason == "InconclusiveLimitExceeded"


def test_no_traffic_is_never_success() -> None:
    world = with_v2()
    world.requests_per_second = 0
    world.run(500)
    assert world.status.candidate_weight == 10
    assert world.condition("AnalysisPassing") == ("Unknown", "AnalysisInconclusive")


def test_deadline_aborts_and_says_what_was_waited_for() -> None:
    world = healthy(gateway_spec(progressDeadline="2m"))
    world.answer = RegistryAnswer("2")
    world.pods_start = True
    world.reconcile()
    assert world.status.candidate is not None
    world.broken.add(world.status.candidate.name)
    world.run(200)
    assert world.status.quarantine is not None
    assert world.status.quarantine.reason == "ProgressDeadlineExceeded"
    assert "0 of 1 pods" in world.status.quarantine.message
    assert world.status.stable is not None and world.route_weights() == {world.status.stable.name: 100}


def test_first_revision_keeps_trying_after_its_deadline() -> None:
    world = World(gateway_spec(progressDeadline="1m"))
    world.pods_start = False
    world.run(120)
    assert world.condition("Progressing") == ("False", "ProgressDeadlineExceeded")
    assert Reason.PROGRESS_DEADLINE_EXCEEDED in world.reasons()
    world.pods_start = True
    world.run(30)
    assert world.status.phase == Phase.HEALTHY


def test_route_that_is_never_accepted_ends_at_the_deadline() -> None:
    world = with_v2(gateway_spec(progressDeadline="1m"))
    world.gateway_works = False
    world.run(90)
    assert world.status.rollout is not None and world.status.rollout.outcome == Outcome.ABORTED
    world.gateway_works = True
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "1"


def test_newer_version_in_mid_rollout_starts_again_from_stable() -> None:
    world = with_v2()
    world.run(30)
    assert world.status.candidate_weight == 10
    world.answer = RegistryAnswer("3")
    world.weights_seen.clear()
    world.run(400)
    assert world.status.stable is not None and world.status.stable.version == "3"
    assert world.weights_seen[0][:2] == (100, 0)
    assert [entry.outcome for entry in world.status.history][:2] == [Outcome.PROMOTED, Outcome.SUPERSEDED]
    assert world.status.quarantine is None


def test_back_to_stable_in_mid_rollout_takes_no_steps() -> None:
    world = with_v2()
    world.run(30)
    world.answer = RegistryAnswer("1")
    world.run(20)
    assert world.status.phase == Phase.HEALTHY
    assert world.status.history[0].outcome == Outcome.CANCELLED


@pytest.mark.parametrize("reason", [Reason.ALIAS_NOT_FOUND, Reason.VERSION_NOT_FOUND, Reason.MODEL_NOT_FOUND])
def test_version_that_vanishes_in_mid_rollout_sends_traffic_back(reason: Reason) -> None:
    world = with_v2()
    world.run(30)
    world.answer = Problem(reason, "gone")
    world.run(60)
    assert world.status.rollout is None
    assert world.condition("ModelResolved") == ("False", reason)
    assert world.status.stable is not None and world.route_weights() == {world.status.stable.name: 100}
    assert reason in world.reasons()


@pytest.mark.parametrize("reason", [Reason.REGISTRY_UNREACHABLE, Reason.REGISTRY_UNAUTHORIZED])
def test_registry_trouble_disturbs_nothing_that_runs(reason: Reason) -> None:
    world = with_v2()
    world.run(30)
    world.answer = Problem(reason, "no answer")
    world.run(400)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.status.phase == Phase.HEALTHY
    world.change_spec(gateway_spec(runtime={"env": [{"name": "A", "value": "b"}]}))
    world.run(30)
    assert world.status.rollout is None, "new pods could not fetch the model"


def test_unknown_runtime_is_said_and_changes_no_traffic() -> None:
    world = healthy()
    world.runtime = Problem(Reason.RUNTIME_NOT_FOUND, "there is no ServingRuntime 'x'")
    world.run(10)
    assert world.condition("Accepted") == ("False", "RuntimeNotFound")
    assert world.status.stable is not None and world.route_weights() == {world.status.stable.name: 100}
    assert Reason.RUNTIME_NOT_FOUND in world.reasons()


def test_spec_that_the_models_refuse_touches_nothing() -> None:
    world = healthy()
    objects = set(world.children)
    broken = gateway_spec()
    broken["strategy"]["canary"]["steps"] = [{"setWeight": 50}, {"setWeight": 10}]
    world.change_spec(broken)
    world.run(10)
    assert world.condition("Accepted") == ("False", "InvalidSpec")
    assert "rise" in world.status.message
    assert set(world.children) == objects
    assert world.reasons().count(Reason.INVALID_SPEC) == 1


def test_abort_by_hand_quarantines() -> None:
    world = with_v2()
    world.run(30)
    world.act("abort")
    world.run(60)
    assert world.status.quarantine is not None and world.status.quarantine.reason == "AbortedByUser"
    assert world.status.action is not None and world.status.action.result.startswith("done")


def test_indefinite_pause_waits_for_promote() -> None:
    steps = [{"setWeight": 20}, {"pause": {}}]
    world = with_v2(gateway_spec(strategy={"canary": {"steps": steps}}))
    world.run(1000, step=60)
    assert world.status.phase == Phase.PAUSED
    assert world.condition("Progressing") == ("Unknown", "AwaitingPromotion")
    world.act("promote")
    world.run(120)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_pause_and_resume_by_hand() -> None:
    world = with_v2()
    world.run(30)
    world.act("pause")
    world.run(300)
    assert world.status.phase == Phase.PAUSED and world.status.candidate_weight == 10
    world.failing = {"2": 0.5}
    world.run(60)
    assert world.status.quarantine is not None, "a paused rollout is still watched"


def test_actions_that_make_no_sense_are_said_to_be_ignored() -> None:
    world = healthy()
    for action in ("promote", "abort", "retry", "pause", "resume", "rm -rf"):
        world.act(action)
        world.run(10)
        assert world.status.action is not None
        assert world.status.action.result.startswith("ignored")
    assert world.reasons().count(Reason.ACTION_IGNORED) == 6


def test_blue_green_switches_once_and_back_when_it_fails() -> None:
    spec = gateway_spec(strategy={"blueGreen": {"postPromotionAnalysis": {"templates": [{"name": "errors"}]}}})
    world = with_v2(spec)
    world.weights_seen.clear()
    world.run(200)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert [set(w) for w in world.weights_seen][:2] == [{100, 0}, {0, 100}]
    world.answer = RegistryAnswer("3")
    world.failing = {"3": 0.5}
    world.run(300)
    assert world.status.stable.version == "2"
    assert world.status.quarantine is not None and world.status.quarantine.version == "3"


def test_blue_green_waits_for_promotion_and_keeps_a_preview() -> None:
    world = with_v2(gateway_spec(strategy={"blueGreen": {"autoPromotion": False}}, analysis={}))
    world.run(100)
    assert world.status.phase == Phase.PAUSED
    assert world.status.candidate is not None and world.status.candidate.replicas == 4
    preview = world.children["Service", "fraud-preview"]
    assert preview["spec"]["selector"]["steersman.dev/revision"] == world.status.candidate.name
    world.act("promote")
    world.run(60)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_plain_service_splits_by_pods() -> None:
    steps = [{"setWeight": 25}, {"pause": {"duration": "60s"}}]
    world = with_v2(gateway_spec(traffic={"service": {}}, strategy={"canary": {"steps": steps}}, analysis={}))
    world.run(30)
    status = world.status
    assert status.stable is not None and status.candidate is not None
    assert (status.stable.replicas, status.candidate.replicas) == (3, 1)
    assert world.children["Service", "fraud"]["spec"]["selector"] == {"steersman.dev/deployment": "fraud"}
    world.run(200)
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.children["Service", "fraud"]["spec"]["selector"]["steersman.dev/revision"] == world.status.stable.name


def test_candidate_that_loses_all_pods_is_aborted() -> None:
    world = with_v2()
    world.run(30)
    assert world.status.candidate is not None
    world.broken.add(world.status.candidate.name)
    world.run(20)
    assert world.status.quarantine is not None and world.status.quarantine.reason == "CandidateUnavailable"


def test_old_pods_stay_for_the_scale_down_delay() -> None:
    world = with_v2()
    while world.status.stable is not None and world.status.stable.version == "1":
        world.run(5)
    assert len(world.status.retiring) == 1
    assert len([kind for kind, _ in world.children if kind == "Deployment"]) == 2
    world.run(40)
    assert not world.status.retiring
    assert len([kind for kind, _ in world.children if kind == "Deployment"]) == 1


def test_nothing_is_written_when_nothing_changes() -> None:
    world = healthy()
    world.run(60)
    world.reconcile()
    decided = world.reconcile()
    assert decided.apply == () and decided.delete == () and decided.events == ()
    assert decided.status == world.status
