"""From the new status to the objects that should exist, and those that should not."""

from __future__ import annotations

from dataclasses import replace

from steersman.api.status import RevisionStatus, StrategyName
from steersman.core.capacity.objects import revision_objects
from steersman.core.manifests import (
    needs_apply,
    owned,
    preview_service,
    revision_service,
    snapshot_object,
)
from steersman.core.retraining import objects as retraining_objects
from steersman.core.retraining.turn import Retrained
from steersman.core.revision import Revision
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Manifest, ObjectRef, RoutePatch

_ORDER = {"ControllerRevision": 0, "Service": 1, "PodDisruptionBudget": 1, "Deployment": 2, "DaemonSet": 2}
_ROUTES = 3
"""Everything else comes after what it refers to."""


def render(
    turn: Turn, desired: Revision | None, retrained: Retrained
) -> tuple[tuple[Manifest, ...], tuple[RoutePatch, ...], tuple[ObjectRef, ...]]:
    """Manifests to apply, in order, that differ from what is there; changes of adopted routes; owned objects to delete."""
    owner, children = turn.snapshot.manifest, turn.snapshot.children
    wanted: list[Manifest] = []
    kept_snapshots: set[str] = {entry.revision for entry in turn.status.history}
    if turn.status.rollback is not None:
        kept_snapshots.add(turn.status.rollback.revision)
    for name, replicas in _live(turn).items():
        kept_snapshots.add(name)
        revision = _snapshot_of(turn, name, desired)
        wanted.append(owned(revision_service(name, turn.name), owner, name))
        if revision is None:
            continue
        if children.get("ControllerRevision", name) is None:
            wanted.append(owned(snapshot_object(revision, int(turn.now)), owner, name))
        made = revision_objects(turn.spec, turn.status, children, revision, replicas, turn.name, turn.now)
        wanted += [owned(manifest, owner, name) for manifest in made.manifests]
        if made.again_at is not None:
            turn.wake(made.again_at)
    intent = turn.intent()
    patches: tuple[RoutePatch, ...] = ()
    if intent.weights:
        wanted += [owned(manifest, owner) for manifest in turn.provider.render(intent)]
        patches = tuple(turn.provider.patches(intent, children))
    preview = _previewed(turn)
    if preview is not None:
        wanted.append(owned(preview_service(preview, turn.name), owner))
    wanted += [retraining_objects.owned_by(manifest, owner) for manifest in retrained.objects]
    wanted.sort(key=lambda manifest: _ORDER.get(manifest["kind"], _ROUTES))
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in wanted}
    names |= {("ControllerRevision", name) for name in kept_snapshots}
    names |= {("Deployment", name) for name in _live(turn)}
    names |= retrained.kept
    # What is going already waits for somebody's finalizer, such as KEDA's.
    gone = {(c["kind"], c["metadata"]["name"]) for c in children if c["metadata"].get("deletionTimestamp")}
    stale = [child for child in children if (child["kind"], child["metadata"]["name"]) not in names | gone]
    # Jobs that measure are looked after by who made them.
    stale = [child for child in stale if child["kind"] != "Job" or retraining_objects.is_ours(child)]
    # A route that names a Service goes before the Service does.
    stale.sort(key=lambda manifest: -_ORDER.get(manifest["kind"], _ROUTES))
    apply = tuple(m for m in wanted if needs_apply(m, children.get(m["kind"], m["metadata"]["name"])))
    return apply, patches, tuple(_ref(child) for child in stale)


def _live(turn: Turn) -> dict[str, int]:
    """Replicas of every revision that should have pods."""
    live = {retiring.revision: retiring.replicas for retiring in turn.status.retiring}
    for revision in (turn.status.stable, turn.status.candidate, _baseline(turn)):
        if revision is not None:
            live[revision.name] = revision.replicas
    return live


def _baseline(turn: Turn) -> RevisionStatus | None:
    rollout = turn.status.rollout
    return rollout.experiment.baseline if rollout is not None and rollout.experiment is not None else None


def _snapshot_of(turn: Turn, name: str, desired: Revision | None) -> Revision | None:
    if desired is not None and desired.name == name:
        return desired
    baseline = _baseline(turn)
    if baseline is not None and baseline.name == name and turn.status.stable is not None:
        # The same pods as stable's under another name.
        stable = _snapshot_of(turn, turn.status.stable.name, desired)
        return replace(stable, name=name) if stable is not None else None
    stored = turn.snapshot.children.get("ControllerRevision", name)
    return Revision.from_data(name, stored["data"]) if stored is not None else None


def _previewed(turn: Turn) -> str | None:
    if turn.spec.strategy.blue_green is None:
        return None
    rollout = turn.status.rollout
    if rollout is not None and rollout.strategy == StrategyName.BLUE_GREEN:
        return rollout.revision
    return turn.status.stable.name if turn.status.stable is not None else None


def _ref(manifest: Manifest) -> ObjectRef:
    metadata = manifest["metadata"]
    return ObjectRef(manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("uid"))
