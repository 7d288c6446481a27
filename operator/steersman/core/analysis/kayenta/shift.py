"""By how much a sample lies above another: the Hodges-Lehmann estimate and its confidence interval.

J. L. Hodges, E. L. Lehmann, Estimates of location based on rank tests, Annals of Mathematical Statistics 34, 1963: the shift at which the
rank statistic is at its mean. The interval's ends are the shifts at which it is at the normal quantiles. The statistic is a step function
of the shift, whose steps are at the differences of all pairs of values; its roots are found to 1e-4 in the metric's unit, as by R's
wilcox.test and Kayenta.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from steersman.core.analysis.kayenta.ranks import Ranks
from steersman.core.analysis.kayenta.roots import root

PRECISION = 1e-4
"""In the metric's unit: R's uniroot tolerance in wilcox.test, and Kayenta's."""

NOISE = 1e-5
"""Relative size of a difference that two constant samples may have for nothing. Kayenta adds Gaussian noise of this size to such samples,
for constant values have no ranks; here the noise's size is taken for the interval's, so that the same values give the same answer."""


@dataclass(frozen=True)
class Shift:
    """By how much the candidate's values lie above stable's, in the metric's unit."""

    u: float
    """The Mann-Whitney statistic of the candidate."""
    p_value: float
    """Two-sided."""
    estimate: float
    lower: float
    upper: float


def shift(candidate: Sequence[float], stable: Sequence[float], confidence: float) -> Shift:
    """The shift of two samples of finite values. Raises TiedError when the ranks say nothing."""
    ranks = Ranks(candidate, stable)
    least, most = min(candidate) - max(stable), max(candidate) - min(stable)
    if least == most:
        return _constant(ranks, candidate[0], stable[0])
    quantile = NormalDist().inv_cdf((1.0 - confidence) / 2.0)
    at_least, at_most = ranks.z(least), ranks.z(most)

    def crossing(level: float) -> float:
        return root(lambda by: ranks.z(by) - level, least, most, at_least - level, at_most - level, PRECISION)

    def end(level: float) -> float:
        # The statistic falls as the shift grows. With few values it may not reach a quantile at all.
        if at_least - level <= 0.0:
            return least
        return most if at_most - level >= 0.0 else crossing(level)

    return Shift(ranks.u(), p_value(ranks), crossing(0.0), end(-quantile), end(quantile))


def p_value(ranks: Ranks) -> float:
    """The two-sided probability of ranks at least as uneven as these, of equal distributions."""
    return min(1.0, math.erfc(abs(ranks.z()) / math.sqrt(2.0)))


def _constant(ranks: Ranks, candidate: float, stable: float) -> Shift:
    difference = candidate - stable
    noise = NOISE * max(abs(candidate), abs(stable))
    p = p_value(ranks) if difference else 1.0
    return Shift(ranks.u(), p, difference, difference - noise, difference + noise)
