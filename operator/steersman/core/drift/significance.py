"""How probable a difference between two samples would be if nothing had changed: tests on binned data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

LEAST_EXPECTED: Final = 5.0
"""Bins with fewer expected observations are judged together (Cochran, 1954)."""
_TERMS: Final = 10_000
_PRECISION: Final = 1e-15
_TINY: Final = 1e-300


def kolmogorov_smirnov(reference: Sequence[float], observed: Sequence[float]) -> float:
    """The greatest difference between two cumulated distributions, of counts by bin in the order of the values."""
    rows, samples = math.fsum(reference), math.fsum(observed)
    return min(
        1.0,
        max(abs(p / rows - q / samples) for p, q in zip(accumulate(reference), accumulate(observed), strict=True)),
    )


def kolmogorov_smirnov_p(distance: float, rows: float, samples: float) -> float:
    """p-value of the two-sample test, by the asymptotic distribution with Stephens' (1970) correction for small samples.

    The data are binned: the test is then conservative, its p-value too large rather than too small (Conover, 1972).
    """
    root = math.sqrt(rows * samples / (rows + samples))
    return kolmogorov((root + 0.12 + 0.11 / root) * distance)


def kolmogorov(x: float) -> float:
    """Survival function of Kolmogorov's distribution."""
    if x <= 0.0:
        return 1.0
    if x < 1.18:
        # Jacobi's form converges fast where the usual one does not.
        terms = (math.exp(-((2 * k - 1) ** 2) * math.pi**2 / (8.0 * x * x)) for k in range(1, 5))
        return max(0.0, 1.0 - math.sqrt(2.0 * math.pi) / x * math.fsum(terms))
    terms = ((-1.0) ** (k - 1) * math.exp(-2.0 * (k * x) ** 2) for k in range(1, 8))
    return min(1.0, max(0.0, 2.0 * math.fsum(terms)))


def chi_square_p(reference: Sequence[float], observed: Sequence[float]) -> float:
    """p-value of Pearson's test that two samples, counted by bin, come from one distribution (homogeneity)."""
    rows, samples = math.fsum(reference), math.fsum(observed)
    pairs = _pooled(list(zip(reference, observed, strict=True)), min(rows, samples) / (rows + samples))
    if len(pairs) < 2:
        return 1.0
    statistic = 0.0
    for p, q in pairs:
        expected = (p + q) * rows / (rows + samples), (p + q) * samples / (rows + samples)
        statistic += (p - expected[0]) ** 2 / expected[0] + (q - expected[1]) ** 2 / expected[1]
    return chi_square(statistic, len(pairs) - 1)


def _pooled(pairs: list[tuple[float, float]], share: float) -> list[tuple[float, float]]:
    """Bins of which the smaller sample may expect enough; all others as one, with the smallest of these when that is still too few."""
    pairs = sorted((pair for pair in pairs if sum(pair) > 0.0), key=sum)
    together = (0.0, 0.0)
    while pairs and (sum(pairs[0]) * share < LEAST_EXPECTED or 0.0 < sum(together) * share < LEAST_EXPECTED):
        p, q = pairs.pop(0)
        together = together[0] + p, together[1] + q
    return [together, *pairs] if sum(together) > 0.0 else pairs


def chi_square(statistic: float, freedom: int) -> float:
    """Survival function of the chi-square distribution."""
    return incomplete_gamma(freedom / 2.0, statistic / 2.0)


def incomplete_gamma(a: float, x: float) -> float:
    """Upper regularized incomplete gamma function, by its series or its continued fraction (Lentz; DLMF 8.7.1, 8.9.2)."""
    if x <= 0.0:
        return 1.0
    if not math.isfinite(x):
        return 0.0
    log_front = a * math.log(x) - x - math.lgamma(a)
    front = math.exp(log_front) if log_front > -745.0 else 0.0
    if x < a + 1.0:
        term = total = 1.0 / a
        for n in range(1, _TERMS):
            term *= x / (a + n)
            total += term
            if term < total * _PRECISION:
                break
        return max(0.0, 1.0 - total * front)
    b = x + 1.0 - a
    c, d = 1.0 / _TINY, 1.0 / b
    fraction = d
    for n in range(1, _TERMS):
        numerator = -n * (n - a)
        b += 2.0
        d = 1.0 / (numerator * d + b or _TINY)
        c = b + numerator / c or _TINY
        fraction *= c * d
        if abs(c * d - 1.0) < _PRECISION:
            break
    return min(1.0, max(0.0, fraction * front))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values corrected for their number (Holm, 1979): as sure as Bonferroni's correction under any dependence, and never weaker."""
    adjusted = [0.0] * len(p_values)
    greatest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = greatest
    return tuple(adjusted)
