"""Kinds that come to be served after the start, such as those of a traffic provider that is installed later.

In cluster-wide mode kopf learns of them by its watch of CustomResourceDefinitions, but not always: a definition is established a
moment before the API server's list of resources has it, and kopf looks only when a definition changes. In namespaced mode the
operator may not watch definitions. So the first object of the kind tells too, which is the one that the operator itself has just
written (or that the listing of every ten minutes has found): from then on the kind is watched.
"""

from __future__ import annotations

import asyncio
import logging

from kopf._cogs.structs.references import Insights, Resource

from steersman.ports import Manifest
from steersman.shell.kinds import WatchedKind

logger = logging.getLogger(__name__)


class LateKinds:
    """Adds kinds to those that kopf watches."""

    def __init__(self, kinds: tuple[WatchedKind, ...], insights: Insights) -> None:
        """`insights` are what kopf's watches follow."""
        self._resources = {watched.kind: _resource(watched) for watched in kinds}
        self._insights = insights
        self._adding: set[asyncio.Task[None]] = set()

    def seen(self, manifest: Manifest) -> None:
        """An object is in the store: if its kind is not watched yet, that begins now."""
        resource = self._resources.get(manifest["kind"])
        # Before kopf's own first look, its result would replace ours.
        if resource is None or not self._insights.ready_resources.is_set():
            return
        if resource not in self._insights.watched_resources:
            task = asyncio.create_task(self._add(resource))
            self._adding.add(task)
            task.add_done_callback(self._adding.discard)

    async def _add(self, resource: Resource) -> None:
        async with self._insights.revised:
            if resource not in self._insights.watched_resources:
                logger.info("%s is served now; watching it", resource.kind)
                self._insights.watched_resources.add(resource)
                self._insights.revised.notify_all()


def _resource(watched: WatchedKind) -> Resource:
    return Resource(
        watched.group,
        watched.version,
        watched.plural,
        kind=watched.kind,
        namespaced=not watched.cluster_scoped,
        verbs=frozenset({"list", "watch"}),
    )
