"""Which columns drifted: with many samples by a distance, with few by a p-value.

The rule is Evidently's (https://docs-old.evidentlyai.com/reference/data-drift-algorithm): with many samples a test finds differences too small to
matter, with few a distance finds differences that are none. Two things are added, so that noise is never told as drift: what sampling
alone adds to a distance is taken off, and a distance counts only when the difference is significant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from steersman.api.drift import Distance, Drift
from steersman.api.drift_status import ColumnKind, ColumnRole, DriftColumn, DriftMethod
from steersman.core.drift import significance
from steersman.core.drift.columns import Column
from steersman.core.drift.distances import jensen_shannon_beyond_noise, psi_beyond_noise
from steersman.core.drift.rare import pooled

LONGEST_NAME: Final = 128
"""Characters of a column's name that status shows."""
_DISTANCES = {Distance.PSI: DriftMethod.PSI, Distance.JENSEN_SHANNON: DriftMethod.JENSEN_SHANNON}
_TESTS = {ColumnKind.NUMERIC: DriftMethod.KOLMOGOROV_SMIRNOV, ColumnKind.CATEGORICAL: DriftMethod.CHI_SQUARE}


@dataclass(frozen=True)
class Judgement:
    """What one window says."""

    samples: float = 0.0
    """Rows in the window."""
    columns: Sequence[DriftColumn] = field(default=())
    """Every column that could be judged, the worst first."""
    share: float = 0.0
    """Of the judged columns that must have drifted."""

    @property
    def drifted(self) -> Sequence[DriftColumn]:
        """The columns that drifted."""
        return tuple(column for column in self.columns if column.drifted)

    @property
    def is_drift(self) -> bool:
        """Whether enough columns drifted."""
        return len(self.drifted) >= max(1.0, self.share * len(self.columns))


def chosen(columns: Sequence[Column], settings: Drift) -> tuple[Column, ...]:
    """The columns that the spec asks for. Predictions are chosen by `predictions`, and may be excluded."""
    return tuple(column for column in columns if _is_chosen(column, settings))


def _is_chosen(column: Column, settings: Drift) -> bool:
    if any(fnmatchcase(column.name, pattern) for pattern in settings.columns.exclude):
        return False
    if column.role is ColumnRole.PREDICTION:
        return settings.predictions
    include = settings.columns.include
    return not include or any(fnmatchcase(column.name, pattern) for pattern in include)


def judge(columns: Sequence[Column], settings: Drift) -> Judgement:
    """Judge the columns that have enough samples."""
    samples = max((column.samples for column in columns), default=0.0)
    enough = [pooled(column) for column in columns if column.samples >= settings.min_samples]
    corrected = significance.holm([_p_value(column, settings) for column in enough])
    found = [_judged(column, settings, p_value) for column, p_value in zip(enough, corrected, strict=True)]
    found.sort(key=lambda column: (not column.drifted, -column.distance / _limit(column, settings), column.p_value))
    return Judgement(samples, tuple(found), settings.thresholds.share)


def _judged(column: Column, settings: Drift, p_value: float) -> DriftColumn:
    method = _method(column, settings)
    distance = _distance(column, settings)
    significant = p_value < settings.thresholds.alpha
    threshold = _threshold(_measure(column.kind, settings), settings)
    return DriftColumn(
        name=column.name[:LONGEST_NAME],
        role=column.role,
        kind=column.kind,
        drifted=significant and (distance > threshold or not method.is_distance),
        method=method,
        threshold=threshold if method.is_distance else settings.thresholds.alpha,
        measure=_measure(column.kind, settings),
        distance=_rounded(distance),
        p_value=_rounded(p_value),
    )


def _method(column: Column, settings: Drift) -> DriftMethod:
    if min(column.samples, column.rows) > settings.distance_samples:
        return _DISTANCES[_measure(column.kind, settings)]
    return _TESTS[column.kind]


def _p_value(column: Column, settings: Drift) -> float:
    if _method(column, settings) is DriftMethod.KOLMOGOROV_SMIRNOV:
        distance = significance.kolmogorov_smirnov(column.reference, column.observed)
        return significance.kolmogorov_smirnov_p(distance, column.rows, column.samples)
    # The distances are close to a multiple of this statistic.
    return significance.chi_square_p(column.reference, column.observed)


def _distance(column: Column, settings: Drift) -> float:
    if _measure(column.kind, settings) is Distance.PSI:
        return psi_beyond_noise(column.reference, column.observed)
    return jensen_shannon_beyond_noise(column.reference, column.observed)


def _measure(kind: ColumnKind, settings: Drift) -> Distance:
    return settings.methods.numeric if kind is ColumnKind.NUMERIC else settings.methods.categorical


def _threshold(measure: Distance, settings: Drift) -> float:
    return settings.thresholds.psi if measure is Distance.PSI else settings.thresholds.jensen_shannon


def _limit(column: DriftColumn, settings: Drift) -> float:
    return _threshold(_measure(column.kind, settings), settings)


def _rounded(value: float) -> float:
    """To four digits: what is left to see of it, in a status that is written at each look."""
    return float(f"{value:.4g}")
