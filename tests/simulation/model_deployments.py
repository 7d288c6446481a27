"""What users see of their ModelDeployments, by one watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from simulation.connection import Api, Follower, Key
from steersman.api.meta import API_VERSION
from steersman.ports import Manifest

Status = dict[str, Any]


class ModelDeployments(Follower):
    """The latest status of each, and when it became such."""

    api_version = API_VERSION
    kind = "ModelDeployment"
    plural = "modeldeployments"

    def __init__(self, api: Api, *, namespace: str | None = None) -> None:
        super().__init__(api, namespace)
        self.listeners: list[Callable[[Manifest], None]] = []
        """Called with the manifest at each change."""
        self._changed = asyncio.Event()

    def status(self, namespace: str, name: str) -> Status:
        """The latest status; empty when there is none."""
        return dict(self._latest.get((namespace, name), {}).get("status") or {})

    def seen(self, what: str, manifest: Manifest) -> None:
        key = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        if what == "DELETED":
            self._latest.pop(key, None)
        else:
            self._latest[key] = manifest
        self._changed.set()
        for listener in self.listeners:
            listener(manifest)

    async def until(self, keys: Iterable[Key], holds: Callable[[Status], bool], within: float) -> dict[Key, float]:
        """Wait until the status of each was such once; returns when that was seen (seconds since the epoch).

        TimeoutError after `within` seconds, naming one that was not.
        """
        waiting, met = set(keys), dict[Key, float]()
        try:
            async with asyncio.timeout(within):
                while True:
                    self._changed.clear()
                    for key in [key for key in waiting if holds(self.status(*key))]:
                        met[key] = time.time()
                        waiting.discard(key)
                    if not waiting:
                        return met
                    await self._changed.wait()
        except TimeoutError:
            example = min(waiting)
            status = self.status(*example)
            said = f"{len(waiting)} ModelDeployments wait; {'/'.join(example)} is {status.get('phase')}"
            raise TimeoutError(f"{said}: {status.get('message')}") from None


def healthy(version: str) -> Callable[[Status], bool]:
    """That a version is stable and nothing is under way."""
    return lambda status: status.get("phase") == "Healthy" and status.get("stable", {}).get("version") == version


def at_rest(status: Status) -> bool:
    """That nothing is under way, and no old revision is left."""
    return status.get("phase") in ("Healthy", "Degraded") and not status.get("retiring")
