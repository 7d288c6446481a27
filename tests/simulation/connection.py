"""The kit's own way to the API server, and one watch of a kind that never ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from steersman.adapters.kube.client import WATCH_SECONDS, AioKubeClient
from steersman.adapters.kube.discovery import group_version_path
from steersman.adapters.kube.rest import MERGE_PATCH, ApiServer
from steersman.ports import ApiError, Conflict, Manifest, NotFound

logger = logging.getLogger(__name__)

Key = tuple[str, str]
"""(namespace, name)"""

USER_AGENT: Final = "steersman-simulation"
RETRY_SECONDS: Final = 0.5
"""Between two tries to list or watch."""


class Api:
    """The API server as the kit sees it. `async with` closes it.

    `client` is the operator's own client class under another user agent.
    """

    def __init__(self, configuration: Configuration, user_agent: str = USER_AGENT) -> None:
        self._server = ApiServer(configuration, user_agent=user_agent, request_timeout=60.0)
        self.client = AioKubeClient(self._server)

    @classmethod
    async def connect(cls, kubeconfig: Path, user_agent: str = USER_AGENT) -> Api:
        """Log in by a kubeconfig."""
        # The library's default configuration is process-global: not for two API servers at once.
        configuration: Configuration = type.__call__(Configuration)
        configuration.disable_strict_ssl_verification = True
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=str(kubeconfig), client_configuration=configuration
        )
        return cls(configuration, user_agent)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def patch_status(self, plural: str, manifest: Manifest, status: Mapping[str, Any]) -> Manifest:
        """Merge into an object's status. Raises NotFound, Conflict, ApiError."""
        metadata = manifest["metadata"]
        root = f"{group_version_path(manifest['apiVersion'])}/namespaces/{metadata['namespace']}"
        return await self._server.request(
            "patch",
            manifest["kind"],
            "PATCH",
            f"{root}/{plural}/{metadata['name']}/status",
            query={"fieldManager": USER_AGENT},
            body={"status": dict(status)},
            content_type=MERGE_PATCH,
        )

    async def follow(
        self,
        api_version: str,
        kind: str,
        plural: str,
        *,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """Everything that happens to a kind, from what is there now: (ADDED, MODIFIED or DELETED, object), without end.

        A watch that ends goes on where it was; what cannot go on is listed again (then a deletion may be missed). A kind
        that is not served yet is waited for.
        """
        while True:
            try:
                items, version = await self.client.list_at(api_version, kind, namespace, labels)
                for item in items:
                    yield "ADDED", item
                while version:
                    latest = version
                    async with contextlib.aclosing(
                        self._watch(api_version, kind, plural, namespace, labels, version)
                    ) as events:
                        async for what, item in events:
                            latest = item["metadata"]["resourceVersion"]
                            if what != "BOOKMARK":
                                yield what, item
                    version = latest
            except (ApiError, Conflict, NotFound) as error:
                logger.debug("watching %s begins anew: %s", kind, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _watch(
        self,
        api_version: str,
        kind: str,
        plural: str,
        namespace: str | None,
        labels: Mapping[str, str] | None,
        version: str,
    ) -> AsyncGenerator[tuple[str, Manifest]]:
        scope = f"/namespaces/{namespace}" if namespace else ""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        if labels:
            query["labelSelector"] = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        path = f"{group_version_path(api_version)}{scope}/{plural}"
        async with contextlib.aclosing(
            self._server.stream("watch", kind, path, query=query, idle_timeout=WATCH_SECONDS + 30)
        ) as events:
            async for event in events:
                if event["type"] == "ERROR":
                    raise ApiError(int(event["object"].get("code", 0)), str(event["object"].get("message", "")))
                yield event["type"], event["object"]


class Follower:
    """Base of the kit's controllers: a task that hears of every change of one kind. `async with` runs it."""

    api_version: str
    kind: str
    plural: str
    labels: Mapping[str, str] | None = None

    def __init__(self, api: Api, namespace: str | None = None) -> None:
        """Only in `namespace`, when one is given."""
        self.api = api
        self.namespace = namespace
        self._work: set[asyncio.Task[None]] = set()
        self._latest: dict[Key, Manifest] = {}

    async def __aenter__(self) -> Self:
        self.spawn(self._run(), f"follow {self.plural}")
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        """Run something until it is done or the controller ends."""
        task = asyncio.create_task(work, name=name)
        self._work.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s ended", task.get_name(), exc_info=task.exception())

    async def _run(self) -> None:
        async for what, manifest in self.api.follow(
            self.api_version, self.kind, self.plural, namespace=self.namespace, labels=self.labels
        ):
            self.seen(what, {"apiVersion": self.api_version, "kind": self.kind, **manifest})

    def _keep(self, key: Key, written: Manifest) -> None:
        """Take over the answer to a write, unless the watch has shown something newer or the end of the object."""
        seen = self._latest.get(key)
        if seen is not None and seen["metadata"]["generation"] <= written["metadata"]["generation"]:
            self._latest[key] = {"apiVersion": self.api_version, "kind": self.kind, **written}

    def seen(self, what: str, manifest: Manifest) -> None:
        """An object is there (ADDED), changed (MODIFIED) or is gone (DELETED)."""
        raise NotImplementedError
