"""Rollouts of the real operator with traffic providers whose controllers say nothing, and kinds that are installed late."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cluster.control_plane import ControlPlane
from cluster.definitions import definitions, install
from simulation import Scene, healthy, objects
from steersman.api.meta import LABEL_DEPLOYMENT
from steersman.core.snapshot import Manifest
from steersman.ports import NotFound
from steersman.shell.kinds import OWNED
from unit.traffic.providers import alb, istio, nginx, traefik

WITHIN = 60.0
PLURALS = {watched.kind: (watched.api_version, watched.plural) for watched in OWNED}
STEPS = [{"setWeight": 20}, {"pause": {"duration": "1s"}}, {"setWeight": 60}, {"pause": {}}]
SPLITS = [(100, 0), (80, 20), (40, 60), (0, 100)]
"""Percent of the old revision and of the new one, in the order of the steps."""

Weights = Callable[[Sequence[Manifest]], Mapping[str, int]]


def routing(found: Mapping[tuple[str, str], Manifest], *wanted: tuple[str, str]) -> list[Manifest]:
    """These objects, in this order; none when one is missing."""
    return [found[key] for key in wanted] if all(key in found for key in wanted) else []


PROVIDERS: dict[str, tuple[dict[str, Any], tuple[tuple[str, str], ...], Weights]] = {
    "nginx": (
        {"nginx": {"hosts": ["fraud.example.com"]}},
        (("Service", "fraud"), ("Ingress", "fraud"), ("Ingress", "fraud-canary")),
        nginx.weights,
    ),
    "traefik": (
        {"traefik": {"hosts": ["fraud.example.com"]}},
        (("TraefikService", "fraud"), ("IngressRoute", "fraud")),
        traefik.weights,
    ),
    "alb": ({"alb": {}}, (("Ingress", "fraud"),), alb.weights),
    # Its hosts hold the namespace, which its reader knows.
    "risk": (
        {"istio": {"hosts": ["fraud"], "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}},
        (("VirtualService", "fraud"),),
        istio.weights,
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A control plane that serves every provider's kinds, and an operator for the whole cluster."""
    with ControlPlane.up() as control_plane:
        await asyncio.to_thread(install, control_plane)
        async with Scene.on(control_plane, tmp_path_factory.mktemp("providers")) as made:
            operator = made.operator()
            operator.start()
            await operator.leading()
            yield made


class Witness:
    """Sees every change of a provider's objects as a proxy's controller does: each kind in order, kinds apart from one another."""

    def __init__(self, scene: Scene, namespace: str, keys: Sequence[tuple[str, str]], weights: Weights) -> None:
        self._scene = scene
        self._namespace = namespace
        self._keys = keys
        self._weights = weights
        self._found: dict[tuple[str, str], Manifest] = {}
        self.seen: list[dict[str, int]] = []
        """Revisions with weight, after each change that made a difference."""

    async def __aenter__(self) -> Witness:
        kinds = {kind for kind, _ in self._keys}
        self._tasks = [asyncio.create_task(self._follow(kind)) for kind in kinds]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, kind: str) -> None:
        labels = {LABEL_DEPLOYMENT: "fraud"}
        version, plural = PLURALS[kind]
        async for what, manifest in self._scene.api.follow(
            version, kind, plural, namespace=self._namespace, labels=labels
        ):
            key = kind, manifest["metadata"]["name"]
            if what == "DELETED":
                self._found.pop(key, None)
            else:
                self._found[key] = manifest
            present = routing(self._found, *self._keys)
            if present:
                split = {revision: weight for revision, weight in self._weights(present).items() if weight}
                if not self.seen or self.seen[-1] != split:
                    self.seen.append(split)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("namespace", PROVIDERS)
