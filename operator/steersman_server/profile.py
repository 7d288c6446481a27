"""Counting what a model is asked and what it answers into the bins of its reference profile.

numpy and pandas are imported only by a model that has a profile, and after MLflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steersman_profile.format import MAX_BYTES, PATH, Profile, ProfileError, parse

if TYPE_CHECKING:
    from steersman_profile.counting import Counts

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
        from steersman_profile.counting import GroupCounter

        self._features = GroupCounter(profile.with_role("feature"))
        self._predictions = GroupCounter(profile.with_role("prediction"))

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
