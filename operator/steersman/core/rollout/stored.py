"""Revisions from their snapshots."""

from __future__ import annotations

from steersman.core.revision import Revision
from steersman.core.rollout.turn import Turn


def stored(turn: Turn, name: str) -> Revision | None:
    """A revision from its ControllerRevision; None without one."""
    snapshot = turn.snapshot.children.get("ControllerRevision", name)
    return Revision.from_data(name, snapshot["data"]) if snapshot is not None else None
