"""The Mann-Whitney statistic of two samples, one of them shifted.

H. B. Mann, D. R. Whitney, On a test of whether one of two random variables is stochastically larger than the other, Annals of
Mathematical Statistics 18, 1947. Normal approximation with the variance corrected for ties, and a continuity correction of 1/2 towards
the mean, as in R's wilcox.test(correct = TRUE).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate


class TiedError(ArithmeticError):
    """All values are equal, so that their ranks say nothing."""


class Ranks:
    """The ranks of a sample among those of another, for any shift between them."""

    def __init__(self, candidate: Sequence[float], stable: Sequence[float]) -> None:
        """Both must hold finite values only, and at least one."""
        self._here = sorted(Counter(candidate).items())
        there = sorted(Counter(stable).items())
        self._values = [value for value, _ in there]
        self._counts = [count for _, count in there]
        self._below = [0, *accumulate(self._counts)]
        self._ties = sum(_tied(count) for count in self._counts)
        self._m, self._n = len(candidate), len(stable)

    def u(self, shift: float = 0.0) -> float:
        """Pairs in which the candidate's value, less the shift, is the greater; equal ones count half."""
        return self._pairs(shift)[0]

    def z(self, shift: float = 0.0) -> float:
        """The standardised statistic. Raises TiedError when all values are equal."""
        m, n = self._m, self._n
        pairs, ties = self._pairs(shift)
        above = pairs - m * n / 2
        correction = math.copysign(0.5, above) if above else 0.0
        variance = (m * n / 12) * ((m + n + 1) - ties / ((m + n) * (m + n - 1)))
        if variance <= 0.0:
            raise TiedError("all values are equal")
        return (above - correction) / math.sqrt(variance)

    def _pairs(self, shift: float) -> tuple[float, int]:
        """The statistic, and the sum of t^3 - t over the groups of t tied values of both samples."""
        values, counts, below = self._values, self._counts, self._below
        size = len(values)
        pairs, ties = 0.0, self._ties
        earlier, group = math.nan, 0
        for value, count in self._here:
            shifted = value - shift
            place = bisect_left(values, shifted)
            beside = counts[place] if place < size and values[place] == shifted else 0
            pairs += count * (below[place] + 0.5 * beside)
            # Values that differ may be equal after the subtraction's rounding.
            group = group + count if shifted == earlier else beside + count
            ties += _tied(group) - _tied(group - count)
            earlier = shifted
        return pairs, ties


def _tied(count: int) -> int:
    return count * count * count - count
