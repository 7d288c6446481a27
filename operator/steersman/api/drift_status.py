"""What is known of drift, as status shows it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from steersman.api.drift import Distance
from steersman.api.meta import ApiModel, Timestamp

MAX_COLUMNS: Final = 50
"""Columns that status shows: those that drifted most."""


class ColumnRole(StrEnum):
    """What a column is to the model."""

    FEATURE = "feature"
    PREDICTION = "prediction"


class ColumnKind(StrEnum):
    """How a column's values are put into bins."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class DriftMethod(StrEnum):
    """By what a column was judged."""

    PSI = "PSI"
    """Population stability index, less what sampling adds to it."""
    JENSEN_SHANNON = "JensenShannon"
    """Jensen-Shannon distance to base 2, less what sampling adds to it."""
    KOLMOGOROV_SMIRNOV = "KolmogorovSmirnov"
    """p-value of the two-sample test on bins."""
    CHI_SQUARE = "ChiSquare"
    """p-value of the test of homogeneity."""

    @property
    def is_distance(self) -> bool:
        """Whether a greater score is more drift; of a p-value a smaller one is."""
        return self in (DriftMethod.PSI, DriftMethod.JENSEN_SHANNON)


class DriftColumn(ApiModel):
    """One column as the latest look found it."""

    name: str
    role: ColumnRole
    kind: ColumnKind
    drifted: bool
    method: DriftMethod
    """What decided: a distance with many samples, a p-value with few."""
    threshold: float
    """A distance has to exceed it, a p-value to be below it."""
    measure: Distance
    """The distance that the spec chooses for this kind of column."""
    distance: float
    """By that measure, whatever decided."""
    p_value: float
    """Corrected for the number of columns; a distance counts only when this is below alpha, too."""

    @property
    def score(self) -> float:
        """What was held against the threshold."""
        return self.distance if self.method.is_distance else self.p_value


class DataDriftStatus(ApiModel):
    """Whether the rows that the model gets, and its predictions, are still distributed as in its reference."""

    samples: float = 0.0
    """Rows in the window of the latest look."""
    judged: int = 0
    """Columns that the latest look judged."""
    drifted: int = 0
    """How many of them drifted."""
    columns: Annotated[list[DriftColumn], Field(max_length=MAX_COLUMNS)] = []
    """Those that drifted most, the worst first."""
    seen_since: Timestamp | None = None
    """The first of the looks that all saw drift, up to the latest that could be judged."""
    clear_since: Timestamp | None = None
    """The same of looks that saw none, while an earlier drift is in force."""
    detected_at: Timestamp | None = None
    """When drift was seen for long enough to be told; absent while there is none."""
    not_judged: str = ""
    """Reason why the latest look could not be judged."""
    message: str = ""


class DetectorStatus(ApiModel):
    """One detector on the errors of predictions."""

    name: str
    fired: float
    """How often within spec.drift.concept.window; measured as an increase, so not always whole."""


class ConceptDriftStatus(ApiModel):
    """Whether the model is wrong in another way than before, as feedback tells."""

    feedback: float = 0.0
    """Predictions of this revision that feedback came for within the window."""
    detectors: Annotated[list[DetectorStatus], Field(max_length=8)] = []
    detected_at: Timestamp | None = None
    """When a detector was first seen to have fired; absent when none has within the window."""


class DriftStatus(ApiModel):
    """Drift of the stable revision's data and errors."""

    revision: str
    """The stable revision that all this is about."""
    started_at: Timestamp
    """Rows count from here."""
    last_look_at: Timestamp | None = None
    """Evaluation time of the latest look that was answered."""
    last_attempt_at: Timestamp | None = None
    """Evaluation time of the latest look, answered or not."""
    error: str = ""
    """Why the latest look was not answered."""
    data: DataDriftStatus = DataDriftStatus()
    concept: ConceptDriftStatus | None = None
    """Absent when it is not looked for."""
