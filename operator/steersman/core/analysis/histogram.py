"""Counts of a histogram's buckets, read as values that lie in [0, 1].

An observation counts as the upper bound of its bucket, at most `highest`, divided by `highest`. So values are known exactly, two revisions
with the same distribution have the same mean of them, and one that is slower has a greater one. That holds for equal buckets only.
Therefore two histograms are compared by those bounds that both have: leaving a bound out of cumulative counts only makes buckets wider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from steersman.core.analysis.means import Values
from steersman.core.analysis.model import Sample
from steersman.core.analysis.rows import find_all
from steersman.core.analysis.sequential import BUCKET_LABEL, NoCountsError, Row

MOST: Final = 1e15
"""Greater counts are none: floating-point numbers no longer tell one more from as many."""


@dataclass(frozen=True)
class Histogram:
    """One revision's observations up to each bound, in the histogram's unit. Empty without series."""

    highest: float
    up_to: tuple[tuple[float, float], ...] = ()
    """(bound, observations up to it), both ascending; the last bound is `highest`."""

    def values(self, bounds: Sequence[float]) -> Values:
        """The observations as values, of buckets with these bounds only, which it must have."""
        known, before, items = dict(self.up_to), 0.0, []
        for bound in bounds:
            items.append((max(0.0, bound) / self.highest, known[bound] - before))
            before = known[bound]
        return Values(tuple(item for item in items if item[1] > 0.0))

    @property
    def bounds(self) -> tuple[float, ...]:
        """Of its buckets, ascending."""
        return tuple(bound for bound, _ in self.up_to)


def read(samples: Sequence[Sample], row: Row, highest: float) -> Histogram:
    """A revision's histogram from the counts of its buckets.

    Counts that fall with the bound (pods differ in their buckets) are raised to the one before. Raises NoCountsError for a bucket without a
    bound, a count that is no finite number or above MOST, and when no bucket holds the greatest observations.
    """
    found: dict[float, float] = {}
    for sample in find_all(samples, row.labels):
        bound = min(_bound(sample.labels.get(BUCKET_LABEL, ""), row), highest)
        if not math.isfinite(sample.value) or sample.value > MOST:
            raise NoCountsError(f"a bucket's count of {row.revision} is {sample.value}")
        found[bound] = max(found.get(bound, 0.0), sample.value)
    if found and highest not in found:
        raise NoCountsError(f'no data: the histogram of {row.revision} has no bucket le="+Inf"')
    up_to, before = [], 0.0
    for bound in sorted(found):
        before = max(before, found[bound])
        up_to.append((bound, before))
    return Histogram(highest, tuple(up_to))


def _bound(text: str, row: Row) -> float:
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise NoCountsError(f"a bucket of {row.revision} has {text!r} as its upper bound ({BUCKET_LABEL})")
    return bound


def pair(one: Histogram, other: Histogram) -> tuple[Values, Values]:
    """The observations of both by the bounds that they have in common; no values of one without series.

    Raises NoCountsError when they have none below `highest` in common, for then all observations are equal.
    """
    shared = [bound for bound in one.bounds or other.bounds if not other.up_to or bound in set(other.bounds)]
    if shared and len(shared) < 2:
        raise NoCountsError("no data: the buckets of both revisions have no bound below `highest` in common")
    return (one.values(shared) if one.up_to else Values(), other.values(shared) if other.up_to else Values())
