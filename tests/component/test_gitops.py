"""A ModelDeployment in git stays in sync through a rollout: the real operator, a real API server, kubectl as the GitOps tool."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from cluster.control_plane import ControlPlane
from cluster.errors import ClusterError
from component.kstatus_library import Kstatus
from simulation import Scene, objects
from simulation.model_deployments import healthy
from steersman.api.meta import API_VERSION, FIELD_MANAGER, LABEL_DEPLOYMENT
from steersman.core.comparison import contains
from unit.gitops.scenarios import CURRENT, FAILED, IN_PROGRESS

Manifest = dict[str, Any]
Status = dict[str, Any]

NAMESPACE = "risk"
WITHIN = 90.0
"""Seconds that a state may take to come, on a machine that does other things too."""
TRACKING = {
    "labels": {"app.kubernetes.io/instance": "models", "kustomize.toolkit.fluxcd.io/name": "models"},
    "annotations": {
        "argocd.argoproj.io/tracking-id": "models:steersman.dev/ModelDeployment:risk/fraud",
        "team": "fraud",
    },
}
"""What GitOps tools put on the objects that they manage."""
CHILDREN = (
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("apps/v1", "ControllerRevision"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
)
SERVERS_OWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


@dataclass(frozen=True)
class Tool:
    """How a GitOps tool applies what is in git."""

    name: str
    field_manager: str
    server_side: bool

    @property
    def options(self) -> list[str]:
        forced = ["--server-side", "--force-conflicts"] if self.server_side else []
        return [*forced, f"--field-manager={self.field_manager}"]


TOOLS = [
    Tool("argo-cd-server-side", "argocd-controller", server_side=True),
    Tool("argo-cd-client-side", "argocd-controller", server_side=False),
    Tool("flux", "kustomize-controller", server_side=True),
]


class Git:
    """One ModelDeployment in git, and the tool that keeps the cluster like it."""

    def __init__(self, scene: Scene, tool: Tool, steps: list[Manifest]) -> None:
        self.scene = scene
        self.tool = tool
        made = objects.model_deployment(NAMESPACE, tool.name, {"name": tool.name, "version": "1"})
        made["metadata"] |= copy.deepcopy(TRACKING)
        made["spec"]["strategy"] = {"canary": {"steps": steps, "scaleDownDelay": "1s"}}
        self.manifest: Manifest = made
        self.commits = 1

    async def kubectl(self, *arguments: str, manifest: Manifest | None = None) -> str:
        """In a thread: the simulated pods and the Gateway go on meanwhile."""
        text = json.dumps(manifest) if manifest is not None else None
        return await asyncio.to_thread(self.scene.control_plane.kubectl, *arguments, input=text)

    async def sync(self) -> None:
        await self.kubectl("apply", *self.tool.options, "-f", "-", manifest=self.manifest)

    async def commit(self, **spec: Any) -> None:
        self.manifest["spec"] |= spec
        self.commits += 1
        await self.sync()

    async def act(self, word: str) -> None:
        before = (self.scene.status(NAMESPACE, self.tool.name).get("action") or {}).get("at")
        await self.kubectl("annotate", "md", self.tool.name, "-n", NAMESPACE, f"steersman.dev/action={word}")

        def done(status: Status) -> bool:
            action = status.get("action") or {}
            return action.get("at") != before and action.get("cleared", False)

        assert (await self.until(done, word))["action"]["result"].startswith("done")

    async def until(self, holds: Callable[[Status], bool], what: str) -> Status:
        try:
            return await self.scene.until(NAMESPACE, self.tool.name, holds, WITHIN)
        except TimeoutError as error:
            raise AssertionError(f"waiting for {what}: {error}") from error

    async def live(self) -> Manifest:
        client = self.scene.api.client
        return await client.get(API_VERSION, "ModelDeployment", NAMESPACE, self.tool.name)

    async def assert_synced(self) -> None:
        """Nothing that git says differs in the cluster, and none of it is Steersman's."""
        # Both fail when there is a difference: kubectl diff exits with 1.
        await self.kubectl("diff", *self.tool.options, "-f", "-", manifest=self.manifest)
        live = await self.live()
        dry = await self.kubectl(
            "apply", *self.tool.options, "--dry-run=server", "-o", "json", "-f", "-", manifest=self.manifest
        )
        assert _without_the_servers_own(json.loads(dry)) == _without_the_servers_own(live)
        # The API server fills in defaults of the CRD.
        assert contains(live["spec"], self.manifest["spec"])
        assert live["metadata"]["labels"] == self.manifest["metadata"]["labels"]
        assert self.manifest["metadata"]["annotations"].items() <= live["metadata"]["annotations"].items()
        # Only commits have changed the spec.
        assert live["metadata"]["generation"] == self.commits
        ours = [entry for entry in live["metadata"]["managedFields"] if entry["manager"] == FIELD_MANAGER]
        assert [(entry["subresource"], set(entry["fieldsV1"])) for entry in ours] == [("status", {"f:status"})]
        owners = {entry["manager"] for entry in live["metadata"]["managedFields"] if "f:spec" in entry["fieldsV1"]}
        assert owners == {self.tool.field_manager}

    async def assert_children_are_nobodys_else(self) -> None:
        """A tool that finds its tracking label or annotation on an object that is not in git deletes it."""
        for api_version, kind in CHILDREN:
            found = await self.scene.api.client.list(api_version, kind, NAMESPACE, {LABEL_DEPLOYMENT: self.tool.name})
            assert found, kind
            for child in found:
                metadata = child["metadata"]
                assert not TRACKING["labels"].keys() & metadata["labels"].keys()
                assert not TRACKING["annotations"].keys() & (metadata.get("annotations") or {}).keys()
                assert "kubectl.kubernetes.io/last-applied-configuration" not in (metadata.get("annotations") or {})
                assert [owner["name"] for owner in metadata["ownerReferences"]] == [self.tool.name]

    async def is_ready(self) -> bool:
        """What `kubectl wait` says at a first look."""
        words = ("wait", f"md/{self.tool.name}", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=0")
        try:
            await self.kubectl(*words)
        except ClusterError:
            return False
        return True


def _without_the_servers_own(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in SERVERS_OWN}
    # kubectl writes it anew with every client-side apply, in its own order of keys.
    metadata["annotations"] = {
        key: json.loads(value) if key.endswith("last-applied-configuration") else value
        for key, value in metadata.get("annotations", {}).items()
    }
    return {"metadata": metadata, "spec": manifest["spec"]}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    control_plane = await asyncio.to_thread(ControlPlane.up)
    try:
        async with Scene.on(control_plane, tmp_path_factory.mktemp("gitops")) as made:
            operator = made.operator()
            operator.start()
            await operator.leading()
            await made.namespace(NAMESPACE)
            yield made
    finally:
        await asyncio.to_thread(control_plane.down)


@pytest.fixture(scope="module")
def kstatus() -> Kstatus:
    return Kstatus()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
async def test_git_and_the_cluster_agree_at_every_point_of_a_rollout(
    scene: Scene, kstatus: Kstatus, tool: Tool
) -> None:
    for version in ("1", "2"):
        scene.registry.register(tool.name, version)
    git = Git(scene, tool, [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}])
    await git.sync()
    await git.until(healthy("1"), "the first revision")
    await git.assert_synced()
    assert kstatus.status(await git.live()) == CURRENT
    assert await git.is_ready()

    await git.commit(model={**git.manifest["spec"]["model"], "version": "2"})
    for weight, action in ((20, "promote"), (60, "pause")):
        await git.until(_waits_at(weight), f"the pause at {weight} %")
        await git.assert_synced()
        assert kstatus.status(await git.live()) == IN_PROGRESS
        assert not await git.is_ready()
        await git.act(action)
        await git.assert_synced()
    await git.assert_children_are_nobodys_else()
    await git.act("promote")
    await git.until(healthy("2"), "the promotion")
    await git.assert_synced()
    assert kstatus.status(await git.live()) == CURRENT

    await git.act("rollback")
    await git.until(lambda status: status["phase"] == "Degraded" and status["stable"]["version"] == "1", "the rollback")
    await git.assert_synced()
    assert kstatus.status(await git.live()) == FAILED


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("server_side", [True, False])
async def test_a_tool_that_heals_all_the_time_does_not_disturb_a_rollout(scene: Scene, server_side: bool) -> None:
    tool = Tool(f"healed-{'server' if server_side else 'client'}-side", "argocd-controller", server_side)
    for version in ("1", "2"):
        scene.registry.register(tool.name, version)
    git = Git(scene, tool, objects.steps((20, 40, 60, 80), "2s"))
    await git.sync()
    await git.until(healthy("1"), "the first revision")
    await git.commit(model={**git.manifest["spec"]["model"], "version": "2"})
    heals = 0
    while not healthy("2")(status := scene.status(NAMESPACE, tool.name)):
        assert status["phase"] in ("Healthy", "Progressing"), status["message"]
        await git.sync()
        heals += 1
    assert heals > 3
    await git.assert_synced()
    history = scene.status(NAMESPACE, tool.name)["history"]
    assert [entry["outcome"] for entry in history] == ["Promoted", "Promoted"]
    weights = [sight.weights for sight in scene.gateway.sights if sight.route == tool.name]
    shares = [weight for split in weights for revision, weight in split.items() if "-v2-" in revision]
    assert [share for share in shares if share] == sorted(share for share in shares if share)
    assert {20, 40, 60, 80, 100} <= set(shares)


def _waits_at(weight: int) -> Callable[[Status], bool]:
    return lambda status: status["phase"] == "Paused" and status["candidateWeight"] == weight
