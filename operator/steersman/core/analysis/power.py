"""How small a regression the counts so far could have shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from steersman.core.analysis import evidence
from steersman.core.analysis.weighing import Counts

ONE_IN_FIVE: Final = 0.8416
"""Standard deviations below its mean that a normal variable lies once in five times."""
HALVINGS: Final = 12
"""On a logarithmic scale from one request in a million: exact to 0.4 % of the rate."""


def detectable(candidate: float, stable: Counts, alpha: float, size: float = 1.0) -> float | None:
    """The smallest share of failures at which four of five candidates would have been found by now; None when not even 100 % would.

    `candidate` is the number of its requests so far, beside stable's requests and failures of the same time; `size` is how many failures count
    as one. All looks are taken as one, so that what doubt leaves out (caution.py) is not considered.
    """
    total = candidate + stable.requests
    if candidate <= 0.0 or total <= 0.0:
        return None
    share = candidate / total

    def found(rate: float) -> bool:
        failed = _at_least(rate * candidate / size)
        return evidence.mixture(evidence.look(failed, failed + stable.failures / size, share)) > 1.0 / alpha

    return _smallest(found)


def detectable_alone(candidate: float, highest: float, alpha: float, size: float = 1.0) -> float | None:
    """The same of a candidate that is compared with the highest share of requests that may fail; `alpha` is that of the test."""
    if candidate <= 0.0:
        return None

    def found(rate: float) -> bool:
        failed = _at_least(rate * candidate / size)
        return evidence.mixture(evidence.look(failed, candidate / size, highest)) > 1.0 / alpha

    return _smallest(found)


def _at_least(expected: float) -> float:
    """What a Poisson number of this mean is at least in four of five cases, by the normal approximation."""
    return max(0.0, expected - ONE_IN_FIVE * math.sqrt(expected))


def _smallest(found: Callable[[float], bool]) -> float | None:
    if not found(1.0):
        return None
    low, high = 1e-6, 1.0
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if found(middle) else (middle, high)
    return float(f"{high:.3g}")
