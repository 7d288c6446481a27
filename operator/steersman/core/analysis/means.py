"""Evidence that the candidate's mean is greater than stable's, by betting; it may be looked at any time.

Observations x of the candidate and y of stable lie in [0, 1]. With a centre c that is known before the look, n observations of the
candidate and s of stable in it, and stakes u = T/n and v = T/s, the factor of one look is

    product over the candidate's x of (1 + u (x - c))  *  product over stable's y of (1 - v (y - c)).

Its mean is at most 1 when the candidate's mean m is not greater than stable's mean k, whatever both are: observations are independent given
the past, so it is (1 + u (m - c))^n (1 - v (k - c))^s <= exp(n u (m - c) - s v (k - c)) = exp(T (m - k)) <= 1, by 1 + z <= e^z. Factors are
not negative as long as u c <= 1 and v (1 - c) <= 1, so T = b min(n / c, s / (1 - c)) with a bet b below 1. Means may drift from look to
look, together, and from request to request if the averages of a look stay in order.

So products over looks, and their mean over several bets b, are nonnegative supermartingales that start at 1 (e-processes), and exceed
1/alpha with a probability of at most alpha, however often one looks (evidence.py).

Sources: I. Waudby-Smith, A. Ramdas, Estimating means of bounded random variables by betting, Journal of the Royal Statistical Society B 86
(2024), for one sample. S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences,
Annals of Statistics 49 (2021): their empirical Bernstein factor exp(u z - psi(u) z^2), with psi(u) = -log(1 - u) - u and z = x - c >= -1, is
at most 1 + u z, so that the bet is the stronger of the two (X. Fan, I. Grama, Q. Liu, Exponential inequalities for martingales with
applications, Electronic Journal of Probability 20, 2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from steersman.core.analysis import evidence

BETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""The alternatives that are mixed with equal weight: shares of the greatest stake. As many as evidence.ODDS, for Memory keeps either."""
FORGET: Final = 0.5
"""What an earlier look counts in the centre against the next one: load and means drift."""
_HALVINGS: Final = 40
"""Of the interval in which a bound is sought."""
_LEAST: Final = 1e-9
"""The centre stays so far from 0 and 1."""


@dataclass(frozen=True)
class Values:
    """Observations of one revision in a span of time: how often each value occurred. Values lie in [0, 1]."""

    items: tuple[tuple[float, float], ...] = ()
    """(value, how often)."""

    @property
    def number(self) -> float:
        """How many observations."""
        return math.fsum(count for _, count in self.items)

    @property
    def sum(self) -> float:
        """Of all observations."""
        return math.fsum(value * count for value, count in self.items)

    @property
    def mean(self) -> float:
        """0 without observations."""
        return self.sum / self.number if self.number > 0 else 0.0

    @property
    def variance_of_mean(self) -> float:
        """The sample variance over the number: what the mean varies by if observations are independent; 0 with one or none."""
        number, mean = self.number, self.mean
        if number <= 1.0:
            return 0.0
        return math.fsum(count * (value - mean) ** 2 for value, count in self.items) / (number - 1.0) / number


def look(candidate: Values, stable: Values, centre: float, size: float = 1.0) -> list[float]:
    """Logarithms per bet of one look's factor; zeros when a side has no observations. `size` is how many observations count as one."""
    n, s = candidate.number, stable.number
    if n <= 0.0 or s <= 0.0:
        return [0.0] * len(BETS)
    centre = _inside(centre)
    total = _stake(n, s, centre)
    ours = [_log(candidate, bet * total / n, centre) for bet in BETS]
    theirs = [_log(stable, -bet * total / s, centre) for bet in BETS]
    return [(a + b) / size for a, b in zip(ours, theirs, strict=True)]


def look_of_stable(expected: float, stable: Values, centre: float, size: float = 1.0) -> list[float]:
    """What stable's observations of a look say for the candidate, none above 0; `expected` is how many the candidate has or should have."""
    s = stable.number
    if expected <= 0.0 or s <= 0.0:
        return [0.0] * len(BETS)
    centre = _inside(centre)
    total = _stake(expected, s, centre)
    return [min(0.0, _log(stable, -bet * total / s, centre) / size) for bet in BETS]


def look_alone(candidate: Values, highest: float, size: float = 1.0) -> list[float]:
    """Logarithms per bet where the mean is at most `highest`: each 1 + b (x - highest) / highest has a mean of at most 1."""
    highest = _inside(highest)
    return [_log(candidate, bet / highest, highest) / size for bet in BETS]


@lru_cache(maxsize=256)
def upper_bound(values: Values, level: float, size: float = 1.0) -> float:
    """The mean exceeds it with a probability of at most `level`; 1 without observations.

    If the mean is k, each 1 + b (k - y) / (1 - k) has a mean of 1. So their product, averaged over the bets, reaches 1/level with a
    probability of at most `level` (Markov's inequality). It grows with k, and the bound is the k at which it does. Raises ValueError for a level outside
    (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    low, high = values.mean, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        room = 1.0 - _inside(middle)
        evidence_below = evidence.mixture([_log(values, -bet / room, middle) / size for bet in BETS])
        low, high = (low, middle) if evidence_below >= 1.0 / level else (middle, high)
    return high if values.number > 0.0 else 1.0


def _stake(n: float, s: float, centre: float) -> float:
    """The greatest T at which no factor can become negative."""
    return min(n / centre, s / (1.0 - centre))


def _log(values: Values, stake: float, centre: float) -> float:
    return math.fsum(count * math.log1p(stake * (value - centre)) for value, count in values.items)


def _inside(centre: float) -> float:
    return min(max(centre, _LEAST), 1.0 - _LEAST)
