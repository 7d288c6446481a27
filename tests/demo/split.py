"""Compares the split that clients measured with the weights that the route carried meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from demo.observe import RouteObservation
from demo.records import Record

SETTLE_SECONDS = 1.0
"""Left out after a route was accepted: until then requests may still be split by the old weights."""
MARGIN_SECONDS = 2.0
"""Left out before the next change: on a busy machine the watch may tell of it later than the gateway acts on it."""
TOLERANCE_POINTS = 3.0
"""How far the measured share may be from the weight, in percentage points."""
NOISE_SIGMAS = 3.5
"""A random split leaves this many standard deviations once in 2,000 plateaus. A plateau so short that this is more than
the tolerance is held to this instead, since the tolerance would fail a perfect gateway."""


@dataclass(frozen=True)
class Plateau:
    """A time in which the weights stood still, as the gateway's controller had accepted them."""

    start: float
    end: float
    weights: dict[str, int]
    """Percent by model version."""


def plateaus(routes: Iterable[RouteObservation], begin: float, end: float) -> list[Plateau]:
    """The plateaus between the route's changes within [begin, end]. Those shorter than the margins are left out."""
    found: list[Plateau] = []
    weights: dict[str, int] = {}
    accepted_at: float | None = None

    def close(at: float) -> None:
        if accepted_at is None:
            return
        plateau = Plateau(max(accepted_at + SETTLE_SECONDS, begin), at - MARGIN_SECONDS, weights)
        if plateau.start < plateau.end and weights:
            found.append(plateau)

    for route in routes:
        if route.weights != weights:
            close(route.at)
            weights, accepted_at = route.weights, None
        if route.accepted and accepted_at is None:
            accepted_at = route.at
    close(end)
    return found


@dataclass(frozen=True)
class Split:
    """What clients measured in one plateau, or in several of equal weight together."""

    weight: int
    """Percent that the route gave to the measured version."""
    version: str
    """The newest version that had traffic; empty for several plateaus together."""
    requests: int
    """Answers that said which version gave them."""
    answered: int
    """Those of the measured version."""
    unknown: int
    """Requests without such an answer."""
    start: float
    end: float

    @property
    def share(self) -> float:
        """Percent of the requests that the measured version answered."""
        return 100 * self.answered / self.requests if self.requests else float("nan")

    @property
    def difference(self) -> float:
        """Share less weight, in points."""
        return self.share - self.weight

    @property
    def sigma(self) -> float:
        """Standard deviation in points that a fair random choice for each request would have."""
        fraction = self.weight / 100
        return 100 * sqrt(fraction * (1 - fraction) / self.requests) if self.requests else float("inf")

    @property
    def limit(self) -> float:
        """How far the share may be from the weight, in points."""
        return max(TOLERANCE_POINTS, NOISE_SIGMAS * self.sigma) if 0 < self.weight < 100 else TOLERANCE_POINTS

    @property
    def within(self) -> bool:
        """The share is as near to the weight as it can be asked to be; never so without requests."""
        return self.requests > 0 and abs(self.difference) <= self.limit


def measure(plateau: Plateau, records: Iterable[Record]) -> Split:
    """Count the answers to requests that were due in a plateau."""
    version = max(plateau.weights, key=_order)
    counts = Counter(record.version for record in records if plateau.start <= record.at < plateau.end)
    unknown = counts.pop("", 0)
    return Split(
        plateau.weights[version], version, counts.total(), counts[version], unknown, plateau.start, plateau.end
    )


def pooled(splits: Sequence[Split]) -> list[Split]:
    """The plateaus of equal weight together, over all rollouts."""
    groups: dict[int, list[Split]] = {}
    for split in splits:
        groups.setdefault(split.weight, []).append(split)
    return [
        Split(
            weight,
            "",
            sum(split.requests for split in group),
            sum(split.answered for split in group),
            sum(split.unknown for split in group),
            min(split.start for split in group),
            max(split.end for split in group),
        )
        for weight, group in sorted(groups.items())
    ]


def _order(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (-1, version)
