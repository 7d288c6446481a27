"""The operator behind a faulty API server: every rollout comes to its right end, by the rules, and leaves nothing behind.

All rollouts run at the same time, each fault in a namespace of its own, so that the time of one fault is the time of all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from cluster.control_plane import ControlPlane
from faults.kinds import Drop, Expire, Hangup, Lag, Late, Refuse, Silence
from faults.promises import Promise, broken, weights_in_a_row
from faults.proxy import FaultProxy
from faults.rules import Rule
from faults.witness import Witness
from simulation import OperatorProcess, Scene, objects
from steersman.api.meta import ANNOTATION_ACTION, API_VERSION

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITES = frozenset({"create", "update", "patch", "delete"})
GUARDED = frozenset({"update", "patch", "delete"})
REPLICAS = 2
WITHIN = 150.0
"""Seconds for one rollout. On a machine with nothing else to do a quarter of it is enough: two lost answers cost 15 s each."""

FAULTS: dict[str, tuple[Rule, ...]] = {
    "conflict": (Rule(Refuse(409), verbs=GUARDED, every=3),),
    "too-many": (Rule(Refuse(429, retry_after=1), every=7),),
    "server-error": (Rule(Refuse(500), probability=0.2, seed=1), Rule(Refuse(503), verbs=WRITES, every=5)),
    "reset-before": (Rule(Hangup(forwarded=False), probability=0.25, seed=2),),
    "reset-after": (Rule(Hangup(forwarded=True), probability=0.25, seed=3),),
    # The operator itself gives up waiting after 15 s.
    "silent-before": (Rule(Silence(forwarded=False), verbs=WRITES, skip=12, every=9, limit=3),),
    "silent-after": (Rule(Silence(forwarded=True), verbs=WRITES, skip=12, every=9, limit=3),),
    "late": (Rule(Late(0.4), verbs=WRITES, probability=0.5, seed=4),),
}
"""By namespace."""

WATCH_FAULTS: dict[str, tuple[Rule, ...]] = {
    "dropped": (Rule(Drop(2, seconds=1.0)),),
    "torn": (Rule(Drop(1, torn=True)),),
    "delayed": (Rule(Lag(0.4)),),
    "expired": (Rule(Expire(), every=2), Rule(Drop(3))),
}
"""Of every watch, in all namespaces."""


STORM = (
    Rule(Refuse(409), verbs=GUARDED, probability=0.05, seed=11),
    Rule(Refuse(429, retry_after=1), probability=0.03, seed=12),
    Rule(Refuse(500), probability=0.05, seed=13),
    Rule(Refuse(503), probability=0.05, seed=14),
    Rule(Hangup(forwarded=False), probability=0.03, seed=15),
    Rule(Hangup(forwarded=True), probability=0.03, seed=16),
    Rule(Late(0.3), probability=0.1, seed=17),
    Rule(Expire(), every=7),
    Rule(Drop(4, torn=True, seconds=2.0), probability=0.3, seed=19),
    Rule(Lag(0.3), probability=0.5, seed=20),
)
"""Everything at once and everywhere, the Lease and the operator's first listing not left out."""


@dataclass(frozen=True)
class Story:
    """One rollout from version 1 to version 2."""

    strategy: Mapping[str, Any]
    ends: str
    """promoted, failed or aborted."""
    row: tuple[int, ...]
    """The weights that version 2 gets, one after another."""
    analysis: Mapping[str, Any] | None = None


CANARY = {"canary": {"steps": objects.steps([25, 60], "2s"), "scaleDownDelay": "1s"}}
WAITING = {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}, {"setWeight": 60}], "scaleDownDelay": "1s"}}
STORIES = {
    "canary-promoted": Story(CANARY, "promoted", (0, 25, 60, 100)),
    "canary-failed": Story(WAITING, "failed", (0, 25, 0), {"templates": [{"name": "errors"}], "interval": "1s"}),
    "canary-aborted": Story(WAITING, "aborted", (0, 25, 0)),
    "bluegreen-promoted": Story({"blueGreen": {"scaleDownDelay": "1s"}}, "promoted", (0, 100)),
    "bluegreen-failed": Story(
        {
            "blueGreen": {
                "scaleDownDelay": "1s",
                "postPromotionAnalysis": {"templates": [{"name": "errors"}]},
            }
        },
        "failed",
        (0, 100, 0),
        {"interval": "1s"},
    ),
}
WEIGHTS = (25, 60)


