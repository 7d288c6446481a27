"""Counting what a model is asked and what it answers into the bins of its reference profile.

numpy and pandas are imported only by a model that has a profile, and after MLflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steersman_profile.format import MAX_BYTES, PATH, Column, Profile, ProfileError, parse

if TYPE_CHECKING:
    from steersman_profile.counting import ColumnCounter, Counts

PREDICTION = "prediction"
"""What a model's only output is called; several without names are prediction_0 and so on."""


def read(directory: Path) -> Profile | None:
    """The profile of the model in `directory`, None when it has none. Raises ProfileError."""
    file = directory / PATH
    if not file.is_file():
        return None
    if file.stat().st_size > MAX_BYTES:
        raise ProfileError(f"the profile is larger than {MAX_BYTES} bytes")
    try:
        return parse(file.read_bytes())
    except OSError as error:
        raise ProfileError(f"the profile cannot be read: {error}") from None


@dataclass(slots=True)
class Observation:
    """What one request adds to the counts. It holds how many values fell into each bin, and no value."""

    features: Counts | None = None
    """Of all columns of this role, one after the other; None when they could not be counted."""
    predictions: Counts | None = None
    failure: Exception | None = None
    """Why they could not be counted."""


class Observer:
    """Counts requests in the threads that predict; holds no state that changes, and never raises."""

    def __init__(self, profile: Profile) -> None:
        self._features = _Group(profile.with_role("feature"))
        self._predictions = _Group(profile.with_role("prediction"))

    def asked(self, data: Any) -> Observation:
        """Begin an observation with the model's input, before the model can change it."""
        observation = Observation()
        try:
            observation.features = self._features.count(data)
        except Exception as error:
            observation.failure = error
        return observation

    def answered(self, observation: Observation, output: Any) -> None:
        """Complete an observation with the model's output."""
        try:
            observation.predictions = self._predictions.count(output, PREDICTION)
        except Exception as error:
            observation.failure = error


class _Group:
    """The columns of one role."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        from steersman_profile.counting import ColumnCounter

        self._counters: list[ColumnCounter] = [ColumnCounter(column) for column in columns]
        self._names = frozenset(column.name for column in columns)

    def count(self, data: Any, positional: str | None = None) -> Counts | None:
        """How many values fell into each bin of each column. Raises UncountableError, and whatever pandas raises."""
        import numpy

        from steersman_profile.counting import UncountableError, columns_of

        if not self._counters:
            return None
        values, rows = columns_of(data, positional, None if positional else self._names)
        if positional and len(self._counters) == 1 and len(values) == 1:  # the only output, whatever it is called
            values = {self._counters[0].column.name: next(iter(values.values()))}
        if not any(counter.column.name in values for counter in self._counters):
            raise UncountableError("the data has none of the profile's columns")
        counts = [
            counter.count(values[counter.column.name]) if counter.column.name in values else counter.missing(rows)
            for counter in self._counters
        ]
        return numpy.concatenate(counts)
