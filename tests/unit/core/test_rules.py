"""The rules that must always hold, under arbitrary interleavings of what can happen, crashes between any two writes included."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from steersman.api.conditions import Reason
from steersman.core.snapshot import Problem, RegistryAnswer
from unit.core.world import World, gateway_spec

PLANNED_WEIGHTS = {0, 10, 90, 50, 100}


class Rollouts(RuleBasedStateMachine):
    """Anything may happen at any time; the operator may crash after any write."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.run(30)

    @rule(version=st.sampled_from("123"), seconds=st.sampled_from([0, 40, 150]))
    def alias_moves(self, version: str, seconds: int) -> None:
        self.world.answer = RegistryAnswer(version)
        self._pass_time(seconds)

    @rule(
        reason=st.sampled_from([Reason.ALIAS_NOT_FOUND, Reason.REGISTRY_UNREACHABLE]), seconds=st.sampled_from([0, 30])
    )
    def registry_trouble(self, reason: Reason, seconds: int) -> None:
        before = self.world.answer
        self.world.answer = Problem(reason, "trouble")
        self._pass_time(seconds)
        self.world.answer = before

    @rule(
        replicas=st.integers(1, 6),
        paused=st.sampled_from([False, False, False, True]),
        value=st.sampled_from(["a", "a", "b"]),
    )
    def change_spec(self, replicas: int, paused: bool, value: str) -> None:
        environment = {"env": [{"name": "A", "value": value}]}
        self.world.change_spec(gateway_spec(replicas=replicas, paused=paused, runtime=environment))

    @rule(action=st.sampled_from(["promote", "promote", "abort", "retry", "pause", "resume", "resume", "nonsense"]))
    def act(self, action: str) -> None:
        self.world.act(action)

    @rule(version=st.sampled_from("123"), share=st.sampled_from([0.0, 0.5]))
    def quality(self, version: str, share: float) -> None:
        self.world.failing = {version: share}

    @rule(pods=st.booleans(), gateway=st.booleans(), prometheus=st.booleans(), seconds=st.sampled_from([0, 30, 700]))
    def bad_weather(self, pods: bool, gateway: bool, prometheus: bool, seconds: int) -> None:
        world = self.world
        world.pods_start, world.gateway_works, world.prometheus_works = pods, gateway, prometheus
        self._pass_time(seconds)
        world.pods_start = world.gateway_works = world.prometheus_works = True

    @rule(seconds=st.sampled_from([1, 20, 70, 200]))
    def time_passes(self, seconds: int) -> None:
        self._pass_time(seconds)

    def _pass_time(self, seconds: int) -> None:
        self.world.run(seconds, step=max(10, seconds // 10))
        status = self.world.status
        event(f"{status.phase} at {status.candidate_weight} %")
        for entry in status.history:
            event(f"ended: {entry.outcome} {entry.reason}")

    @rule()
    def cluster_catches_up(self) -> None:
        self.world.settle()

    @rule(writes=st.integers(0, 4))
    def operator_crashes(self, writes: int) -> None:
        self.world.reconcile(crash_after=writes)

    @rule()
    def operator_reconciles(self) -> None:
        self.world.reconcile()

    @invariant()
    def weights_sum_to_100_and_are_planned(self) -> None:
        for weights in (list(self.world.route_weights().values()), [w.weight for w in self.world.status.weights]):
            assert sum(weights) in ((0,) if not weights else (100,))
            assert set(weights) <= PLANNED_WEIGHTS

    @invariant()
    def pods_come_before_weights(self) -> None:
        assert self.world.broken_promises == []

    @invariant()
    def every_backend_of_the_route_exists(self) -> None:
        for revision in self.world.route_weights():
            assert ("Service", revision) in self.world.children

    @invariant()
    def stable_is_never_scaled_below_its_share(self) -> None:
        stable, weights = self.world.status.stable, self.world.route_weights()
        if stable is not None and weights.get(stable.name):
            deployment = self.world.children.get(("Deployment", stable.name))
            assert deployment is not None
            assert deployment["spec"]["replicas"] >= 1

    @invariant()
    def spec_is_never_written(self) -> None:
        assert self.world.manifest["spec"] == self.world.wanted_spec

    @precondition(lambda self: self.world.status.quarantine is not None)
    @invariant()
    def quarantined_is_not_under_way(self) -> None:
        rollout, quarantine = self.world.status.rollout, self.world.status.quarantine
        assert rollout is None or quarantine is None or rollout.revision != quarantine.revision

    def teardown(self) -> None:
        """When the weather is fine again, the world comes to rest at what is asked for or at stable."""
        world = self.world
        world.pods_start = world.gateway_works = world.prometheus_works = True
        world.failing = {}
        world.answer = RegistryAnswer("3")
        world.change_spec(gateway_spec())
        world.act("resume")
        world.run(40, step=10)
        for _ in range(12):
            if world.status.rollout is None and world.status.stable and world.status.stable.version == "3":
                break
            world.run(60, step=20)
            if world.status.rollout is not None and world.status.rollout.held:
                world.act("promote")
        assert world.status.stable is not None
        assert world.status.stable.version == "3", world.status.message


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
