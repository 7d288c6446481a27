"""Listing everything that is watched: at the start, and every ten minutes, because a watch can miss a deletion."""

from __future__ import annotations

import logging

from steersman.api.meta import LABEL_MANAGED_BY
from steersman.ports import ApiError, KubeClient, NotFound
from steersman.shell.kinds import WatchedKind
from steersman.shell.store import Store

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0


async def synchronize(
    client: KubeClient, store: Store, kinds: tuple[WatchedKind, ...], namespaces: tuple[str, ...]
) -> list[WatchedKind]:
    """Make the store be what the API server has; returns the kinds that it does not serve. Raises ApiError."""
    unserved = []
    for watched in kinds:
        labels = {LABEL_MANAGED_BY: "steersman"} if watched.owned else None
        for namespace in namespaces or (None,):
            try:
                found = await client.list(watched.api_version, watched.kind, namespace, labels)
            except NotFound:
                unserved.append(watched)
                break
            store.replace_all(watched.kind, namespace, [watched.complete(manifest) for manifest in found])
    return unserved


async def synchronize_or_log(
    client: KubeClient, store: Store, kinds: tuple[WatchedKind, ...], namespaces: tuple[str, ...]
) -> None:
    """As synchronize; trouble is logged and left to the next time."""
    try:
        await synchronize(client, store, kinds, namespaces)
    except ApiError as error:
        logger.warning("listing everything again failed: %s", error)
