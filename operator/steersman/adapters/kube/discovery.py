"""From a kind to its URL: asked of the API server, so that CRDs may come and go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from steersman.adapters.kube.rest import ApiServer
from steersman.ports import NotFound

MISS_LIFETIME: Final = 5.0
"""Seconds for which a kind that was not served is not asked for again."""


@dataclass(frozen=True)
class Resource:
    """Where the objects of a kind are."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of a collection, an object, or a subresource. Raises ValueError when an object lacks its namespace."""
        root = group_version_path(self.api_version)
        if self.namespaced and namespace:
            root += f"/namespaces/{_segment(namespace)}"
        elif self.namespaced and name is not None:
            raise ValueError(f"{self.kind} {name} is namespaced, but no namespace was given")
        parts = [root, self.plural, *(_segment(part) for part in (name, subresource) if part is not None)]
        return "/".join(parts)


def group_version_path(api_version: str) -> str:
    """/api/v1 for the core group, /apis/<group>/<version> for the others."""
    prefix = "/apis/" if "/" in api_version else "/api/"
    return prefix + quote(api_version)


def _segment(text: str) -> str:
    """One path segment; dots alone would climb out of the collection."""
    if text in ("", ".", ".."):
        raise ValueError(f"not a name: {text!r}")
    return quote(text, safe="")


class Discovery:
    """Kinds and their resources, one request per group and version, remembered for the life of the process.

    The library's dynamic client reads every group at start-up instead, and keeps a missing kind in a file cache.
    """

    def __init__(self, server: ApiServer, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._server = server
        self._clock = clock
        self._resources: dict[tuple[str, str], Resource] = {}
        self._read_at: dict[str, float] = {}

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Where a kind is served. Raises NotFound when it is not, ApiError."""
        found = self._resources.get((api_version, kind))
        if found is None and self._clock() - self._read_at.get(api_version, -MISS_LIFETIME) >= MISS_LIFETIME:
            await self._read(api_version)
            found = self._resources.get((api_version, kind))
        if found is None:
            raise NotFound(f"the API server does not serve {kind} ({api_version})")
        return found

    async def _read(self, api_version: str) -> None:
        try:
            answer = await self._server.request("discover", "APIResourceList", "GET", group_version_path(api_version))
        except NotFound:
            answer = {}
        self._read_at[api_version] = self._clock()
        for entry in answer.get("resources", []):
            if "/" not in entry["name"]:
                resource = Resource(api_version, entry["kind"], entry["name"], entry["namespaced"])
                self._resources[api_version, entry["kind"]] = resource
