"""Reference profiles and windows over them, made of arrays, and the answers that a metric server would give about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from steersman.core.analysis.model import Sample
from steersman.core.drift.columns import MISSING, OBSERVED, OTHER, PART, REFERENCE, ROWS

Values = np.ndarray[Any, Any]
NUMERIC, CATEGORICAL = "numeric", "categorical"


@dataclass(frozen=True)
class Binned:
    """How one column of a reference is binned, and what the reference has in each bin."""

    name: str
    kind: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    """Numeric: upper bounds, the last is infinite."""
    counts: tuple[float, ...]
    role: str = "feature"

    @classmethod
    def of(cls, name: str, values: Values, bins: int = 10, role: str = "feature") -> Binned:
        """Deciles of numbers, or the categories of strings."""
        if values.dtype.kind in "fiu":
            inner = np.unique(np.quantile(values[~np.isnan(values)], np.linspace(0, 1, bins + 1)[1:-1]))
            bounds = (*(float(bound) for bound in inner), np.inf)
            labels = (*(repr(float(bound)) for bound in inner), "+Inf", MISSING)
            blank = cls(name, NUMERIC, labels, bounds, (), role)
        else:
            labels = (*sorted({str(value) for value in values}), OTHER, MISSING)
            blank = cls(name, CATEGORICAL, labels, (), (), role)
        return cls(name, blank.kind, labels, blank.bounds, tuple(blank.count(values).values()), role)

    def count(self, values: Values) -> dict[str, float]:
        """Rows by bin; every bin is there."""
        found = dict.fromkeys(self.labels, 0.0)
        if self.kind == NUMERIC:
            missing = np.isnan(values)
            places = np.searchsorted(np.array(self.bounds), values[~missing], side="left")
            for place, number in zip(*np.unique(places, return_counts=True), strict=True):
                found[self.labels[int(place)]] += float(number)
            found[MISSING] += float(missing.sum())
        else:
            for value, number in zip(*np.unique(values, return_counts=True), strict=True):
                found[str(value) if str(value) in found else OTHER] += float(number)
        return found

    def _labels(self, **more: str) -> dict[str, str]:
        return {"column": self.name, "role": self.role, "kind": self.kind, **more}

    def answer(self, observed: Mapping[str, float] | None) -> list[Sample]:
        """Series of the reference, and of a window when there is one."""
        rows = sum(self.counts)
        samples = [Sample({"column": self.name, "role": self.role, PART: ROWS}, rows)]
        for label, count in zip(self.labels, self.counts, strict=True):
            samples.append(Sample(self._labels(bin=label, **{PART: REFERENCE}), count / rows))
        for label, count in (observed or {}).items():
            samples.append(Sample(self._labels(bin=label, **{PART: OBSERVED}), count))
        return samples


class Profile:
    """Several columns of one reference."""

    def __init__(self, columns: Mapping[str, Values], predictions: tuple[str, ...] = ()) -> None:
        self.columns = [
            Binned.of(name, values, role="prediction" if name in predictions else "feature")
            for name, values in columns.items()
        ]

    def answer(self, window: Mapping[str, Values] | None) -> tuple[Sample, ...]:
        """What the metric server says of a window of rows; None: no row was counted and no counter is there."""
        return tuple(
            sample
            for column in self.columns
            for sample in column.answer(None if window is None else column.count(window[column.name]))
        )
