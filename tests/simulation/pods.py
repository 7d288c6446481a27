"""Pods without a node: what spec.replicas asks for becomes available, at once or after a delay, or never."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from simulation.connection import Api, Follower, Key
from steersman.api.meta import LABEL_MANAGED_BY
from steersman.ports import ApiError, Conflict, Manifest, NotFound


class Pods(Follower):
    """Deployment controller, scheduler and kubelet in one: it writes the Deployments' status and makes no Pod objects.

    As the real ones do it reports in two steps: first that the pods are there, then that they are ready. Not for a control
    plane with controllers, whose Deployment controller counts real pods.
    """

    api_version = "apps/v1"
    kind = "Deployment"
    plural = "deployments"
    labels = {LABEL_MANAGED_BY: "steersman"}

    def __init__(self, api: Api, *, namespace: str | None = None, delay: float = 0.0) -> None:
        """`delay` is how long a pod takes to become ready, in seconds; it may be changed at any time."""
        super().__init__(api, namespace)
        self.delay = delay
        self.writes = 0
        """Status writes so far."""
        self._began: dict[Key, float] = {}
        self._started: dict[Key, float] = {}
        self._limits: dict[str, int] = {}
        self._settling: set[Key] = set()

    def limit(self, revision: str, ready: int = 0) -> None:
        """From now on no more than `ready` pods of a revision (a name, or a pattern such as `fraud-v2-*`) are ready."""
        self._limits[revision] = ready
        self._settle_all()

    def heal(self, revision: str) -> None:
        """Take a limit back."""
        self._limits.pop(revision, None)
        self._settle_all()

    def ready(self, namespace: str, revision: str) -> int:
        """Ready pods of a revision as last seen in its Deployment."""
        return _ready(self._latest.get((namespace, revision), {}))

    def start_seconds(self, namespace: str) -> float:
        """The longest that it took from the sight of a Deployment in the namespace to its first ready pods."""
        return max((seconds for (found, _), seconds in self._started.items() if found == namespace), default=0.0)

    def seen(self, what: str, manifest: Manifest) -> None:
        key = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        if what == "DELETED":
            self._latest.pop(key, None)
        else:
            self._latest[key] = manifest
            self._began.setdefault(key, time.monotonic())
            self._settle(key)

    def _settle_all(self) -> None:
        for key in self._latest:
            self._settle(key)

    def _settle(self, key: Key) -> None:
        if key not in self._settling and self._next(key) is not None:
            self._settling.add(key)
            self.spawn(self._work_on(key), f"pods of {key[1]}")

    async def _work_on(self, key: Key) -> None:
        try:
            while (wanted := self._next(key)) is not None:
                seen = self._latest[key]
                if self.delay and wanted["readyReplicas"] > _ready(seen):
                    await asyncio.sleep(self.delay)
                    if self._next(key) != wanted:
                        continue
                try:
                    written = await self.api.patch_status(self.plural, seen, _complete(wanted))
                except NotFound:
                    self._latest.pop(key, None)
                    return
                except (ApiError, Conflict):
                    await asyncio.sleep(0.2)
                    continue
                self.writes += 1
                self._keep(key, written)
                if wanted["readyReplicas"]:
                    self._started.setdefault(key, time.monotonic() - self._began[key])
        finally:
            self._settling.discard(key)

    def _next(self, key: Key) -> dict[str, int] | None:
        """The counts to report next; None when what is reported is right."""
        manifest = self._latest.get(key)
        if manifest is None:
            return None
        generation, wanted = manifest["metadata"]["generation"], manifest["spec"].get("replicas", 1)
        status = manifest.get("status") or {}
        target = min([wanted, *(n for pattern, n in self._limits.items() if fnmatchcase(key[1], pattern))])
        ready = min(_ready(manifest), target)
        known = status.get("observedGeneration") == generation and status.get("replicas", 0) == wanted
        if known and _ready(manifest) == target:
            return None
        return {
            "observedGeneration": generation,
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": target if known else ready,
        }


def _ready(manifest: Manifest) -> int:
    return int((manifest.get("status") or {}).get("readyReplicas", 0))


def _complete(counts: dict[str, int]) -> dict[str, Any]:
    wanted, ready = counts["replicas"], counts["readyReplicas"]
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def condition(kind: str, holds: bool, reason: str) -> dict[str, str]:
        return {
            "type": kind,
            "status": "True" if holds else "False",
            "reason": reason,
            "message": reason,
            "lastUpdateTime": moment,
            "lastTransitionTime": moment,
        }

    full = ready >= wanted
    return {
        **counts,
        "availableReplicas": ready,
        "unavailableReplicas": wanted - ready,
        "conditions": [
            condition("Available", full, "MinimumReplicasAvailable" if full else "MinimumReplicasUnavailable"),
            condition("Progressing", True, "NewReplicaSetAvailable" if full else "ReplicaSetUpdated"),
        ],
    }
