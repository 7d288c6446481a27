"""Capacity on a real API server: the manifests are what it knows, and an autoscaler's number of pods is left alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from cluster.control_plane import ControlPlane
from cluster.definitions import definitions
from simulation import Scene, healthy, objects
from steersman.api.meta import LABEL_DEPLOYMENT
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.status import ModelDeploymentStatus
from steersman.core.capacity.objects import revision_objects
from steersman.core.capacity.pull import pre_pull
from steersman.core.manifests import needs_apply, owned
from steersman.core.revision import make_revision
from steersman.core.snapshot import Children
from unit.core.test_pod import MODEL, REGISTRY
from unit.core.world import RUNTIME, gateway_spec

NAMESPACE = "capacity"
WITHIN = 60.0
SCALING = {
    "minReplicas": 2,
    "maxReplicas": 6,
    "metrics": [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1500m"}},
        }
    ],
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
}
POD = {
    "spec": {
        "nodeSelector": {"gpu": "yes"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 1,
                        "podAffinityTerm": {
                            "topologyKey": "topology.kubernetes.io/zone",
                            "labelSelector": {"matchLabels": {"app": "noisy"}},
                        },
                    }
                ]
            }
        },
    }
}


# ---------------------------------------------------------------- manifests


def manifests(**changes: Any) -> list[dict[str, Any]]:
    """Everything around one revision's pods, as the operator would apply it."""
    spec = ModelDeploymentSpec.model_validate(gateway_spec(**changes))
    revision = make_revision("fraud", spec, MODEL, RUNTIME, REGISTRY)
    stable = {"name": revision.name, "version": "7", "replicas": 2}
    status = ModelDeploymentStatus.model_validate({"stable": stable})
    made = revision_objects(spec, status, Children(), revision, 2, "fraud", 0.0).manifests
    owner = {"metadata": {"namespace": "default", "name": "fraud", "uid": "8d0ad0b3-6f4e-4a3f-9d5f-2a9f6b6b6f10"}}
    return [owned(manifest, owner, revision.name) for manifest in (*made, pre_pull(revision))]


