"""Adopted routes: somebody else's objects that do not carry our label, each watched by its name while it is adopted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.ports import ApiError, Manifest, NotFound, Watcher
from steersman.shell.queue import Key
from steersman.shell.store import resource_version

logger = logging.getLogger(__name__)

ROUTES = "gateway.networking.k8s.io/v1"
RETRY_SECONDS = (1.0, 30.0)
"""Shortest and longest wait after a watch failed."""


@dataclass(frozen=True)
class Route:
    """An object to watch."""

    kind: str
    namespace: str
    name: str


@dataclass
class _Watch:
    keys: set[Key]
    """ModelDeployments that adopt the route."""
    manifest: Manifest | None = None
    trouble: ApiError | None = None
    """Why it was never read yet."""
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class AdoptedRoutes:
    """What is last known of every adopted route. A change of one enqueues the ModelDeployments that adopt it."""

    def __init__(self, client: Watcher, enqueue: Callable[[Key], None]) -> None:
        self._client = client
        self._enqueue = enqueue
        self._watches: dict[Route, _Watch] = {}

    async def of(self, key: Key, spec: ModelDeploymentSpec) -> list[Manifest]:
        """The routes that a ModelDeployment adopts, watched from now on. Raises ApiError when they cannot be read."""
        route = _adopted_by(key, spec)
        self._leave(key, route)
        if route is None:
            return []
        watch = self._watches.get(route)
        if watch is None:
            watch = self._watches[route] = _Watch({key})
            watch.task = asyncio.create_task(self._follow(route, watch), name=f"adopted-{route.kind}-{route.name}")
        watch.keys.add(key)
        await watch.tried.wait()
        if watch.trouble is not None:
            raise watch.trouble
        return [watch.manifest] if watch.manifest is not None else []

    def put(self, manifest: Manifest) -> None:
        """Take over the answer of a write of our own."""
        metadata = manifest["metadata"]
        watch = self._watches.get(Route(manifest["kind"], metadata["namespace"], metadata["name"]))
        if watch is not None:
            self._see(watch, manifest)

    async def read_again(self, api_version: str, kind: str, namespace: str, name: str) -> None:
        """Somebody wrote first: have the next plan made from what is there now. Raises ApiError."""
        watch = self._watches.get(Route(kind, namespace, name))
        if watch is not None:
            try:
                self._see(watch, await self._client.get(api_version, kind, namespace, name))
            except NotFound:
                self._see(watch, None)

    def drop(self, key: Key) -> None:
        """The ModelDeployment is gone."""
        self._leave(key, None)

    async def close(self) -> None:
        """End every watch."""
        tasks = [watch.task for watch in self._watches.values() if watch.task is not None]
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _leave(self, key: Key, kept: Route | None) -> None:
        for route, watch in list(self._watches.items()):
            if route != kept and key in watch.keys:
                watch.keys.discard(key)
                if not watch.keys:
                    del self._watches[route]
                    if watch.task is not None:
                        watch.task.cancel()

    def _see(self, watch: _Watch, manifest: Manifest | None) -> None:
        old = watch.manifest
        if manifest is not None and old is not None and old["metadata"]["uid"] == manifest["metadata"]["uid"]:
            if resource_version(manifest) <= resource_version(old):
                return
        elif manifest is None and old is None:
            return
        if manifest is not None:
            # Never needed, and half of an object's size.
            manifest["metadata"].pop("managedFields", None)
        watch.manifest = manifest
        for key in watch.keys:
            self._enqueue(key)

    async def _follow(self, route: Route, watch: _Watch) -> None:
        delay = RETRY_SECONDS[0]
        while True:
            try:
                await self._list_and_watch(route, watch)
                delay = RETRY_SECONDS[0]
            except NotFound:
                # Routes of this kind are not served here.
                self._see(watch, None)
                watch.trouble = None
            except ApiError as error:
                if not watch.tried.is_set() or watch.trouble is not None:
                    watch.trouble = error
                if error.status != 410:
                    logger.warning("watching %s %s/%s failed: %s", route.kind, route.namespace, route.name, error)
            except Exception:
                logger.exception(
                    "watching %s %s/%s failed in an unexpected way", route.kind, route.namespace, route.name
                )
            watch.tried.set()
            await asyncio.sleep(delay)
            delay = min(2 * delay, RETRY_SECONDS[1])

    async def _list_and_watch(self, route: Route, watch: _Watch) -> None:
        only = {"metadata.name": route.name}
        found, version = await self._client.list_at(ROUTES, route.kind, route.namespace, fields=only)
        self._see(watch, found[0] if found else None)
        watch.trouble = None
        watch.tried.set()
        while True:
            # The server ends a watch after some minutes: the next one goes on from where it was.
            async with contextlib.aclosing(
                self._client.watch(ROUTES, route.kind, route.namespace, version, fields=only)
            ) as events:
                async for what, manifest in events:
                    version = manifest["metadata"]["resourceVersion"]
                    if what == "DELETED":
                        self._see(watch, None)
                    elif what != "BOOKMARK":
                        self._see(watch, _complete(route, manifest))


def _complete(route: Route, manifest: Manifest) -> Manifest:
    return {"apiVersion": ROUTES, "kind": route.kind, **manifest}


def _adopted_by(key: Key, spec: ModelDeploymentSpec) -> Route | None:
    gateway = spec.traffic.gateway_api
    if gateway is None or gateway.adopt is None:
        return None
    return Route(str(gateway.kind), key[0], gateway.adopt.name)
