"""One target's lane: what waits for it, and when it may have it. A token bucket; what it has no token for is told together."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from steersman.api.notifications import NotificationRate
from steersman.core.notifications.note import Note

LENGTH: Final = 100
"""Most notes that wait; more are only counted."""
REPEAT_SECONDS: Final = 600.0
"""What was told less than this time ago is not told again, but counted for the next time."""
REMEMBERED: Final = 256
"""Most told notes that are remembered for that."""


@dataclass(frozen=True)
class Batch:
    """What goes into one message."""

    notes: tuple[Note, ...]
    counted: tuple[Note, ...] = ()
    """Notes beside these that are only counted."""


@dataclass
class _Told:
    at: float
    repeats: int = 0


class Lane:
    """Mutable, without a clock: every moment is given, in seconds."""

    def __init__(self, rate: NotificationRate) -> None:
        self.rate = rate
        self._waiting: list[Note] = []
        self._counted: list[Note] = []
        self._tokens: float | None = None
        self._since = 0.0
        self._told: OrderedDict[tuple[str, ...], _Told] = OrderedDict()

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def is_idle(self, now: float) -> bool:
        """Whether it can be forgotten: nothing waits, and a new lane would allow no more."""
        recent = any(now - told.at < REPEAT_SECONDS for told in self._told.values())
        return self.empty and not recent and self._available(now) >= self.rate.burst

    def offer(self, note: Note, now: float) -> bool:
        """Have it told; False when it was told just now, so that there is nothing to do."""
        told = self._told.get(note.same)
        if told is not None and now - told.at < REPEAT_SECONDS:
            told.repeats += note.times
            return False
        if told is not None:
            note = replace(note, times=note.times + told.repeats)
            del self._told[note.same]
        same = next((place for place, each in enumerate(self._waiting) if each.same == note.same), None)
        if same is not None:
            earlier = self._waiting[same]
            self._waiting[same] = replace(earlier, ids=earlier.ids + note.ids, times=earlier.times + note.times)
        elif len(self._waiting) < LENGTH:
            self._waiting.append(note)
        else:
            self._counted.append(note)
        return True

    def ready_at(self, now: float) -> float | None:
        """When something may be sent; None when nothing waits."""
        if self.empty:
            return None
        missing = 1.0 - self._available(now)
        return now if missing <= 0 else now + missing * self.rate.interval

    def take(self, now: float) -> Batch | None:
        """What may be sent now, at the price of a token: one note while more tokens are there, with the last one all that waits."""
        if self.empty or self._available(now) < 1.0:
            return None
        self._spend(now)
        if self._available(now) >= 1.0 and not self._counted:
            note, self._waiting = self._waiting[0], self._waiting[1:]
            return Batch((note,))
        batch = Batch(tuple(self._waiting), tuple(self._counted))
        self._waiting, self._counted = [], []
        return batch

    def put_back(self, batch: Batch) -> None:
        """It could not be sent: it comes first the next time. The token is spent, for the target was asked."""
        self._waiting = [*batch.notes, *self._waiting]
        self._counted = [*batch.counted, *self._counted]

    def told(self, batch: Batch, now: float) -> None:
        """It was sent."""
        for note in batch.notes:
            self._told[note.same] = _Told(now)
            self._told.move_to_end(note.same)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _available(self, now: float) -> float:
        if self._tokens is None:
            return float(self.rate.burst)
        return min(float(self.rate.burst), self._tokens + max(now - self._since, 0.0) / self.rate.interval)

    def _spend(self, now: float) -> None:
        self._tokens = self._available(now) - 1.0
        self._since = now
