"""How great a difference is, whether or not it is significant."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steersman.api.comparison_judges import EffectMeasure
from steersman.core.analysis.kayenta.ranks import Ranks

NO_CHANGE = {EffectMeasure.MEAN_RATIO: 1.0, EffectMeasure.CLES: 0.5}
"""The effect of samples that do not differ."""


def effect(measure: EffectMeasure, candidate: Sequence[float], stable: Sequence[float]) -> float:
    """The effect size of two samples that are not empty; NaN when it is not defined."""
    return mean_ratio(candidate, stable) if measure is EffectMeasure.MEAN_RATIO else cles(candidate, stable)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return math.fsum(values) / len(values)


def mean_ratio(candidate: Sequence[float], stable: Sequence[float]) -> float:
    """The candidate's mean over stable's; NaN when either is 0."""
    here, there = mean(candidate), mean(stable)
    return here / there if here and there else math.nan


def cles(candidate: Sequence[float], stable: Sequence[float]) -> float:
    """The probability that a value of the candidate is greater than one of stable, plus half that of their being equal.

    A. Vargha, H. D. Delaney, A critique and improvement of the CL common language effect size statistics of McGraw and Wong, Journal of
    Educational and Behavioral Statistics 25, 2000.
    """
    return Ranks(candidate, stable).u() / (len(candidate) * len(stable))
