"""So many rollouts at a time, and whoever waits longest is next."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from steersman.api.status import ModelDeploymentStatus
from steersman.shell.config import Config
from steersman.shell.queue import Key
from steersman.shell.slots import CLAIM_SECONDS, LOOK_SECONDS, RolloutSlots
from steersman.shell.store import Store
from unit.core.world import gateway_spec
from unit.shell.test_reconciler import KEY, Bench

NOW = 1000.0
STABLE = {"name": "r1", "version": "1"}
ROLLOUT = {
    "revision": "r2",
    "version": "2",
    "strategy": "canary",
    "phase": "Starting",
    "startedAt": "2026-01-01T00:00:00Z",
    "stepStartedAt": "2026-01-01T00:00:00Z",
}
BEGUN = ModelDeploymentStatus.model_validate({"stable": STABLE, "rollout": ROLLOUT})
IDLE = ModelDeploymentStatus.model_validate({"stable": STABLE})


def waits(since: float) -> ModelDeploymentStatus:
    condition = Condition(
        type=ConditionType.PROGRESSING,
        status=ConditionStatus.UNKNOWN,
        reason=Reason.ROLLOUT_LIMIT_REACHED,
        last_transition_time=since,
    )
    return IDLE.model_copy(update={"conditions": [condition]})


class Cluster:
    def __init__(self, limit: int = 0, per_namespace: int = 0) -> None:
        self.store = Store()
        self.woken: list[Key] = []
        self.slots = RolloutSlots(self.store, self.woken.append, limit, per_namespace)
        self._version = 0

    def see(self, key: Key, *, rollout: bool, stable: bool = True, conditions: Any = ()) -> None:
        self._version += 1
        metadata = {"namespace": key[0], "name": key[1], "uid": "-".join(key), "resourceVersion": str(self._version)}
        status: dict[str, Any] = ({"stable": STABLE} if stable else {}) | ({"rollout": ROLLOUT} if rollout else {})
        status["conditions"] = list(conditions)
        self.store.put({"kind": "ModelDeployment", "metadata": metadata, "status": status})

    def may_begin(self, key: Key, now: float = NOW) -> bool:
        return self.slots.problem(key, now) is None

    def begin(self, key: Key, now: float = NOW) -> bool:
        """What a reconcile does: ask, decide, write."""
        if not self.may_begin(key, now):
            self.slots.planned(key, waits(now))
            return False
        self.slots.planned(key, BEGUN)
        self.see(key, rollout=True)
        return True


A, B, C, D = ("risk", "a"), ("risk", "b"), ("shop", "c"), ("shop", "d")


def test_without_limits_nothing_is_counted() -> None:
    cluster = Cluster()
    assert all(cluster.begin(("risk", str(number))) for number in range(100))


def test_the_limits_of_cluster_and_namespace() -> None:
    cluster = Cluster(limit=2)
    assert cluster.begin(A) and cluster.begin(C)
    problem = cluster.slots.problem(B, NOW)
    assert problem is not None and problem.reason == Reason.ROLLOUT_LIMIT_REACHED
    assert problem.message == "2 rollouts are under way: limit 2"
    cluster = Cluster(per_namespace=1)
    assert cluster.begin(A) and cluster.begin(C)
    problem = cluster.slots.problem(B, NOW)
    assert problem is not None and problem.message == "1 rollout is under way in namespace risk: limit 1"


def test_first_revisions_do_not_count() -> None:
    cluster = Cluster(limit=1)
    cluster.see(A, rollout=True, stable=False)
    assert cluster.may_begin(B)


def test_two_that_ask_at_once_do_not_both_begin() -> None:
    cluster = Cluster(limit=1)
    assert cluster.may_begin(A)
    cluster.slots.planned(A, BEGUN)
    # A's status is being written; nobody has seen it yet.
    assert not cluster.may_begin(B)
    assert cluster.may_begin(A), "its own reservation does not stand in its way"
    cluster.see(A, rollout=True)
    assert not cluster.may_begin(B)


def test_asking_without_beginning_takes_nothing() -> None:
    cluster = Cluster(limit=1)
    assert cluster.may_begin(A)
    cluster.slots.planned(A, IDLE)
    assert cluster.may_begin(B)


def test_a_status_that_could_not_be_written_gives_its_slot_back() -> None:
    cluster = Cluster(limit=1)
    cluster.slots.planned(A, BEGUN)
    cluster.slots.planned(A, IDLE)
    assert cluster.may_begin(B)
    cluster.slots.planned(A, BEGUN)
    cluster.slots.drop(A)
    assert cluster.may_begin(B)


def test_whoever_waits_longest_is_woken_and_goes_first() -> None:
    cluster = Cluster(limit=1)
    assert cluster.begin(A)
    assert not cluster.begin(C, NOW + 1) and not cluster.begin(B, NOW + 2)
    cluster.see(A, rollout=False)
    assert cluster.woken == [C]
    assert not cluster.begin(B, NOW + 3), "B's reconcile came first, but C has waited longer"
    assert not cluster.begin(D, NOW + 3), "and D has not waited at all"
    assert cluster.begin(C, NOW + 4)
    cluster.see(C, rollout=False)
    assert cluster.woken == [C, B]


def test_the_order_is_the_one_that_is_written_down() -> None:
    cluster = Cluster(limit=1)
    cluster.see(A, rollout=True)
    for key, since in ((B, 300.0), (C, 100.0), (D, 200.0)):
        cluster.slots.planned(key, waits(since))
    for key in (C, D, B):
        running = next(
            k for k in (A, B, C, D) if (m := cluster.store.get("ModelDeployment", *k)) and "rollout" in m["status"]
        )
        cluster.see(running, rollout=False)
        assert cluster.woken[-1] == key
        assert cluster.begin(key)


def test_another_process_goes_on_in_the_same_order() -> None:
    before = Cluster(limit=1)
    before.see(A, rollout=True)
    for key, since in ((B, 300.0), (C, 100.0)):
        before.see(key, rollout=False, conditions=waits(since).to_wire()["conditions"])
    after = Cluster(limit=1)
    for key in (B, C):
        manifest = before.store.get("ModelDeployment", *key)
        assert manifest is not None
        after.store.put(manifest)
    assert not after.may_begin(D) and not after.may_begin(B)
    assert after.begin(C)


def test_a_full_namespace_holds_up_nobody_else() -> None:
    cluster = Cluster(limit=3, per_namespace=1)
    assert cluster.begin(A)
    assert not cluster.begin(B)
    assert cluster.begin(C), "B waits longer, but for its own namespace"


def test_whoever_does_not_take_its_turn_loses_it() -> None:
    cluster = Cluster(limit=1)
    assert cluster.begin(A)
    assert not cluster.begin(B, NOW + 1) and not cluster.begin(C, NOW + 2)
    cluster.see(A, rollout=False)
    assert not cluster.may_begin(C, NOW + 10)
    assert not cluster.may_begin(C, NOW + 10 + CLAIM_SECONDS - 0.1)
    assert cluster.begin(C, NOW + 10 + CLAIM_SECONDS)
    assert not cluster.begin(B, NOW + 30)
    cluster.see(C, rollout=False)
    assert cluster.begin(B, NOW + 40), "it still waits, and has a turn again"


def test_whoever_wants_nothing_more_or_is_gone_is_no_longer_waited_for() -> None:
    cluster = Cluster(limit=1)
    assert cluster.begin(A)
    for key in (B, C, D):
        assert not cluster.begin(key)
    cluster.slots.planned(B, IDLE)
    cluster.slots.drop(C)
    cluster.see(A, rollout=False)
    assert cluster.woken == [D]
    assert cluster.slots.next_look(B, NOW) is None and cluster.slots.next_look(C, NOW) is None
    assert cluster.slots.next_look(D, NOW) == NOW + LOOK_SECONDS


def test_a_rollout_that_is_deleted_makes_room() -> None:
    cluster = Cluster(limit=1)
    assert cluster.begin(A)
    assert not cluster.begin(B)
    there = cluster.store.get("ModelDeployment", *A)
    assert there is not None
    cluster.store.remove(there)
    assert cluster.woken == [B] and cluster.may_begin(B)


@pytest.mark.parametrize("limits", [{"max_rollouts": 1}, {"max_rollouts_per_namespace": 1}])
async def test_a_rollout_waits_for_another_and_goes_on_after_it(limits: dict[str, int]) -> None:
    """Through the reconciler: the condition says why, and the end of the other rollout wakes this one."""
    bench = Bench(config=Config(default_registry_url="http://mlflow:5000", **limits))
    await bench.settle()
    revision = bench.status.candidate
    assert revision is not None
    deployment = await bench.cluster.get("", "Deployment", "risk", revision.name)
    deployment["status"] = {"availableReplicas": 4, "replicas": 4}
    bench.store.put(bench.cluster.put(deployment))
    await bench.settle()
    route = await bench.cluster.get("", "HTTPRoute", "risk", "fraud")
    accepted = [{"type": t, "status": "True"} for t in ("Accepted", "ResolvedRefs")]
    route["status"] = {"parents": [{"parentRef": {"name": "gateway"}, "conditions": accepted}]}
    bench.store.put(bench.cluster.put(route))
    await bench.settle()
    assert bench.status.stable is not None

    bench.add("ModelDeployment", "other", "risk", gateway_spec(), uid="o")
    other = await bench.cluster.get("", "ModelDeployment", "risk", "other")
    bench.store.put(bench.cluster.put({**other, "status": {"stable": STABLE, "rollout": ROLLOUT}}))
    fraud = await bench.cluster.get("", "ModelDeployment", "risk", "fraud")
    fraud["spec"]["runtime"] = {"env": [{"name": "A", "value": "b"}]}
    fraud["metadata"]["generation"] += 1
    bench.store.put(bench.cluster.put(fraud))
    await bench.settle()
    assert bench.status.rollout is None
    progressing = next(c for c in bench.status.conditions if c.type == "Progressing")
    assert progressing.reason == Reason.ROLLOUT_LIMIT_REACHED and "1 rollout is under way" in progressing.message
    other = await bench.cluster.get("", "ModelDeployment", "risk", "other")
    bench.store.put(bench.cluster.put({**other, "status": {"stable": STABLE}}))
    assert bench.woken == [KEY]
    await bench.settle()
    assert bench.status.rollout is not None