@dataclass
class Stage:
    """The scene, the proxy between it and the operator, and who watches past it."""

    scene: Scene
    proxy: FaultProxy
    operator: OperatorProcess
    witness: Witness

    async def play(self, namespace: str, name: str, story: Story) -> None:
        """Carry a story to its end."""
        spec: dict[str, Any] = {
            "strategy": story.strategy,
            "replicas": REPLICAS,
            "analysis": story.analysis or {},
        }
        model = {"name": "fraud", "version": "1"}
        await self.scene.api.client.apply(objects.model_deployment(namespace, name, model, **spec))
        await self.scene.until(namespace, name, _at_rest("1"), WITHIN)
        await self.scene.change(namespace, name, {"model": {"version": "2"}})
        if story.ends == "aborted":
            reached = self.scene.gateway.until(namespace, name, lambda split: 25 in split.values())
            await asyncio.wait_for(reached, WITHIN)
            asked = {"metadata": {"annotations": {ANNOTATION_ACTION: "abort"}}}
            await self.scene.api.client.merge_patch(API_VERSION, "ModelDeployment", namespace, name, asked, "user")
        await self.scene.until(namespace, name, _at_rest("2" if story.ends == "promoted" else "1"), WITHIN)

    async def check(self, namespace: str, name: str, story: Story) -> None:
        """What must hold once the story has ended; cleaning up may take a few tries."""
        async with asyncio.timeout(30):
            while wrong := broken(
                seen := await self.witness.story(namespace, name), Promise(name, REPLICAS, WEIGHTS, generations=2)
            ):
                if not all(what.startswith("in the end") for what in wrong):
                    break
                await asyncio.sleep(0.5)
        assert wrong == [], "\n".join(wrong)
        row = tuple(weights_in_a_row(seen, name, "2"))
        # The candidate may have left the route together with its last weight.
        assert row in (story.row, story.row[:-1] if story.row[-1] == 0 else story.row)
        status = self.scene.status(namespace, name)
        assert [entry["outcome"] for entry in status["history"]][::-1] == [
            "Promoted",
            "Promoted" if story.ends == "promoted" else "Aborted",
        ]
        assert (status.get("quarantine") or {}).get("version") == (None if story.ends == "promoted" else "2")

    async def namespace(self, name: str) -> None:
        """A namespace with what its stories need."""
        await self.scene.namespace(name)
        await self.scene.api.client.apply(objects.threshold_template(name, "errors", "errors", 0.5))


def _at_rest(version: str) -> Any:
    """Nothing is under way, and what was is cleared away."""

    def holds(status: dict[str, Any]) -> bool:
        action = status.get("action")
        return bool(
            (status.get("stable") or {}).get("version") == version
            and status.get("phase") in ("Healthy", "Degraded")
            and not status.get("rollout")
            and not status.get("retiring")
            and len(status.get("history") or []) == (2 if version == "2" or status.get("quarantine") else 1)
            and (action is None or action.get("cleared"))
        )

    return holds


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("faults")
    control_plane = await asyncio.to_thread(ControlPlane.up, "faults")
    try:
        async with Scene.on(control_plane, folder) as scene, Witness(scene.api) as witness:
            scene.registry.register("fraud", "1")
            scene.registry.register("fraud", "2")
            scene.metrics.answer("errors", 1.0)
            with FaultProxy(scene.account.server, scene.account.authority, "faulty") as proxy:
                operator = scene.operator(server=proxy.url)
                operator.start()
                await operator.leading()
                keeper = asyncio.create_task(_keep_running(operator))
                yield Stage(scene, proxy, operator, witness)
                keeper.cancel()
    finally:
        await asyncio.to_thread(control_plane.down)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(stage: Stage) -> AsyncIterator[dict[tuple[str, str], asyncio.Task[None]]]:
    """Every story in the namespace of every fault, under way at the same time."""
    await asyncio.gather(*(stage.namespace(namespace) for namespace in FAULTS))
    for namespace, rules in FAULTS.items():
        for rule in rules:
            rule.namespace = namespace
            stage.proxy.inject(rule)
    tasks = {
        (fault, name): asyncio.create_task(stage.play(fault, name, story))
        for fault in FAULTS
        for name, story in STORIES.items()
    }
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_of_requests(
    stage: Stage, played: dict[tuple[str, str], asyncio.Task[None]], fault: str, name: str
) -> None:
    await played[fault, name]
    await stage.check(fault, name, STORIES[name])
    assert [rule for rule in FAULTS[fault] if not rule.injected] == []


@pytest.mark.parametrize("fault", WATCH_FAULTS)
async def test_each_fault_of_watches(stage: Stage, fault: str) -> None:
    stage.proxy.calm()
    await stage.namespace(f"watch-{fault}")
    stage.proxy.inject(*WATCH_FAULTS[fault])
    stage.proxy.cut_watches()
    namespace = f"watch-{fault}"
    await asyncio.gather(*(stage.play(namespace, name, story) for name, story in STORIES.items()))
    for name, story in STORIES.items():
        await stage.check(namespace, name, story)
    assert [rule for rule in WATCH_FAULTS[fault] if not rule.injected] == []


async def test_a_storm_of_all_of_them(stage: Stage) -> None:
    """The operator starts in it."""
    stage.proxy.calm()
    await stage.namespace("storm")
    await stage.operator.stop()
    stage.proxy.inject(*STORM)
    await asyncio.gather(*(stage.play("storm", name, story) for name, story in STORIES.items()))
    for name, story in STORIES.items():
        await stage.check("storm", name, story)
    assert [rule for rule in STORM if not rule.injected] == []


async def test_nothing_unexpected_happened_to_the_operator(stage: Stage) -> None:
    """Whatever it was answered: it may end when it loses the Lease, but never by an error that nobody thought of.

    (When a process ends in the middle of a watch, asyncio may complain of kopf's generator: no line of ours is in that.)
    """
    traces = stage.operator.log_text().split("Traceback (most recent call last):")[1:]
    assert [
        trace
        for trace in traces
        if any(
            "/steersman/shell" in line or "/steersman/adapters" in line or "/steersman/core" in line
            for line in trace.splitlines()[:40]
            if line.startswith("  File")
        )
    ] == []


async def _keep_running(operator: OperatorProcess) -> None:
    """Start it again when it has ended, as a kubelet does."""
    while True:
        if not operator.running:
            operator.start()
        await asyncio.sleep(0.2)