EVERYTHING = {
    "autoscaling": SCALING,
    "podDisruptionBudget": {"maxUnavailable": "25%"},
    "revisionAntiAffinity": "Required",
    "podTemplate": POD,
    "warmUp": {"requests": 20, "prePull": True},
}
KEDA = {
    "minReplicas": 2,
    "maxReplicas": 6,
    "keda": {
        "triggers": [
            {
                "type": "prometheus",
                "metadata": {"serverAddress": "http://prometheus:9090", "query": "sum(rate(x[1m]))", "threshold": "10"},
            }
        ],
        "pollingInterval": 10,
        "cooldownPeriod": 120,
    },
}
SETTINGS: dict[str, dict[str, Any]] = {
    "everything": EVERYTHING,
    "KEDA": {**EVERYTHING, "autoscaling": KEDA},
    "other values": {
        **EVERYTHING,
        "autoscaling": {"maxReplicas": 3},
        "podDisruptionBudget": {"minAvailable": 1},
        "revisionAntiAffinity": "Preferred",
    },
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_api_server_knows_every_field_and_nothing_of_it_is_a_difference_afterwards(
    provider_kinds: ControlPlane, settings: dict[str, Any]
) -> None:
    made = manifests(**settings)
    scaler = "ScaledObject" if "keda" in settings["autoscaling"] else "HorizontalPodAutoscaler"
    assert [manifest["kind"] for manifest in made] == ["Deployment", "PodDisruptionBudget", scaler, "DaemonSet"]
    for manifest in made:
        words = ("apply", "--server-side", "--field-manager=steersman", "--validate=strict", "--dry-run=server")
        stored = json.loads(provider_kinds.kubectl(*words, "-o", "json", "-f", "-", input=json.dumps(manifest)))
        assert not needs_apply(manifest, stored), manifest["kind"]


# ---------------------------------------------------------------- the operator


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """The operator, and everything around it but an autoscaler."""
    folder = tmp_path_factory.mktemp("capacity")
    with ControlPlane.up() as control_plane:
        control_plane.apply([found for found in definitions() if found["spec"]["names"]["kind"] == "ScaledObject"])
        control_plane.wait("condition=Established", "customresourcedefinition/scaledobjects.keda.sh")
        async with Scene.on(control_plane, folder) as made:
            operator = made.operator()
            operator.start()
            await operator.leading()
            await made.namespace(NAMESPACE)
            yield made


class Deployed:
    """A ModelDeployment of one test, with its first revision stable."""

    def __init__(self, scene: Scene, name: str, revision: str) -> None:
        self.scene = scene
        self.name = name
        self.revision = revision

    @classmethod
    async def make(cls, scene: Scene, name: str, **spec: Any) -> Deployed:
        scene.registry.register(name)
        version = {"name": name, "version": "1"}
        await scene.api.client.apply(objects.model_deployment(NAMESPACE, name, version, **spec))
        status = await scene.until(NAMESPACE, name, healthy("1"), WITHIN)
        return cls(scene, name, status["stable"]["name"])

    async def children(self, api_version: str, kind: str) -> dict[str, dict[str, Any]]:
        found = await self.scene.api.client.list(api_version, kind, NAMESPACE, {LABEL_DEPLOYMENT: self.name})
        return {manifest["metadata"]["name"]: manifest for manifest in found}

    async def deployment(self) -> dict[str, Any]:
        return await self.scene.api.client.get("apps/v1", "Deployment", NAMESPACE, self.revision)

    async def replicas(self) -> int:
        return int((await self.deployment())["spec"]["replicas"])

    def autoscale(self, replicas: int) -> None:
        """What a HorizontalPodAutoscaler does: write the scale subresource under a name of its own."""
        words = ("scale", f"deployment/{self.revision}", "-n", NAMESPACE, f"--replicas={replicas}")
        self.scene.control_plane.kubectl(*words)

    async def change(self, **spec: Any) -> None:
        """Change the spec and wait until the operator has acted on it."""
        written = await self.scene.change(NAMESPACE, self.name, spec)
        generation = written["metadata"]["generation"]
        seen: Callable[[dict[str, Any]], bool] = lambda status: status.get("observedGeneration", 0) >= generation  # noqa: E731
        await self.scene.until(NAMESPACE, self.name, seen, WITHIN)

    async def settled(self) -> None:
        """Two more changes that mean nothing: by the second, the first was acted on in full."""
        for deadline in ("11m", "10m"):
            await self.change(progressDeadline=deadline)

    async def until_replicas(self, wanted: int) -> None:
        async with asyncio.timeout(WITHIN):
            while await self.replicas() != wanted:  # noqa: ASYNC110  nobody tells of it
                await asyncio.sleep(0.1)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_autoscalers_number_of_pods_is_not_fought(scene: Scene) -> None:
    fraud = await Deployed.make(scene, "fought", autoscaling=SCALING, podDisruptionBudget={"maxUnavailable": 1})
    assert set(await fraud.children("policy/v1", "PodDisruptionBudget")) == {fraud.revision}
    scaler = (await fraud.children("autoscaling/v2", "HorizontalPodAutoscaler"))[fraud.revision]
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 6)
    assert await fraud.replicas() == 2
    for replicas in (5, 3, 6):
        fraud.autoscale(replicas)
        written = await fraud.deployment()
        await fraud.settled()
        seen = await fraud.deployment()
        assert seen["spec"]["replicas"] == replicas
        assert seen["metadata"]["generation"] == written["metadata"]["generation"], "nobody wrote it since"
    fraud.autoscale(9)
    await fraud.until_replicas(6)
    await fraud.change(autoscaling={"minReplicas": 4, "maxReplicas": 5, "metrics": None, "behavior": None})
    await fraud.until_replicas(5)
    scaler = (await fraud.children("autoscaling/v2", "HorizontalPodAutoscaler"))[fraud.revision]
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (4, 5)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_rollout_goes_on_from_what_the_autoscaler_made_of_stable(scene: Scene) -> None:
    steps = [{"setWeight": 50}, {"pause": {}}]
    fraud = await Deployed.make(scene, "onward", autoscaling=SCALING, strategy={"canary": {"steps": steps}})
    fraud.autoscale(6)
    scene.registry.register("onward")
    await scene.change(NAMESPACE, "onward", {"model": {"version": "2"}})
    status = await scene.until(NAMESPACE, "onward", lambda s: s.get("phase") == "Paused", WITHIN)
    candidate = status["candidate"]["name"]
    scalers = await fraud.children("autoscaling/v2", "HorizontalPodAutoscaler")
    assert set(scalers) == {fraud.revision, candidate}
    assert scalers[candidate]["spec"]["minReplicas"] == 3, "half of the six"
    assert await fraud.replicas() == 6
    await scene.api.client.merge_patch(
        "steersman.dev/v1alpha1",
        "ModelDeployment",
        NAMESPACE,
        "onward",
        {"metadata": {"annotations": {"steersman.dev/action": "promote"}}},
    )
    await scene.until(NAMESPACE, "onward", healthy("2"), WITHIN)
    promoted = Deployed(scene, "onward", candidate)
    assert await promoted.replicas() == 6
    await promoted.settled()
    scalers = await fraud.children("autoscaling/v2", "HorizontalPodAutoscaler")
    assert {name: scaler["spec"]["minReplicas"] for name, scaler in scalers.items()} == {candidate: 2}
    assert await fraud.replicas() == 6, "it is kept as it is until it goes"


