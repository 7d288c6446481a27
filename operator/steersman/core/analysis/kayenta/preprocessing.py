"""What is done to a side's values before they are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steersman.api.comparison_judges import NanStrategy, Outliers, OutlierStrategy


def prepared(values: Sequence[float], nan_strategy: NanStrategy, outliers: Outliers) -> list[float]:
    """Finite values only: gaps by the strategy, then without outliers if so wanted."""
    filled = without_gaps(values, nan_strategy)
    return without_outliers(filled, outliers.factor) if outliers.strategy is OutlierStrategy.REMOVE else filled


def without_gaps(values: Sequence[float], strategy: NanStrategy) -> list[float]:
    """NaN and infinities, which are no measurements, left out or replaced by 0."""
    if strategy is NanStrategy.REPLACE:
        return [value if math.isfinite(value) else 0.0 for value in values]
    return [value for value in values if math.isfinite(value)]


def without_outliers(values: Sequence[float], factor: float) -> list[float]:
    """Without what lies more than `factor` interquartile ranges beyond the quartiles, and outside the 1st to 99th percentile.

    J. W. Tukey's fences (Exploratory Data Analysis, 1977), made less sensitive for values that are mostly equal.
    """
    if not values:
        return []
    ordered = sorted(values)
    first, third = percentile(ordered, 25), percentile(ordered, 75)
    reach = factor * (third - first)
    low, high = min(first - reach, percentile(ordered, 1)), max(third + reach, percentile(ordered, 99))
    return [value for value in values if low <= value <= high]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of values in ascending order, interpolated linearly (type 7 of R. J. Hyndman, Y. Fan, American Statistician 50, 1996)."""
    place = (len(ordered) - 1) * percent / 100.0
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
