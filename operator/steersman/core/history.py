"""The history of rollouts, and what it offers to go back to."""

from __future__ import annotations

from typing import Final

from steersman.api.status import HistoryEntry, ModelDeploymentStatus, Outcome

HISTORY_LIMIT: Final = 10


def with_entry(status: ModelDeploymentStatus, entry: HistoryEntry) -> list[HistoryEntry]:
    """The history with a further entry."""
    return [entry, *status.history][:HISTORY_LIMIT]


def earlier(status: ModelDeploymentStatus) -> list[HistoryEntry]:
    """Revisions that were stable before, newest first, each once; their snapshots are kept as long as they stand in the history.

    Not the present one, nor one that was rolled back from or is quarantined.
    """
    seen = {
        status.stable.name if status.stable is not None else None,
        status.rollback.instead_of if status.rollback is not None else None,
        status.quarantine.revision if status.quarantine is not None else None,
    }
    found: list[HistoryEntry] = []
    for entry in status.history:
        if entry.outcome == Outcome.PROMOTED and entry.revision not in seen:
            seen.add(entry.revision)
            found.append(entry)
    return found
