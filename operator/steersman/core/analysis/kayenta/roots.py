"""A root of a function between two points.

R. P. Brent, Algorithms for Minimization Without Derivatives, Prentice-Hall 1973, chapter 4: inverse quadratic interpolation where it
converges, halving elsewhere. The rank statistic is a step function, on whose steps it is a matter of the method where exactly a root is
found; so this takes the same steps as R's uniroot and Kayenta do, to give their numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

MOST_STEPS = 1000


def root(
    function: Callable[[float], float], low: float, high: float, at_low: float, at_high: float, tolerance: float
) -> float:
    """A point within `tolerance` of a change of sign; `at_low` and `at_high` are the function's values at the ends.

    They should differ in sign; if they do not, what is returned is some point between the ends.
    """
    if at_low == 0.0:
        return low
    if at_high == 0.0:
        return high
    previous, best, opposite = low, high, low
    f_previous, f_best, f_opposite = at_low, at_high, at_low
    for _ in range(MOST_STEPS):
        last_step = best - previous
        if abs(f_opposite) < abs(f_best):
            previous, best, opposite = best, opposite, best
            f_previous, f_best, f_opposite = f_best, f_opposite, f_best
        near = 2.0 * sys.float_info.epsilon * abs(best) + tolerance / 2.0
        step = (opposite - best) / 2.0
        if abs(step) <= near or f_best == 0.0:
            return best
        if abs(last_step) >= near and abs(f_previous) > abs(f_best):
            p, q = _interpolation(previous, best, opposite, f_previous, f_best, f_opposite)
            # Only where it stays well between the ends, and shrinks the step by more than half.
            if p < 0.75 * (opposite - best) * q - abs(near * q) / 2.0 and p < abs(last_step * q / 2.0):
                step = p / q
        if abs(step) < near:
            step = near if step > 0.0 else -near
        previous, f_previous = best, f_best
        best += step
        f_best = function(best)
        if (f_best > 0.0 and f_opposite > 0.0) or (f_best < 0.0 and f_opposite < 0.0):
            opposite, f_opposite = previous, f_previous
    return best


def _interpolation(a: float, b: float, c: float, fa: float, fb: float, fc: float) -> tuple[float, float]:
    """The step from b as a fraction p/q with p >= 0: linear through two points, inverse quadratic through three."""
    if a == c:
        slope = fb / fa
        p, q = (c - b) * slope, 1.0 - slope
    else:
        ac, bc, ba = fa / fc, fb / fc, fb / fa
        p = ba * ((c - b) * ac * (ac - bc) - (b - a) * (bc - 1.0))
        q = (ac - 1.0) * (bc - 1.0) * (ba - 1.0)
    return (p, -q) if p > 0.0 else (-p, q)
