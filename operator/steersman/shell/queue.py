"""The workqueue: one reconcile per object at a time, repeats merged, failures backed off, later looks scheduled."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

Key = tuple[str, str]
"""(namespace, name) of a ModelDeployment."""

FIRST_BACKOFF = 0.2
MOMENT = 0.03
"""Seconds within which the statuses of a ModelDeployment's objects are looked at together."""
LAST_BACKOFF = 15.0
"""Seconds; longer would be felt as a late rollback once the trouble is over."""


class WorkQueue:
    """As client-go's: a key that is added while it is worked on is handed out again afterwards, never twice at once.

    `clock` gives seconds and must be the event loop's.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._waiting: deque[Key] = deque()
        self._added_at: dict[Key, float] = {}
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._soon: dict[Key, asyncio.TimerHandle] = {}
        self._wakeup = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest_age(self) -> float:
        """Seconds that the longest waiting key has waited; 0 when none waits."""
        return self._clock() - self._added_at[self._waiting[0]] if self._waiting else 0.0

    def add(self, key: Key) -> None:
        """Have the key reconciled soon."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._added_at:
            self._added_at[key] = self._clock()
            self._waiting.append(key)
            self._wakeup.set()

    def add_soon(self, key: Key) -> None:
        """Have the key reconciled in a moment, together with what else happens to it until then."""
        if key not in self._soon and key not in self._added_at:
            self._soon[key] = asyncio.get_running_loop().call_later(MOMENT, self._come, key)

    def _come(self, key: Key) -> None:
        self._soon.pop(key, None)
        self.add(key)

    def schedule(self, key: Key, delay: float | None) -> None:
        """Have the key reconciled after a delay in seconds, instead of any time scheduled before; None cancels."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if delay is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(max(0.0, delay), self._fire, key)

    def _fire(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def get(self) -> Key:
        """The next key; it belongs to the caller until done() or failed()."""
        while not self._waiting:
            self._wakeup.clear()
            await self._wakeup.wait()
        key = self._waiting.popleft()
        del self._added_at[key]
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """The key was reconciled."""
        self._failures.pop(key, None)
        self._release(key)

    def failed(self, key: Key) -> float:
        """The key could not be reconciled: try again after a growing, jittered delay, which is returned (seconds).

        It grows only while nothing changes. What changed meanwhile, perhaps by the work that then failed, is worked on at once.
        """
        count = 0 if key in self._again else self._failures.get(key, 0)
        self._failures[key] = count + 1
        delay: float = min(LAST_BACKOFF, FIRST_BACKOFF * 2.0**count) * random.uniform(0.75, 1.25)  # noqa: S311
        self._release(key)
        self.schedule(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._failures.pop(key, None)
        self.schedule(key, None)

    def _release(self, key: Key) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Cancel every scheduled look."""
        for timer in (*self._timers.values(), *self._soon.values()):
            timer.cancel()
        self._timers.clear()
        self._soon.clear()
