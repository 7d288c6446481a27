"""A Gateway without a proxy: it accepts routes, and remembers every split that it was given."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from simulation.connection import Api, Follower, Key
from steersman.ports import ApiError, Conflict, Manifest, NotFound

CONTROLLER = "steersman.dev/simulation"


@dataclass(frozen=True)
class Sight:
    """A split as the Gateway saw it."""

    at: float
    """Seconds since the epoch, when the watch said so."""
    namespace: str
    route: str
    weights: Mapping[str, int]
    """Weight of each Service in the route's last rule, which header routes come before."""


class Gateway(Follower):
    """Accepts every route for all its parents: Accepted and ResolvedRefs are True for the generation that it saw."""

    api_version = "gateway.networking.k8s.io/v1"
    kind = "HTTPRoute"
    plural = "httproutes"

    def __init__(self, api: Api, *, namespace: str | None = None, delay: float = 0.0) -> None:
        """`delay` is how long it takes to accept a route, in seconds; it may be changed at any time."""
        super().__init__(api, namespace)
        self.delay = delay
        self.sights: list[Sight] = []
        """Every split of every route in the order seen; repeats left out."""
        self.deaf: set[str] = set()
        """Routes (patterns) that are not answered for."""
        self.refused: set[str] = set()
        """Routes (patterns) that are refused: Accepted is False."""
        self.listeners: list[Callable[[Sight], None]] = []
        self._split: dict[Key, Mapping[str, int]] = {}
        self._changed: dict[Key, asyncio.Event] = defaultdict(asyncio.Event)
        self._answering: set[Key] = set()

    def weights(self, namespace: str, route: str) -> Mapping[str, int]:
        """The split that a route carries now; empty when there is none."""
        return self._split.get((namespace, route), {})

    async def until(self, namespace: str, route: str, holds: Callable[[Mapping[str, int]], bool]) -> Sight:
        """Wait until a route's split is such."""
        key = namespace, route
        while not holds(self.weights(*key)):
            self._changed[key].clear()
            await self._changed[key].wait()
        return next(s for s in reversed(self.sights) if (s.namespace, s.route) == key)

    def reconsider(self) -> None:
        """Answer for every route again, after `deaf` or `refused` changed."""
        for key in self._latest:
            self._answer(key)

    def seen(self, what: str, manifest: Manifest) -> None:
        key = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        if what == "DELETED":
            self._latest.pop(key, None)
            self._split.pop(key, None)
            self._changed[key].set()
            return
        self._latest[key] = manifest
        split = _split(manifest)
        if split != self._split.get(key):
            self._split[key] = split
            sight = Sight(time.time(), *key, split)
            self.sights.append(sight)
            self._changed[key].set()
            for listener in self.listeners:
                listener(sight)
        self._answer(key)

    def _answer(self, key: Key) -> None:
        if key not in self._answering and self._next(key) is not None:
            self._answering.add(key)
            self.spawn(self._work_on(key), f"accept {key[1]}")

    async def _work_on(self, key: Key) -> None:
        try:
            while self._next(key) is not None:
                if self.delay:
                    await asyncio.sleep(self.delay)
                parents = self._next(key)
                if parents is None:
                    return
                try:
                    written = await self.api.patch_status(self.plural, self._latest[key], {"parents": parents})
                except NotFound:
                    self._latest.pop(key, None)
                    return
                except (ApiError, Conflict):
                    await asyncio.sleep(0.2)
                    continue
                self._keep(key, written)
        finally:
            self._answering.discard(key)

    def _next(self, key: Key) -> list[dict[str, Any]] | None:
        """What is to be answered; None when it has been."""
        route = self._latest.get(key)
        if route is None or any(fnmatchcase(key[1], pattern) for pattern in self.deaf):
            return None
        accepted = not any(fnmatchcase(key[1], pattern) for pattern in self.refused)
        wanted = _answers(route, accepted)
        there = (route.get("status") or {}).get("parents") or []
        return None if _meaning(there) == _meaning(wanted) else wanted


def _split(route: Manifest) -> dict[str, int]:
    rules = route["spec"].get("rules") or [{}]
    return {ref["name"]: ref.get("weight", 1) for ref in rules[-1].get("backendRefs") or []}


def _answers(route: Manifest, accepted: bool) -> list[dict[str, Any]]:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def condition(kind: str, holds: bool, reason: str) -> dict[str, Any]:
        return {
            "type": kind,
            "status": "True" if holds else "False",
            "reason": reason,
            "message": "",
            "observedGeneration": route["metadata"]["generation"],
            "lastTransitionTime": moment,
        }

    conditions = [
        condition("Accepted", accepted, "Accepted" if accepted else "NotAllowedByListeners"),
        condition("ResolvedRefs", True, "ResolvedRefs"),
    ]
    return [
        {"parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions}
        for parent in route["spec"].get("parentRefs") or []
    ]


def _meaning(parents: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            parent["parentRef"].get("name"),
            parent["parentRef"].get("namespace"),
            parent["parentRef"].get("sectionName"),
            *((c["type"], c["status"], c.get("observedGeneration")) for c in parent.get("conditions") or []),
        )
        for parent in parents
    ]
