"""The objects around a revision's pods: Deployment, autoscaler, budget, or the pull of its images before all of them."""

from __future__ import annotations

from dataclasses import dataclass

from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.status import ModelDeploymentStatus, RolloutPhase
from steersman.core.capacity.disruption import disruption_budget
from steersman.core.capacity.pull import PULL_SECONDS, pre_pull, pulling
from steersman.core.capacity.scaling import autoscaler, size
from steersman.core.manifests import deployment
from steersman.core.revision import Revision
from steersman.core.snapshot import Children, Manifest


@dataclass(frozen=True)
class Objects:
    """What a revision needs now, without ownership metadata."""

    manifests: tuple[Manifest, ...] = ()
    again_at: float | None = None
    """When it needs something else although nothing is observed to change; seconds since the epoch."""


def revision_objects(
    spec: ModelDeploymentSpec,
    status: ModelDeploymentStatus,
    children: Children,
    revision: Revision,
    intended: int,
    owner_name: str,
    now: float,
) -> Objects:
    """Everything that holds a live revision's pods, for the intended number of them (with autoscaling: the floor).

    Stable and candidate are autoscaled; a revision on its way out and an experiment's baseline keep the pods that they have.
    """
    name, rollout = revision.name, status.rollout
    if rollout is not None and rollout.revision == name and pulling(spec, status, children, now) is not None:
        return Objects((pre_pull(revision),), rollout.started_at + PULL_SECONDS)
    if spec.warm_up.pre_pull and _on_its_way_out(status, name) and children.get("Deployment", name) is None:
        # It was given up before its images were there.
        return Objects()
    pods = size(spec, name, intended, children, now)
    manifests = [deployment(revision, owner_name, pods.replicas, pods.annotations)]
    if spec.pod_disruption_budget is not None:
        manifests.append(disruption_budget(spec.pod_disruption_budget, name, owner_name))
    if name in {side.name for side in (status.stable, status.candidate) if side is not None}:
        scaler = autoscaler(spec, name, intended, children)
        manifests += [scaler] if scaler is not None else []
    return Objects(tuple(manifests), pods.again_at)


def _on_its_way_out(status: ModelDeploymentStatus, revision: str) -> bool:
    rollout = status.rollout
    if rollout is not None and rollout.revision == revision:
        return rollout.phase == RolloutPhase.ABORTING
    return any(retiring.revision == revision for retiring in status.retiring)
