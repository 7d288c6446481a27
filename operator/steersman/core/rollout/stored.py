"""Revisions from their snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from steersman.core.revision import Revision
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Problem


def stored(turn: Turn, name: str) -> Revision | None:
    """A revision from its ControllerRevision; None without one."""
    snapshot = turn.snapshot.children.get("ControllerRevision", name)
    return Revision.from_data(name, snapshot["data"]) if snapshot is not None else None


def known(turn: Turn, name: str, desired: Revision | None) -> Revision | None:
    """The revision that the spec asks for, when that is meant, or one from its ControllerRevision."""
    return desired if desired is not None and desired.name == name else stored(turn, name)


def is_of_registry(turn: Turn, revision: Revision | None) -> bool:
    """Whether a revision runs the model that the spec names, from the registry that it names: version 3 of others is another."""
    registry = turn.snapshot.registry
    if revision is None or isinstance(registry, Problem) or revision.model != turn.spec.model.name:
        return False
    return registry.url in set(_registries(revision.template))


def _registries(template: Mapping[str, Any]) -> Iterator[str]:
    for container in template["spec"]["containers"]:
        for variable in container.get("env") or ():
            if variable.get("name") == "MLFLOW_TRACKING_URI":
                yield str(variable.get("value"))
