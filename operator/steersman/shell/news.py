"""A status that only tells of what was seen waits a moment: more often comes soon, and is then told in one write."""

from __future__ import annotations

from typing import Final

from steersman.core.snapshot import Plan
from steersman.shell.queue import Key

PATIENCE: Final = 0.25
"""Seconds; pods and routes follow each other within less, and nobody who reads a status sees the difference."""


class News:
    """Holds back the plans that do nothing but tell, each ModelDeployment's for a limited time."""

    def __init__(self, patience: float = PATIENCE) -> None:
        """`patience` is in seconds."""
        self._patience = patience
        self._since: dict[Key, float] = {}

    def hold(self, key: Key, decided: Plan, now: float) -> float | None:
        """Until when to leave a plan, to plan again then or earlier; None: carry it out now. Seconds since the epoch."""
        if decided.only_tells:
            until = self._since.setdefault(key, now) + self._patience
            if now < until:
                return until
        self._since.pop(key, None)
        return None

    def drop(self, key: Key) -> None:
        """The object is gone."""
        self._since.pop(key, None)
