"""Drift: whether what a model gets, predicts and gets wrong is still what it was trained on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict, Field, JsonValue, WithJsonSchema, model_validator

from steersman.api.duration import PATTERN, Duration, Interval
from steersman.api.meta import ApiModel
from steersman.api.metric_providers import PrometheusProvider

SHORTEST_WINDOW: Final = 60.0
LONGEST_WINDOW: Final = 604800.0

Window = Annotated[
    Duration,
    Field(ge=SHORTEST_WINDOW, le=LONGEST_WINDOW),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": PATTERN,
            "maxLength": 32,
            "x-kubernetes-validations": [
                {
                    "rule": "duration(self) >= duration('1m') && duration(self) <= duration('168h')",
                    "message": "must be 1m to 168h",
                }
            ],
        }
    ),
]
"""A Duration of a minute to a week."""
ColumnPattern = Annotated[str, Field(min_length=1, max_length=256)]
"""A column's name; `*` stands for any characters, `?` for one."""

_WINDOW_TOO_SHORT = "window must not be shorter than interval"


def _rules(*rules: JsonValue) -> ConfigDict:
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": [*rules]})


class Distance(StrEnum):
    """How far apart two distributions are."""

    PSI = "PSI"
    """Population stability index, as credit scoring has it: the symmetric Kullback-Leibler divergence, 0 to infinity."""
    JENSEN_SHANNON = "JensenShannon"
    """Square root of the Jensen-Shannon divergence to base 2, 0 to 1."""


class DriftColumns(ApiModel):
    """Which columns are judged. Without `include` all are."""

    include: Annotated[list[ColumnPattern], Field(max_length=100)] = []
    exclude: Annotated[list[ColumnPattern], Field(max_length=100)] = []
    """Goes before include: identifiers, moments, whatever changes by itself."""


class DriftMethods(ApiModel):
    """By what distance a column is judged when there are many samples."""

    numeric: Distance = Distance.PSI
    categorical: Distance = Distance.JENSEN_SHANNON


class DriftThresholds(ApiModel):
    """From where on a column has drifted."""

    psi: Annotated[float, Field(gt=0, le=10)] = 0.2
    """0.1 is commonly read as a small shift, 0.2 or 0.25 as one that matters."""
    jensen_shannon: Annotated[float, Field(gt=0, lt=1)] = 0.1
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.001
    """Bound of the probability that one window shows drift in any column although nothing changed; the p-values of all columns are
    corrected for their number. A distance counts only together with such a p-value."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Of the judged columns must have drifted; 0: one is enough."""


class ConceptDrift(ApiModel):
    """Drift of what the right answer is: detectors in the model's pods watch the errors that feedback tells of."""

    enabled: bool = True
    window: Window = 86400.0
    """Feedback comes late and in batches: how long a detector that fired counts."""
    detectors: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]], Field(min_length=1, max_length=8)
    ] = ["adwin", "page_hinkley"]
    """One that fired is enough."""


class Drift(ApiModel):
    """Compares what the stable revision gets and predicts with the reference that was stored with the model. `{}` is enough."""

    model_config = _rules(
        {
            "rule": "!has(self.window) || !has(self.interval) || duration(self.window) >= duration(self.interval)",
            "message": _WINDOW_TOO_SHORT,
        }
    )

    window: Window = 3600.0
    """Rows of this long are compared with the reference."""
    interval: Interval = 300.0
    """Time between looks."""
    min_samples: Annotated[int, Field(ge=30, le=1_000_000)] = 200
    """Fewer rows in the window say nothing."""
    distance_samples: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1000
    """With more rows than this, in the window and in the reference, distances decide; else p-values."""
    consecutive: Annotated[int, Field(ge=1, le=10)] = 2
    """Windows in a row that must show it. Looks overlap, so this counts time: every look from one to a window later (for 3: two) must
    see drift before it is told, and none before it is over."""
    columns: DriftColumns = DriftColumns()
    predictions: bool = True
    """Judge the predictions like a column."""
    methods: DriftMethods = DriftMethods()
    thresholds: DriftThresholds = DriftThresholds()
    concept: ConceptDrift = ConceptDrift()
    prometheus: PrometheusProvider = PrometheusProvider()
    """Where the counters are; default: the operator's own server."""

    @model_validator(mode="after")
    def _window(self) -> Drift:
        if self.window < self.interval:
            raise ValueError(_WINDOW_TOO_SHORT)
        return self
