"""How a person names the revisions that one can roll back to."""

from __future__ import annotations

from steersman.api.status import HistoryEntry, ModelDeploymentStatus
from steersman.core.history import earlier


def find(status: ModelDeploymentStatus, to: str) -> HistoryEntry | None:
    """The earlier revision that a version or revision names; without one, the latest."""
    return next((entry for entry in earlier(status) if to in ("", entry.revision, entry.version)), None)


def ways_back(status: ModelDeploymentStatus) -> dict[str, str]:
    """What `rollback --to` takes for each earlier revision: its version, unless a newer one has the same."""
    words: dict[str, str] = {}
    for entry in earlier(status):
        named = find(status, entry.version)
        words[entry.revision] = (
            entry.version if named is not None and named.revision == entry.revision else entry.revision
        )
    return words
