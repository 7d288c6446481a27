"""Random counts. The standard library draws binomial ones only from Python 3.12 on, and slowly."""

from __future__ import annotations

import math
from random import Random
from typing import Final

FEW: Final = 30.0
"""Up to so many expected, counts are drawn exactly; above, from the normal distribution of the same mean and variance."""


def poisson(random: Random, mean: float) -> int:
    """Arrivals in a time in which `mean` are expected."""
    if mean <= 0.0:
        return 0
    if mean > FEW:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    # Knuth, The Art of Computer Programming 2, 3.4.1: how many uniform factors it takes.
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


def binomial(random: Random, trials: int, probability: float) -> int:
    """How many of `trials` happen, each with the same probability."""
    if trials <= 0 or probability <= 0.0:
        return 0
    if probability >= 1.0:
        return trials
    if probability > 0.5:
        return trials - binomial(random, trials, 1.0 - probability)
    mean = trials * probability
    if mean > FEW:
        return min(trials, max(0, round(random.gauss(mean, math.sqrt(mean * (1.0 - probability))))))
    # Devroye, Non-Uniform Random Variate Generation, X.4: gaps between happenings are geometric.
    step, position, count = math.log1p(-probability), 0, 0
    while True:
        position += int(math.log(1.0 - random.random()) / step) + 1
        if position > trials:
            return count
        count += 1
