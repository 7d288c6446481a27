"""An exact upper confidence bound of a proportion."""

from __future__ import annotations

import math
from functools import lru_cache

_TINY = 1e-300
_CONVERGED = 1e-15


@lru_cache(maxsize=4096)
def upper_bound(hits: float, trials: float, level: float) -> float:
    """Clopper and Pearson's one-sided upper bound: the true proportion exceeds it with probability at most `level`.

    It is the p at which `hits` or fewer of `trials` have the probability `level` (Biometrika 26, 1934). 1 without
    trials. Raises ValueError for a level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    if trials <= 0 or hits >= trials:
        return 1.0
    hits = max(0.0, hits)
    low, high = hits / trials, 1.0
    while True:
        middle = (low + high) / 2
        if middle <= low or middle >= high or high - low <= 1e-10 * high:
            return high
        if _incomplete_beta(trials - hits, hits + 1.0, 1.0 - middle, middle) > level:
            low = middle
        else:
            high = middle


def _incomplete_beta(a: float, b: float, x: float, complement: float) -> float:
    """Regularised incomplete beta function I_x(a, b); complement is 1 - x, given for precision near 1.

    Continued fraction DLMF 8.17.22, evaluated by Lentz's method.
    """
    if x <= 0.0:
        return 0.0
    if complement <= 0.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(b, a, complement, x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(complement))
    c, d = 1.0, 1.0 / _nonzero(1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    # It converges in about sqrt(max(a, b)) steps.
    for m in range(1, 1000 + 10 * int(math.sqrt(max(a, b)))):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / _nonzero(1.0 + term * d)
            c = _nonzero(1.0 + term / c)
            fraction *= c * d
        if abs(c * d - 1.0) < _CONVERGED:
            break
    return min(1.0, front * fraction / a)


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
