"""The limit of rollouts that are under way at the same time, and who begins next.

First revisions do not count: they have no stable beside them, and nothing is gained by letting a service wait for its first pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from steersman.api.conditions import Condition, ConditionType, Reason
from steersman.api.status import ModelDeploymentStatus
from steersman.core.snapshot import Problem
from steersman.ports import Manifest
from steersman.shell.queue import Key
from steersman.shell.store import Store

CLAIM_SECONDS = 15.0
"""Somebody who waits and does not begin although there is room loses the turn after so long."""
LOOK_SECONDS = 60.0
"""How often those who wait ask, apart from being woken."""


class RolloutSlots:
    """Counts rollouts under way. A limit of 0 is none.

    `problem` and `planned` belong together: nothing may be awaited between them, so that two ModelDeployments never take
    the same slot.
    """

    def __init__(
        self, store: Store, enqueue: Callable[[Key], None], limit: int = 0, limit_per_namespace: int = 0
    ) -> None:
        """`enqueue` has a ModelDeployment reconciled soon."""
        self._store = store
        self._enqueue = enqueue
        self._limit = limit
        self._limit_per_namespace = limit_per_namespace
        self._under_way: set[Key] = set()
        self._reserved: set[Key] = set()
        """Whose rollout was decided on and is not seen in its status yet."""
        self._waiting: dict[Key, float] = {}
        """Since when, seconds since the epoch."""
        self._offered: dict[Key, float] = {}
        """When somebody who waits was found to be next."""
        if limit or limit_per_namespace:
            store.listen(self._seen)

    def problem(self, key: Key, now: float) -> Problem | None:
        """Why this ModelDeployment may begin no rollout now; `now` in seconds since the epoch."""
        if key in self._under_way or key in self._reserved:
            return None
        taken = self._under_way | self._reserved
        full = self._full(key, taken)
        if full is not None:
            return full
        for other in self._in_turn():
            if other == key:
                break
            if self._full(other, taken) is not None:
                self._offered.pop(other, None)
            elif now < self._offered.setdefault(other, now) + CLAIM_SECONDS:
                # What is free is first for those who have waited longer.
                taken = taken | {other}
        return self._full(key, taken)

    def planned(self, key: Key, status: ModelDeploymentStatus) -> None:
        """Hear what was decided, before it is written."""
        if not (self._limit or self._limit_per_namespace):
            return
        if status.rollout is not None and status.stable is not None:
            self._waiting.pop(key, None)
            self._offered.pop(key, None)
            if key not in self._under_way:
                self._reserved.add(key)
            return
        self._reserved.discard(key)
        since = _waiting_since(status.conditions)
        if since is None:
            self._stop_waiting(key)
        else:
            self._waiting.setdefault(key, since)

    def next_look(self, key: Key, now: float) -> float | None:
        """When somebody who waits should ask again, in case that whoever is before it does not go."""
        return now + LOOK_SECONDS if key in self._waiting else None

    def drop(self, key: Key) -> None:
        """Forget a ModelDeployment that is gone."""
        self._under_way.discard(key)
        self._reserved.discard(key)
        self._stop_waiting(key)
        self._offer()

    def _seen(self, manifest: Manifest) -> None:
        if manifest["kind"] != "ModelDeployment":
            return
        key: Key = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        there = self._store.get("ModelDeployment", *key)
        status = (there or {}).get("status") or {}
        if status.get("rollout") and status.get("stable"):
            self._under_way.add(key)
            self._reserved.discard(key)
            self._waiting.pop(key, None)
            return
        since = _waiting_since(map(Condition.model_validate, status.get("conditions") or []))
        if since is not None and key not in self._reserved:
            # Of another process, perhaps; of our own it is known.
            self._waiting.setdefault(key, since)
        if key in self._under_way:
            self._under_way.discard(key)
            self._offer()

    def _offer(self) -> None:
        """Wake those for whom there is room, whoever waits longest first."""
        taken = self._under_way | self._reserved
        for key in self._in_turn():
            if self._full(key, taken) is None:
                taken = taken | {key}
                self._enqueue(key)

    def _in_turn(self) -> list[Key]:
        return sorted(self._waiting, key=lambda key: (self._waiting[key], key))

    def _stop_waiting(self, key: Key) -> None:
        self._offered.pop(key, None)
        if self._waiting.pop(key, None) is not None:
            self._offer()

    def _full(self, key: Key, taken: set[Key]) -> Problem | None:
        here = Counter(namespace for namespace, _ in taken)[key[0]]
        if self._limit_per_namespace and here >= self._limit_per_namespace:
            return _reached(here, f" in namespace {key[0]}", self._limit_per_namespace)
        if self._limit and len(taken) >= self._limit:
            return _reached(len(taken), "", self._limit)
        return None


def _waiting_since(conditions: Iterable[Condition]) -> float | None:
    """Since when a rollout waits for its turn, as its status says; seconds since the epoch."""
    for condition in conditions:
        if condition.type == ConditionType.PROGRESSING and condition.reason == Reason.ROLLOUT_LIMIT_REACHED:
            return condition.last_transition_time
    return None


def _reached(count: int, where: str, limit: int) -> Problem:
    rollouts = "rollout is" if count == 1 else "rollouts are"
    return Problem(Reason.ROLLOUT_LIMIT_REACHED, f"{count} {rollouts} under way{where}: limit {limit}")
