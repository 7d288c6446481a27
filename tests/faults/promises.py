"""The rules of docs/architecture.md, checked against everything that the witness saw of one ModelDeployment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from faults.witness import Happening
from steersman.api.meta import ANNOTATION_ACTION, LABEL_REVISION
from steersman.ports import Manifest

World = Mapping[tuple[str, str], Manifest]
"""What is there, by kind and name."""


@dataclass(frozen=True)
class Promise:
    """What a ModelDeployment was told to do, as far as the rules depend on it."""

    name: str
    replicas: int
    weights: Collection[int]
    """Weights that its steps give to candidates, apart from 0 and 100."""
    generations: int
    """How often its user wrote the spec."""


def broken(story: Sequence[Happening], promise: Promise) -> list[str]:
    """Everything that should not have happened, or should not be there in the end."""
    world: dict[tuple[str, str], Manifest] = {}
    found: list[str] = []
    for happening in story:
        before = world.get(happening.key)
        if happening.what == "DELETED":
            world.pop(happening.key, None)
        else:
            world[happening.key] = happening.manifest
        found += [f"at {happening.version}: {what}" for what in _broken(happening, before, world, promise)]
    return found + [f"in the end: {what}" for what in _left_over(world, promise.name)]


def weights_in_a_row(story: Sequence[Happening], name: str, version: str) -> list[int]:
    """The weights that the route gave to the revisions of a model version, one after another."""
    row: list[int] = []
    for happening in story:
        if happening.key == ("HTTPRoute", name) and happening.what != "DELETED":
            split = split_of(happening.manifest)
            given = [weight for revision, weight in split.items() if revision.startswith(f"{name}-v{version}-")]
            if given and row[-1:] != given[:1]:
                row.append(given[0])
    return row


def _broken(
    happening: Happening,
    before: Manifest | None,
    world: World,
    promise: Promise,
) -> Iterator[str]:
    """What is wrong with a change, in the world right after it."""
    kind, _ = happening.key
    deployment = world.get(("ModelDeployment", promise.name))
    if deployment is None:
        return
    status = deployment.get("status") or {}
    if kind == "ModelDeployment":
        generation = deployment["metadata"]["generation"]
        if generation > promise.generations:
            yield f"the spec was written {generation} times, by its user only {promise.generations} times"
    elif happening.what == "DELETED":
        yield from _wrong_deletion(happening, world, promise.name)
    elif kind == "HTTPRoute":
        if before is None or split_of(before) != split_of(happening.manifest):
            yield from _wrong_split(split_of(happening.manifest), status, world, promise)
    elif before is None and (revision := _revision(happening.manifest)) and revision not in _known(status):
        yield f"{kind} {revision} was made before the status knew it"
    elif (
        kind == "Service"
        and before is not None
        and _revision(before)
        and _selector(before) != _selector(world[happening.key])
    ):
        yield f"the selector of Service {happening.key[1]} changed"


def _wrong_split(split: Mapping[str, int], status: Mapping[str, Any], world: World, promise: Promise) -> Iterator[str]:
    if sum(split.values()) != 100:
        yield f"weights sum to {sum(split.values())}: {split}"
    planned = {0, 100, *promise.weights, *(100 - weight for weight in promise.weights)}
    if not planned.issuperset(split.values()):
        yield f"weights {split} are not planned"
    intended = {entry["revision"]: entry["weight"] for entry in status.get("weights") or [] if entry["weight"]}
    if intended != {revision: weight for revision, weight in split.items() if weight}:
        yield f"the route got {split} while the status said {intended}"
    for revision, weight in split.items():
        if ("Service", revision) not in world:
            yield f"there is no Service {revision} for weight {weight}"
        pods = world.get(("Deployment", revision), {}).get("status", {}).get("availableReplicas", 0)
        if pods < ceil(promise.replicas * weight / 100):
            yield f"{revision} got weight {weight} with {pods} of {promise.replicas} pods"


def _wrong_deletion(happening: Happening, world: World, name: str) -> Iterator[str]:
    kind, gone = happening.key
    route = world.get(("HTTPRoute", name))
    if kind == "HTTPRoute":
        yield "the route was deleted"
    elif kind == "Service" and route is not None and gone in split_of(route):
        yield f"Service {gone} was deleted while the route names it"
    elif kind == "Deployment" and route is not None and split_of(route).get(gone):
        yield f"the pods of {gone} were deleted while it has traffic"


def _left_over(world: World, name: str) -> Iterator[str]:
    deployment = world[("ModelDeployment", name)]
    status = deployment["status"]
    stable = status["stable"]["name"]
    kept = {stable, *(entry["revision"] for entry in status["history"])}
    wanted = {("ModelDeployment", name), ("HTTPRoute", name), ("Service", stable), ("Deployment", stable)}
    if "blueGreen" in deployment["spec"]["strategy"]:
        wanted.add(("Service", f"{name}-preview"))
    there = {key for key in world if key[0] != "ControllerRevision"}
    if there != wanted:
        yield f"too much: {sorted(there - wanted)}, too little: {sorted(wanted - there)}"
    revisions = {found for kind, found in world if kind == "ControllerRevision"}
    if not {stable} <= revisions <= kept:
        yield f"ControllerRevisions {sorted(revisions)}, but the history knows {sorted(kept)}"
    if split_of(world[("HTTPRoute", name)]) != {stable: 100}:
        yield f"the route says {split_of(world[('HTTPRoute', name)])}"
    if ANNOTATION_ACTION in (deployment["metadata"].get("annotations") or {}):
        yield "the action is still asked for"


def split_of(route: Manifest) -> dict[str, int]:
    return {ref["name"]: ref.get("weight", 1) for ref in route["spec"]["rules"][-1]["backendRefs"]}


def _revision(manifest: Manifest) -> str:
    return str((manifest["metadata"].get("labels") or {}).get(LABEL_REVISION) or "")


def _selector(service: Manifest) -> Any:
    return service["spec"]["selector"]


def _known(status: Mapping[str, Any]) -> set[str]:
    known = {str((status.get(role) or {}).get("name")) for role in ("stable", "candidate")}
    return known | {entry["revision"] for entry in status.get("retiring") or []}
