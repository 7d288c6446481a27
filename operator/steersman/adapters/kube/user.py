"""What the command line does on the user's own credentials: read, watch and annotate ModelDeployments."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Final

from steersman.adapters.kube import login
from steersman.adapters.kube.client import AioKubeClient, Manifests
from steersman.adapters.kube.rest import ApiServer
from steersman.api.meta import API_VERSION
from steersman.ports import ApiError, Manifest, NotFound

KIND: Final = "ModelDeployment"
FIELD_MANAGER: Final = "steersman-cli"
"""Owner of the annotations that the command line sets; the operator's own manager is another."""
RECONNECT_DELAYS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts to take a lost watch up again; the last one repeats."""


async def connect_user(context: str | None = None, namespace: str | None = None) -> UserClient:
    """Log in with the kubeconfig; namespace default: the context's. Raises ApiError(0) with a message for the user."""
    configuration, default_namespace = await login.kubeconfig(context)
    server = ApiServer(configuration, user_agent="steersman-cli")
    return UserClient(AioKubeClient(server), namespace or default_namespace)


class UserClient:
    """ModelDeployments of one namespace (or all) as the user may see them. `async with` closes it.

    Every method raises NotFound or ApiError with a message that can be shown as it is.
    """

    def __init__(self, client: AioKubeClient, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    async def __aenter__(self) -> UserClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, name: str) -> Manifest:
        """One ModelDeployment."""
        with self._explained(name):
            return await self._client.get(API_VERSION, KIND, self.namespace, name)

    async def list(self, all_namespaces: bool = False) -> Manifests:
        """The namespace's ModelDeployments, or all, sorted by namespace and name."""
        with self._explained(None):
            items = await self._client.list(API_VERSION, KIND, None if all_namespaces else self.namespace)
        return sorted(items, key=_identity)

    async def watch(
        self, name: str | None = None, all_namespaces: bool = False
    ) -> AsyncGenerator[tuple[str, Manifest]]:
        """Yield (ADDED, MODIFIED or DELETED, object): first what is there, then each change, without end.

        A watch that the server ends or that is lost is taken up again, with a new list when the server no longer
        has the changes in between. Raises when the first list fails, or when the server refuses later on.
        """
        namespace = None if all_namespaces else self.namespace
        fields = {"metadata.name": name} if name else None
        known: dict[tuple[str, str], Manifest] = {}
        version = ""
        listed = False
        failures = 0
        while True:
            try:
                with self._explained(name):
                    if not version:
                        items, version = await self._client.list_at(API_VERSION, KIND, namespace, fields=fields)
                        listed = True
                        for change in _changes(known, items):
                            yield change
                    async with contextlib.aclosing(
                        self._client.watch(API_VERSION, KIND, namespace, version, fields)
                    ) as events:
                        async for event, item in events:
                            failures = 0
                            version = item["metadata"]["resourceVersion"]
                            if event == "BOOKMARK":
                                continue
                            if event == "DELETED":
                                known.pop(_identity(item), None)
                            else:
                                known[_identity(item)] = item
                            yield event, item
            except ApiError as error:
                if error.status == 410:
                    version = ""
                elif not listed or not _passing(error):
                    raise
                failures += 1
            await asyncio.sleep(RECONNECT_DELAYS[min(failures, len(RECONNECT_DELAYS) - 1)])

    async def annotate(self, name: str, annotations: Mapping[str, str | None]) -> Manifest:
        """Set annotations; None removes one."""
        patch = {"metadata": {"annotations": dict(annotations)}}
        with self._explained(name):
            return await self._client.merge_patch(API_VERSION, KIND, self.namespace, name, patch, FIELD_MANAGER)

    async def registry(self, name: str) -> Manifest:
        """A ModelRegistry of the namespace."""
        return await self._client.get(API_VERSION, "ModelRegistry", self.namespace, name)

    async def events(self, name: str) -> Manifests:
        """The core/v1 events of a ModelDeployment, oldest first."""
        fields = {"involvedObject.kind": KIND, "involvedObject.name": name}
        with self._explained(name):
            found = await self._client.list("v1", "Event", self.namespace, fields=fields)
        return sorted(found, key=_last_seen)

    @contextlib.contextmanager
    def _explained(self, name: str | None) -> Iterator[None]:
        """Say what a bare 404 means."""
        try:
            yield
        except NotFound as error:
            if "does not serve" in str(error) or name is None:
                raise NotFound(f"{error}; is Steersman installed in this cluster?") from error
            raise NotFound(f"no ModelDeployment {name!r} in namespace {self.namespace!r}") from error


def _changes(known: dict[tuple[str, str], Manifest], items: Manifests) -> list[tuple[str, Manifest]]:
    """The difference between what was known and a list; `known` is brought up to date."""
    present = {_identity(item): item for item in items}
    changes = [("DELETED", known[gone]) for gone in known.keys() - present.keys()]
    for identity, item in sorted(present.items()):
        before = known.get(identity)
        if before is None:
            changes.append(("ADDED", item))
        elif before["metadata"]["uid"] != item["metadata"]["uid"]:
            changes += [("DELETED", before), ("ADDED", item)]
        elif before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            changes.append(("MODIFIED", item))
    known.clear()
    known.update(present)
    return changes


def _identity(item: Manifest) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _passing(error: ApiError) -> bool:
    """Whether trying again later may help: no answer, too many requests, a server error."""
    return error.status == 0 or error.status == 429 or error.status >= 500


def _last_seen(event: Manifest) -> str:
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp", "")
    )