async def test_weights_only_take_the_values_of_the_steps_in_their_order(scene: Scene, namespace: str) -> None:
    """Through a promotion and an abort."""
    traffic, keys, weights = PROVIDERS[namespace]
    model = f"fraud-{namespace}"
    scene.registry.register(model)
    await scene.namespace(namespace)
    strategy = {"canary": {"steps": STEPS, "scaleDownDelay": "1s"}}
    settings = {"replicas": 2, "traffic": traffic, "strategy": strategy}
    async with Witness(scene, namespace, keys, weights) as witness:
        version = {"name": model, "version": "1"}
        await scene.api.client.apply(objects.model_deployment(namespace, "fraud", version, **settings))
        first = (await scene.until(namespace, "fraud", healthy("1"), WITHIN))["stable"]["name"]
        second = await roll_out(scene, namespace, model)
        await act(scene, namespace, "promote")
        await scene.until(namespace, "fraud", healthy("2"), WITHIN)
        third = await roll_out(scene, namespace, model)
        await act(scene, namespace, "abort")
        await scene.until(namespace, "fraud", lambda status: status.get("phase") == "Degraded", WITHIN)
        await scene.until(namespace, "fraud", lambda status: not status.get("retiring"), WITHIN)
    up = [split(first, second, pair) for pair in SPLITS]
    down = [split(second, third, pair) for pair in [*SPLITS[1:3], SPLITS[0]]]
    assert witness.seen == [*up, *down]


def split(old: str, new: str, percent: tuple[int, int]) -> dict[str, int]:
    return {revision: weight for revision, weight in zip((old, new), percent, strict=True) if weight}


async def roll_out(scene: Scene, namespace: str, model: str) -> str:
    """A new version up to the last step; returns its revision."""
    version = scene.registry.register(model)
    await scene.change(namespace, "fraud", {"model": {"version": version}})
    paused: Callable[[Mapping[str, Any]], bool] = lambda status: (  # noqa: E731
        status.get("phase") == "Paused" and (status.get("candidate") or {}).get("version") == version
    )
    status = await scene.until(namespace, "fraud", paused, WITHIN)
    return str(status["candidate"]["name"])


async def act(scene: Scene, namespace: str, action: str) -> None:
    annotation = {"metadata": {"annotations": {"steersman.dev/action": action}}}
    await scene.api.client.merge_patch("steersman.dev/v1alpha1", "ModelDeployment", namespace, "fraud", annotation)


@pytest.mark.parametrize("mode", ["cluster-wide", "namespaced"])
async def test_a_provider_that_is_installed_later_is_watched_from_then_on(mode: str, tmp_path: Path) -> None:
    """Contour's answer is seen long before the listing of every ten minutes."""
    with ControlPlane.up() as control_plane:
        async with Scene.on(control_plane, tmp_path) as scene:
            environment = {"STEERSMAN_NAMESPACES": "late"} if mode == "namespaced" else {}
            operator = scene.operator(environment=environment)
            scene.registry.register("fraud")
            await scene.namespace("late")
            # In namespaced mode nothing of the cluster is looked at.
            runtime = objects.runtime()
            runtime |= {"kind": "ServingRuntime", "metadata": {**runtime["metadata"], "namespace": "late"}}
            await scene.api.client.apply(runtime)
            operator.start()
            await operator.leading()
            traffic = {"contour": {"fqdn": "fraud.example.com"}}
            version = {"name": "fraud", "version": "1"}
            await scene.api.client.apply(objects.model_deployment("late", "fraud", version, traffic=traffic))
            refused = "does not serve HTTPProxy"
            await until(lambda: refused in operator.log.read_text(), "the operator to miss the kind")
            definition = [found for found in definitions() if found["spec"]["names"]["kind"] == "HTTPProxy"]
            await asyncio.to_thread(control_plane.apply, definition)
            proxy = await written(scene)
            condition = {
                "type": "Valid",
                "status": "True",
                "observedGeneration": proxy["metadata"]["generation"],
                "reason": "Valid",
                "message": "Valid HTTPProxy",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            await scene.api.patch_status("httpproxies", proxy, {"conditions": [condition]})
            await scene.until("late", "fraud", healthy("1"), WITHIN)


async def written(scene: Scene) -> Manifest:
    """The HTTPProxy, once the operator has written it."""
    async with asyncio.timeout(WITHIN):
        while True:
            with contextlib.suppress(NotFound):
                return await scene.api.client.get("projectcontour.io/v1", "HTTPProxy", "late", "fraud")
            await asyncio.sleep(0.2)


async def until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(WITHIN):
            while not holds():  # noqa: ASYNC110  nobody tells of it
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"waited in vain for {what}")