@pytest.mark.asyncio(loop_scope="module")
async def test_switching_autoscaling_on_and_off_moves_no_pods_at_once(scene: Scene) -> None:
    fraud = await Deployed.make(scene, "switched", replicas=4)
    await fraud.change(autoscaling=SCALING)
    await fraud.settled()
    assert await fraud.replicas() == 4
    assert set(await fraud.children("autoscaling/v2", "HorizontalPodAutoscaler")) == {fraud.revision}
    fraud.autoscale(5)
    await fraud.change(autoscaling=None)
    await fraud.settled()
    assert await fraud.children("autoscaling/v2", "HorizontalPodAutoscaler") == {}
    assert await fraud.replicas() == 5
    await fraud.until_replicas(4)
    await fraud.settled()
    seen = await fraud.deployment()
    assert seen["spec"]["replicas"] == 4
    assert "steersman.dev/scaled-at" not in seen["metadata"]["annotations"]


@pytest.mark.asyncio(loop_scope="module")
async def test_keda_takes_over_from_kubernetes_own_autoscaler(scene: Scene) -> None:
    fraud = await Deployed.make(scene, "handed", autoscaling={"minReplicas": 2, "maxReplicas": 6})
    fraud.autoscale(5)
    await fraud.change(autoscaling=KEDA)
    await fraud.settled()
    assert await fraud.children("autoscaling/v2", "HorizontalPodAutoscaler") == {}
    scaler = (await fraud.children("keda.sh/v1alpha1", "ScaledObject"))[fraud.revision]
    assert scaler["spec"]["triggers"] == KEDA["keda"]["triggers"]  # type: ignore[index]
    assert (scaler["spec"]["minReplicaCount"], scaler["spec"]["maxReplicaCount"]) == (2, 6)
    assert await fraud.replicas() == 5


@pytest.mark.asyncio(loop_scope="module")
async def test_pods_wait_for_their_images_and_a_retreat_leaves_nothing(scene: Scene) -> None:
    fraud = await Deployed.make(scene, "pulled")
    await fraud.change(warmUp={"prePull": True})
    scene.registry.register("pulled")
    await scene.change(NAMESPACE, "pulled", {"model": {"version": "2"}})
    status = await scene.until(NAMESPACE, "pulled", lambda s: "candidate" in s, WITHIN)
    candidate = status["candidate"]["name"]
    daemon_set: dict[str, Any] | None = None
    async with asyncio.timeout(WITHIN):
        while daemon_set is None:
            daemon_set = (await fraud.children("apps/v1", "DaemonSet")).get(f"{candidate}-pull")
    await fraud.settled()
    assert set(await fraud.children("apps/v1", "Deployment")) == {fraud.revision}
    # What the DaemonSet controller and two kubelets report.
    counts = {
        "observedGeneration": daemon_set["metadata"]["generation"],
        **dict.fromkeys(("currentNumberScheduled", "desiredNumberScheduled", "numberReady"), 2),
        "numberMisscheduled": 0,
    }
    await scene.api.patch_status("daemonsets", daemon_set, counts)
    status = await scene.until(NAMESPACE, "pulled", lambda s: s["candidate"]["availableReplicas"] > 0, WITHIN)
    await fraud.settled()
    assert await fraud.children("apps/v1", "DaemonSet") == {}
    await scene.change(NAMESPACE, "pulled", {"model": {"version": "1"}, "warmUp": None})
    await scene.until(NAMESPACE, "pulled", healthy("1"), WITHIN)
