"""What a soak is asked to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle


class Kind(StrEnum):
    """What a round does to a version."""

    PROMOTION = "promotion"
    """A good version, by canary."""
    ABORT = "abort"
    """A good version, given up by hand in mid-canary."""
    ROLLBACK = "rollback"
    """A version that fails some requests, ended by the analysis."""
    SWITCH = "switch"
    """A good version, by blue-green."""


CANARIES = (Kind.PROMOTION, Kind.ABORT, Kind.ROLLBACK)
"""In this order, again and again."""


@dataclass(frozen=True)
class Settings:
    """How much, how fast, and which chances."""

    rounds: int = 20
    """Promotions, aborts and rollbacks, of each so many."""
    switches: int = 20
    """Blue-green switches."""
    requests: int = 100_000
    """At least; rounds go on until so many have been sent."""
    rate: float = 200.0
    """Requests per second, in equal parts to both ModelDeployments."""
    kill_window: float = 30.0
    """Seconds; within each such window the operator's leader is killed once. 0: never."""
    seed: int = 1
    """Of the instants of the kills."""
    round_timeout: float = 300.0
    """Seconds after which a round that has not reached its end is given up, and the soak with it."""

    def planned(self) -> list[Kind]:
        """The rounds that are asked for."""
        return [*CANARIES] * self.rounds + [Kind.SWITCH] * self.switches

    @staticmethod
    def more() -> Iterator[Kind]:
        """The rounds that follow while requests are missing."""
        return cycle([*CANARIES, Kind.SWITCH])


def fails(version: int) -> bool:
    """Whether this version of the canary's model is one of those that fail: each third, as the rollbacks come.

    Version 1 is there from the start; the rounds release 2 (promotion), 3 (abort), 4 (rollback), 5, ...
    """
    return version > 1 and CANARIES[(version - 2) % len(CANARIES)] is Kind.ROLLBACK
