"""How far apart two distributions over the same bins are, and how far sampling alone would put them.

Shares are smoothed by half an observation per bin (Jeffreys' prior, the estimator of Krichevsky and Trofimov, 1981), so that an empty bin
costs as much as the sample's size says and not as much as some arbitrary small number would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

JEFFREYS: Final = 0.5
"""Added to each bin's count."""

Shares = Sequence[float]
"""One per bin; together 1."""


def smoothed(counts: Sequence[float]) -> tuple[float, ...]:
    """Shares of counts, none of them 0."""
    total = math.fsum(counts) + JEFFREYS * len(counts)
    return tuple((count + JEFFREYS) / total for count in counts)


def psi(reference: Shares, observed: Shares) -> float:
    """Population stability index: the sum of (q - p) ln(q / p), Jeffreys' divergence. No share may be 0."""
    return max(0.0, math.fsum((q - p) * math.log(q / p) for p, q in zip(reference, observed, strict=True)))


def jensen_shannon(reference: Shares, observed: Shares) -> float:
    """Jensen-Shannon distance: the square root of the divergence to base 2, 0 to 1 (Endres and Schindelin, 2003)."""
    return math.sqrt(_divergence(reference, observed))


def _divergence(reference: Shares, observed: Shares) -> float:
    parts = (
        0.5 * share * math.log2(2.0 * share / (p + q))
        for p, q in zip(reference, observed, strict=True)
        for share in (p, q)
        if share > 0.0
    )
    return min(1.0, max(0.0, math.fsum(parts)))


def psi_noise(bins: int, rows: float, samples: float) -> float:
    """What the index is on average when nothing differs: it is then (1/rows + 1/samples) times a chi-square with bins - 1
    degrees of freedom (Yurdakul and Naranjo, 2020).
    """
    return max(0, bins - 1) * (1.0 / rows + 1.0 / samples)


def psi_beyond_noise(reference: Sequence[float], observed: Sequence[float]) -> float:
    """The index of two counts, less what sampling alone adds to it; at least 0."""
    noise = psi_noise(_occupied(reference, observed), math.fsum(reference), math.fsum(observed))
    return max(0.0, psi(smoothed(reference), smoothed(observed)) - noise)


def jensen_shannon_beyond_noise(reference: Sequence[float], observed: Sequence[float]) -> float:
    """The distance of two counts, less what sampling alone adds to its square; at least 0.

    Near 0 the divergence is PSI / (8 ln 2): both are the same quadratic form in the differences (Lin, 1991).
    """
    noise = psi_noise(_occupied(reference, observed), math.fsum(reference), math.fsum(observed)) / (8.0 * math.log(2.0))
    return math.sqrt(max(0.0, _divergence(smoothed(reference), smoothed(observed)) - noise))


def _occupied(reference: Sequence[float], observed: Sequence[float]) -> int:
    """Bins that something fell into: the others say nothing, and are no noise either."""
    return sum(p > 0.0 or q > 0.0 for p, q in zip(reference, observed, strict=True))
