"""The rules that must always hold, under arbitrary interleavings of what can happen, crashes between any two writes included.

The world checks every decision and every write (unit.core.promises); here is what may happen in it, and what must be
true between two happenings and at the end.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from steersman.adapters.traffic import provider_for
from steersman.api.conditions import ConditionType, Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.notifications import NOTABLE
from steersman.api.status import Outcome
from steersman.core.gates.facts import Missing, Unknown, VersionFacts
from steersman.core.gates.golden import Exchange, Exchanges
from steersman.core.plan import plan
from steersman.core.snapshot import Problem, RegistryAnswer
from unit.core.world import World, gateway_spec

ERRORS = {"templates": [{"name": "errors"}]}
BETA = [{"headers": [{"name": "x-group", "exact": "beta"}]}]
PAUSE = {"pause": {"duration": "20s"}}
DRIFT = {"window": "1m", "interval": "10s", "consecutive": 1}

STRATEGIES: dict[str, dict[str, Any]] = {
    "steps": {"canary": {"steps": [{"setWeight": 10}, PAUSE, {"setWeight": 50}, PAUSE]}},
    "every kind of step": {
        "canary": {
            "sessionAffinity": {},
            "steps": [
                {"setHeaderRoute": {"match": BETA}},
                {"setMirrorRoute": {"percentage": 30}},
                {"setCanaryScale": {"replicas": 2}},
                {"setMirrorRoute": {"percentage": 0}},
                {"experiment": {"weight": 5, "duration": "20s", "analysis": ERRORS}},
                {"setWeight": 20},
                {"setCanaryScale": {"matchTrafficWeight": True}},
                {"analysis": ERRORS},
                {"pause": {}},
                {"experiment": {"weight": 25, "duration": "10s"}},
                {"setWeight": 60},
                PAUSE,
            ],
        }
    },
    "dynamic stable scale": {
        "canary": {
            "dynamicStableScale": True,
            "scaleDownDelay": "15s",
            "steps": [{"setWeight": 25}, PAUSE, {"setWeight": 75}, PAUSE],
        }
    },
    "surge": {"canary": {"maxSurge": "60%", "stepWeight": 20, "maxWeight": 80, "interval": "10s"}},
    "blue-green": {"blueGreen": {"autoPromotionDelay": "10s", "previewReplicas": 1}},
    "blue-green with analyses": {
        "blueGreen": {"prePromotionAnalysis": ERRORS, "postPromotionAnalysis": ERRORS, "autoPromotion": False}
    },
}
JOB_GATE = {"name": "tests", "job": {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}}}
GATES = [
    {"name": "data", "tag": {"name": "data"}},
    JOB_GATE,
    {"name": "same", "golden": {"tolerance": 0.1}},
]
DRIFT_CONDITIONS = (ConditionType.DATA_DRIFT, ConditionType.CONCEPT_DRIFT)
RETRAINING: dict[str, Any] = {
    "triggers": [{"name": "often", "schedule": {"cron": "*/2 * * * *", "startingDeadline": "60s"}}],
    "action": {"job": {"template": {"spec": {"template": {"spec": {"containers": [{"name": "t", "image": "t"}]}}}}}},
    "cooldown": "30s",
    "retries": {"limit": 1, "delay": "5s"},
}
ACTIONS = [
    *("promote", "promote", "promote-full", "abort", "retry", "pause", "resume", "resume"),
    *("rollback", "rollback:1", "rollback:2", "nonsense", "rollback:nowhere"),
    "retrain",
]


MIDDLE = ["", "", "abort", "rollback", "promote", "promote-full", "worse", "pods", "next"]


class Rollouts(RuleBasedStateMachine):
    """Anything may happen at any time; the operator may crash after any write."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.facts = {version: VersionFacts("fraud", version, tags={"data": "ok"}) for version in "123"}
        self.world.told = frozenset(NOTABLE)
        self.world.run(30)

    # One rule for everything: hypothesis leaves whole rules out of most examples (swarm testing), and what is
    # interesting here needs many kinds of happenings in one.
    @rule(happening=st.deferred(lambda: HAPPENINGS))
    def something_happens(self, happening: tuple[str, dict[str, Any]]) -> None:
        name, arguments = happening
        getattr(self, name)(**arguments)

    def alias_moves(self, version: str, seconds: int) -> None:
        self.world.answer = RegistryAnswer(version)
        self._pass_time(seconds)

    def registry_trouble(self, reason: Reason, seconds: int) -> None:
        before = self.world.answer
        self.world.answer = Problem(reason, "trouble")
        self._pass_time(seconds)
        self.world.answer = before

    def change_spec(
        self,
        strategy: str,
        replicas: int,
        paused: bool,
        value: str,
        analysed: bool,
        watched: bool,
        window: int,
        gated: int,
        drift: bool,
        told: bool,
        retrained: bool,
        source: str,
    ) -> None:
        by_uri = {"model": {"uri": "s3://models/fraud", "version": source}, "gates": [JOB_GATE] if gated else []}
        spec = gateway_spec(
            strategy=STRATEGIES[strategy],
            replicas=replicas,
            paused=paused,
            runtime={"env": [{"name": "A", "value": value}]},
            analysis=ERRORS if analysed else {},
            rollbackWindow={"revisions": window},
            **({"gates": GATES[:gated]} if source == "registry" else by_uri),
        )
        if told and source == "registry":
            spec["model"] = spec["model"] | {"writeBack": {"tags": True, "promotedAlias": "production"}}
        more: dict[str, Any] = {"watch": {"duration": "60s"}} if watched else {}
        more |= {"retraining": RETRAINING} if retrained else {}
        self.world.change_spec(spec | more | ({"drift": DRIFT} if drift else {}))

    def data_drifts(self, shifted: float, rows: float | None, fired: float, seconds: int) -> None:
        world = self.world
        world.shifted, world.rows_per_window, world.detector_fired = shifted, rows, fired
        self._pass_time(seconds)
        for condition in world.status.conditions:
            if condition.type in DRIFT_CONDITIONS:
                event(f"{condition.type} {condition.status} {condition.reason}")

    def trainings(self, end: str | None) -> None:
        self.world.trainings_end = end

    def a_rollout_gets_under_way(self, strategy: str, seconds: int, replicas: int, pods: int | None, then: str) -> None:
        """The way into the middle of a rollout, which mere chance finds too seldom."""
        world = self.world
        world.slot = world.trouble = None
        world.failing = {}
        gates = world.manifest["spec"].get("gates", [])
        spec = gateway_spec(strategy=STRATEGIES[strategy], replicas=replicas, gates=gates, drift=DRIFT)
        world.change_spec(spec)
        world.act("resume")
        world.run(45, step=15)  # no revision is warm any more, so that the way leads through the steps
        version = world.status.stable.version if world.status.stable is not None else "1"
        world.answer = RegistryAnswer("2" if version != "2" else "3")
        world.run(seconds, step=5)
        world.pods_start_slowly = pods
        self._happens(then)

    def something_happens_in_the_middle(self, what: str) -> None:
        self._happens(what)

    def _happens(self, what: str) -> None:
        world = self.world
        event(f"{what} at {world.status.candidate_weight} %")
        if what == "worse" and world.status.candidate is not None:
            world.failing = {world.status.candidate.version: 0.5}
        elif what == "pods" and world.status.candidate is not None:
            world.broken = {world.status.candidate.name}
        elif what == "next":
            world.answer = RegistryAnswer("1")
        elif what:
            world.act(what)
        self._pass_time(20)
        world.broken = set()
        world.pods_start_slowly = None

    def act(self, action: str) -> None:
        self.world.act(action)

    def quality(self, version: str, share: float) -> None:
        self.world.failing = {version: share}

    def the_registry_knows(self, version: str, tagged: bool, job: float | str | None, golden: str) -> None:
        found: dict[str, Missing | Unknown | Exchanges] = {
            "agree": Exchanges((Exchange([1.0], [1.05]),)),
            "differ": Exchanges((Exchange([1.0], [2.0]),)),
            "unknown": Unknown("no answer"),
            "missing": Missing("no samples"),
        }
        self.world.facts[version] = VersionFacts("fraud", version, tags={"data": "ok"} if tagged else {})
        self.world.jobs["tests"] = job
        self.world.golden[version] = found[golden]
        self._pass_time(20)
        if self.world.status.gates is not None:
            event(f"gates {self.world.status.gates.phase}")

    def bad_weather(self, pods: bool, gateway: bool, prometheus: bool, registry: bool, seconds: int) -> None:
        world = self.world
        world.registry_writable = registry
        world.pods_start, world.gateway_works, world.prometheus_works = pods, gateway, prometheus
        world.delivers = gateway
        self._pass_time(seconds)
        world.pods_start = world.gateway_works = world.prometheus_works = world.delivers = True

    def the_cluster_is_full(self, full: bool, stuck: bool) -> None:
        self.world.slot = Problem(Reason.ROLLOUT_LIMIT_REACHED, "limit 1") if full else None
        self.world.trouble = Problem(Reason.UNSCHEDULABLE, "no room") if stuck else None

    def the_clock_steps(self, seconds: int) -> None:
        self.world.now += seconds
        event(f"clock {'back' if seconds < 0 else 'forward'}")

    def time_passes(self, seconds: int) -> None:
        self._pass_time(seconds)

    def _pass_time(self, seconds: int) -> None:
        self.world.run(seconds, step=max(5, seconds // 10))
        status = self.world.status
        event(f"{status.phase} at {status.candidate_weight} %")
        for entry in status.history:
            event(f"ended: {entry.outcome} {entry.reason}")

    def the_operator_looks(self, writes: int | None, catches_up: bool) -> None:
        """Once, and crashes after so many writes; then the cluster catches up or does not."""
        self.world.reconcile(crash_after=writes)
        if catches_up:
            self.world.settle()

    @invariant()
    def no_promise_is_broken(self) -> None:
        assert self.world.promises.broken == []

    @invariant()
    def intended_weights_are_planned(self) -> None:
        weights = [w.weight for w in self.world.status.weights]
        assert sum(weights) in ((0,) if not weights else (100,))
        assert set(weights) <= self.world.planned_weights

    @invariant()
    def one_training_at_a_time(self) -> None:
        running = [c for (kind, _), c in self.world.children.items() if kind == "Job" and not c.get("status")]
        assert len(running) <= 1
        training = self.world.status.retraining
        assert training is None or len(training.history) <= 10

    @invariant()
    def every_backend_of_the_route_exists(self) -> None:
        for revision in self.world.route_weights():
            assert ("Service", revision) in self.world.children

    @invariant()
    def spec_is_never_written(self) -> None:
        assert self.world.manifest["spec"] == self.world.wanted_spec

    @precondition(lambda self: self.world.status.quarantine is not None)
    @invariant()
    def quarantined_is_not_under_way(self) -> None:
        rollout, quarantine = self.world.status.rollout, self.world.status.quarantine
        assert rollout is None or quarantine is None or rollout.revision != quarantine.revision

    @invariant()
    def one_step_further_changes_nothing_twice(self) -> None:
        """A reconcile with nothing new decides what the last one did: intent is level-triggered."""
        if self.world.last is None:
            return
        first = self.world.plan_only()
        assert first == self.world.plan_only()

    @invariant()
    def drift_stands_in_the_way_of_nothing(self) -> None:
        """Without spec.drift the same is decided and done."""
        snapshot = self.world.snapshot()
        manifest = {**snapshot.manifest, "status": {**snapshot.manifest.get("status", {}), "drift": None}}
        assert isinstance(snapshot.spec, ModelDeploymentSpec)
        without = replace(snapshot, manifest=manifest, spec=snapshot.spec.model_copy(update={"drift": None}))
        one, other = plan(snapshot, provider_for), plan(without, provider_for)
        assert (one.apply, one.patch, one.delete, one.clear_action) == (
            other.apply,
            other.patch,
            other.delete,
            other.clear_action,
        )
        # Somebody may be told of it.
        told = {"drift", "conditions", "notifications"}
        assert one.status.model_dump(exclude=told) == other.status.model_dump(exclude=told)
        assert [c for c in one.status.conditions if c.type not in DRIFT_CONDITIONS] == other.status.conditions
        assert one.status.drift is None or one.status.stable is not None
        if one.status.drift is not None and one.status.stable is not None:
            assert one.status.drift.revision == one.status.stable.name

    def teardown(self) -> None:
        """When the weather is fine again, the world comes to rest at what is asked for, and nothing else is left."""
        world = self.world
        world.pods_start = world.gateway_works = world.prometheus_works = True
        world.pods_start_slowly = world.slot = world.trouble = None
        world.failing = {}
        world.shifted, world.rows_per_window, world.detector_fired = 0.0, 3000.0, 0.0
        world.answer = RegistryAnswer("3")
        model = {"name": "fraud", "alias": "champion", "writeBack": {"tags": True, "promotedAlias": "production"}}
        world.registry_writable = True
        world.change_spec(gateway_spec(model=model, drift=DRIFT))
        world.act("resume")
        world.run(40, step=10)
        world.act("retry")
        for _ in range(40):
            if world.status.rollout is None and world.status.stable and world.status.stable.version == "3":
                break
            world.run(60, step=20)
            if world.status.rollout is not None and world.status.rollout.held:
                world.act("promote")
        world.run(1000, step=50)
        while world.status.retiring and world.now < world.status.retiring[0].scale_down_at:
            # The clock stepped back, several times perhaps: the delay ends that much later.
            world.run(500, step=50)
        assert world.status.stable is not None
        assert world.status.stable.version == "3", world.status.message
        assert world.route_weights() == {world.stable: 100}
        assert [name for kind, name in world.children if kind == "Deployment"] == [world.stable]
        assert world.condition("DataDrift") == world.condition("ConceptDrift") == ("False", "NoDrift")
        assert not [name for kind, name in world.children if kind == "Job"]
        assert world.promises.broken == []
        self._the_registry_says_what_came_of_it()

    def _the_registry_says_what_came_of_it(self) -> None:
        world = self.world
        assert world.aliases["production"] == "3"
        status = world.status.write_back
        assert status is not None
        # What gates refused while nothing was to be told has left no trace of the registry that it was of.
        told = [e for e in world.status.history if e.revision in status.revisions or e.outcome != Outcome.REFUSED]
        # A revision of a model that is given by its uri is told to no registry, whatever version it names.
        snapshots = {n: str(c["data"]) for (kind, n), c in world.children.items() if kind == "ControllerRevision"}
        told = [e for e in told if "s3://models/fraud" not in snapshots.get(e.revision, "")]
        for version in {entry.version for entry in told}:
            serving = [e for e in told if e.revision == world.stable and e.outcome == Outcome.PROMOTED]
            latest = next(entry for entry in (*serving, *told) if entry.version == version)
            outcome = "Regressed" if latest.regressed and latest.outcome == Outcome.PROMOTED else latest.outcome
            assert world.tags[version]["steersman.dev/eu/risk/fraud/outcome"] == outcome
        assert status.pending == 0
        count = len(world.written)
        world.run(200, step=50)
        assert len(world.written) == count, "then it is quiet"


def _happening(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


_ROLLOUT = _happening(
    "a_rollout_gets_under_way",
    strategy=st.sampled_from(sorted(STRATEGIES)),
    seconds=st.sampled_from([10, 20, 30, 45, 60, 80, 120]),
    replicas=st.sampled_from([4, 7]),
    pods=st.sampled_from([None, None, 0, 1]),
    then=st.sampled_from(MIDDLE),
)
HAPPENINGS = st.one_of(
    *[_ROLLOUT] * 4,
    _happening("alias_moves", version=st.sampled_from("123"), seconds=st.sampled_from([0, 40, 150])),
    _happening(
        "registry_trouble",
        reason=st.sampled_from([Reason.ALIAS_NOT_FOUND, Reason.REGISTRY_UNREACHABLE]),
        seconds=st.sampled_from([0, 30]),
    ),
    _happening(
        "change_spec",
        strategy=st.sampled_from(sorted(STRATEGIES)),
        replicas=st.integers(1, 8),
        paused=st.sampled_from([False, False, False, True]),
        value=st.sampled_from(["a", "a", "b"]),
        analysed=st.sampled_from([True, True, False]),
        watched=st.booleans(),
        window=st.integers(0, 2),
        gated=st.sampled_from([0, 0, 1, 2, 3]),
        drift=st.booleans(),
        told=st.booleans(),
        retrained=st.booleans(),
        source=st.sampled_from(["registry", "registry", "1", "2"]),
    ),
    _happening(
        "the_registry_knows",
        version=st.sampled_from("123"),
        tagged=st.sampled_from([True, True, False]),
        job=st.sampled_from([1.0, 1.0, 0.0, None, "no quota"]),
        golden=st.sampled_from(["agree", "agree", "differ", "unknown", "missing"]),
    ),
    *[_happening("something_happens_in_the_middle", what=st.sampled_from(MIDDLE))] * 3,
    _happening("act", action=st.sampled_from(ACTIONS)),
    _happening("quality", version=st.sampled_from("123"), share=st.sampled_from([0.0, 0.5])),
    _happening(
        "bad_weather",
        pods=st.booleans(),
        gateway=st.booleans(),
        prometheus=st.booleans(),
        registry=st.booleans(),
        seconds=st.sampled_from([0, 30, 700]),
    ),
    _happening(
        "data_drifts",
        shifted=st.sampled_from([0.0, 0.4]),
        rows=st.sampled_from([3000.0, 3000.0, 10.0, None]),
        fired=st.sampled_from([0.0, 1.0]),
        seconds=st.sampled_from([0, 30, 150]),
    ),
    _happening("trainings", end=st.sampled_from([None, "Complete", "Failed"])),
    _happening("the_cluster_is_full", full=st.booleans(), stuck=st.booleans()),
    _happening("the_clock_steps", seconds=st.sampled_from([-600, -20, 20, 3600])),
    *[_happening("time_passes", seconds=st.sampled_from([1, 20, 70, 200]))] * 3,
    _happening("the_operator_looks", writes=st.sampled_from([None, 0, 1, 2, 3, 4, 6]), catches_up=st.booleans()),
)


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(
    max_examples=int(os.environ.get("STEERSMAN_EXAMPLES", "24")),
    stateful_step_count=16,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
