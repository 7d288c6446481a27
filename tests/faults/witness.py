"""An independent witness: it watches at the API server itself, past every fault.

All kinds are kept in one etcd, so that their resourceVersions put everything that happened into one order.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

from simulation.connection import Api
from steersman.api.meta import LABEL_DEPLOYMENT
from steersman.ports import Manifest

KINDS = {
    "ModelDeployment": ("steersman.dev/v1alpha1", "modeldeployments"),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "httproutes"),
    "Service": ("v1", "services"),
    "Deployment": ("apps/v1", "deployments"),
    "ControllerRevision": ("apps/v1", "controllerrevisions"),
}
CATCH_UP_SECONDS = 0.3
"""For the watches to tell the last of what was seen to have happened by other means."""


@dataclass(frozen=True, order=True)
class Happening:
    """Something that happened to an object."""

    version: int
    """The resourceVersion, the order of everything."""
    what: str
    """ADDED, MODIFIED or DELETED."""
    manifest: Manifest = field(compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return self.manifest["kind"], self.manifest["metadata"]["name"]


class Witness:
    """`async with` watches everything in all namespaces."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._seen: list[Happening] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._watch(kind), name=f"witness {kind}") for kind in KINDS]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, kind: str) -> None:
        api_version, plural = KINDS[kind]
        async for what, item in self._api.follow(api_version, kind, plural):
            manifest = {"apiVersion": api_version, "kind": kind, **item}
            self._seen.append(Happening(int(item["metadata"]["resourceVersion"]), what, manifest))

    async def story(self, namespace: str, name: str) -> list[Happening]:
        """Everything about one ModelDeployment and what it owns until now, in order."""
        await asyncio.sleep(CATCH_UP_SECONDS)
        for task in self._tasks:
            if task.done():
                task.result()
        return sorted(happening for happening in self._seen if _belongs(happening.manifest, namespace, name))


def _belongs(manifest: Manifest, namespace: str, name: str) -> bool:
    metadata = manifest["metadata"]
    if metadata["namespace"] != namespace:
        return False
    if manifest["kind"] == "ModelDeployment":
        return bool(metadata["name"] == name)
    return (metadata.get("labels") or {}).get(LABEL_DEPLOYMENT) == name
