"""The revisions that one can roll back to, as core.rollout.rollback sees them."""

from __future__ import annotations

from steersman.api.status import HistoryEntry, ModelDeploymentStatus, Outcome


def earlier(status: ModelDeploymentStatus) -> list[HistoryEntry]:
    """Revisions that were stable before, newest first, each once; the present one is none of them.

    The operator keeps the snapshot of each for as long as it stands in the history.
    """
    seen = {status.stable.name} if status.stable is not None else set()
    found: list[HistoryEntry] = []
    for entry in status.history:
        if entry.outcome is Outcome.PROMOTED and entry.revision not in seen:
            seen.add(entry.revision)
            found.append(entry)
    return found


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
