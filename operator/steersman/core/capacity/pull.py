"""Pulling a candidate's images on every node that its pods may go to, before its pods are made.

The DaemonSet is there from the rollout's start until `pulled`; in the turn in which it is, the Deployment is made and the
DaemonSet deleted, in this order, so that the Deployment's being there says that nothing is to be pulled any more.
"""

from __future__ import annotations

from typing import Any

from steersman.api.meta import LABEL_MANAGED_BY
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.status import ModelDeploymentStatus, RolloutPhase
from steersman.core.pod.security import secure
from steersman.core.revision import Revision
from steersman.core.snapshot import Children, Manifest

PULL_SECONDS = 300.0
"""After so long the rollout goes on without the images."""
LABEL_PULL = "steersman.dev/pull"
"""Revision whose images a pod pulls. Not the label of the revision's own pods: Services must not find these."""

_COPIED = (
    "nodeSelector",
    "nodeName",
    "tolerations",
    "serviceAccountName",
    "imagePullSecrets",
    "runtimeClassName",
    "securityContext",
)
_RESOURCES = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}}


def pull_name(revision: str) -> str:
    """Name of the DaemonSet that pulls a revision's images."""
    return f"{revision}-pull"


def pre_pull(revision: Revision) -> Manifest:
    """The DaemonSet that pulls a revision's images, each in a container of its own that sleeps.

    So an image without `sleep` is pulled too, but its pod is never ready. Volumes from images are mounted, which pulls those.
    """
    spec = revision.template["spec"]
    pod: dict[str, Any] = {field: spec[field] for field in _COPIED if field in spec}
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity")
    if node_affinity:
        # What keeps pods apart or together does not hold for these.
        pod["affinity"] = {"nodeAffinity": node_affinity}
    images: dict[str, dict[str, Any]] = {}
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        images.setdefault(container.get("image", ""), container)
    volumes = [volume for volume in spec.get("volumes") or [] if "image" in volume]
    pod["containers"] = [_sleeping(container) for container in images.values()]
    if volumes:
        pod["volumes"] = volumes
        mounts = [{"name": v["name"], "mountPath": f"/pulled/{v['name']}", "readOnly": True} for v in volumes]
        pod["containers"][-1]["volumeMounts"] = mounts
    pod["enableServiceLinks"] = False
    # It does not listen to SIGTERM, and has nothing to finish.
    pod["terminationGracePeriodSeconds"] = 0
    labels = {LABEL_PULL: revision.name}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": pull_name(revision.name)},
        "spec": {
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            "template": secure({"metadata": {"labels": {LABEL_MANAGED_BY: "steersman", **labels}}, "spec": pod}),
        },
    }


def _sleeping(container: dict[str, Any]) -> dict[str, Any]:
    """The container with nothing of it but its image, who runs it, and what it takes to wait."""
    kept = ("name", "image", "imagePullPolicy", "securityContext")
    own = {field: container[field] for field in kept if field in container}
    return {**own, "command": ["sleep", "3600"], "resources": _RESOURCES}


def pulled(daemon_set: Manifest | None, started_at: float, now: float) -> bool:
    """Whether the images are on every node, or have had their time (PULL_SECONDS after the rollout's start).

    A DaemonSet that is not there yet, or that its controller has not looked at, has pulled nothing.
    """
    if now >= started_at + PULL_SECONDS:
        return True
    if daemon_set is None:
        return False
    status = daemon_set.get("status") or {}
    looked_at: int = status.get("observedGeneration", 0)
    if looked_at == 0 or looked_at < daemon_set["metadata"].get("generation", 0):
        return False
    return bool(status.get("numberReady", 0) >= status.get("desiredNumberScheduled", 0))


def pulling(spec: ModelDeploymentSpec, status: ModelDeploymentStatus, children: Children, now: float) -> str | None:
    """What is said while the candidate's Deployment is held back for its images; None when it is not.

    Rendering goes by it, and a rollout in its first phase says it: `turn.wait(message, Reason.PRE_PULLING)` in place
    of the count of pods. The deadline runs on.
    """
    rollout = status.rollout
    if not spec.warm_up.pre_pull or rollout is None or rollout.phase != RolloutPhase.STARTING:
        return None
    if children.get("Deployment", rollout.revision) is not None:
        return None
    daemon_set = children.get("DaemonSet", pull_name(rollout.revision))
    if pulled(daemon_set, rollout.started_at, now):
        return None
    seen = (daemon_set or {}).get("status") or {}
    if not seen.get("desiredNumberScheduled"):
        return f"the images of {rollout.revision} are being pulled"
    ready, nodes = seen.get("numberReady", 0), seen["desiredNumberScheduled"]
    return f"the images of {rollout.revision} are being pulled: {ready} of {nodes} nodes have them"
