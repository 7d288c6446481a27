"""Listing everything that is watched: at the start, and every ten minutes, because a watch can miss a deletion."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict

from steersman.ports import ApiError, KubeClient, NotFound
from steersman.shell.kinds import WatchedKind
from steersman.shell.store import Store

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0
RETRY_SECONDS = 0.5
"""Between the first tries to list a kind; the time doubles up to LAST_RETRY_SECONDS."""
LAST_RETRY_SECONDS = 5.0


async def synchronize(
    client: KubeClient, store: Store, kinds: tuple[WatchedKind, ...], namespaces: tuple[str, ...]
) -> list[WatchedKind]:
    """Make the store be what the API server has; returns the kinds that it does not serve.

    A kind that cannot be listed is tried until it can: the trouble of one does not cost what the others have told.
    """
    groups: dict[str, list[WatchedKind]] = defaultdict(list)
    for watched in kinds:
        groups[watched.api_version].append(watched)

    async def group(members: list[WatchedKind]) -> list[WatchedKind]:
        return [watched for watched in members if not await _listed(client, store, watched, namespaces)]

    # Groups are asked at the same time; their kinds in turn, for discovery is by group.
    return [watched for unserved in await asyncio.gather(*map(group, groups.values())) for watched in unserved]


async def _listed(client: KubeClient, store: Store, watched: WatchedKind, namespaces: tuple[str, ...]) -> bool:
    """Take a kind over into the store; False when it is not served."""
    labels = watched.labels or None
    for namespace in namespaces or (None,):
        wait = RETRY_SECONDS
        while True:
            try:
                found, version = await client.list_at(watched.api_version, watched.kind, namespace, labels)
                break
            except NotFound:
                return False
            except ApiError as error:
                logger.warning("cannot list %s, again in %.1f s: %s", watched.kind, wait, error)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LAST_RETRY_SECONDS)
        store.replace_all(watched.kind, namespace, [watched.complete(manifest) for manifest in found], version)
    return True
