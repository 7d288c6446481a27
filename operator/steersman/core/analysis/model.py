"""The words in which analysis speaks with the rest of the core and with metric providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from steersman.api.analysis import Metric
from steersman.api.comparison_judges import Scoring
from steersman.api.status import AnalysisStage

NAMESPACE_LABEL = "namespace"
REVISION_LABEL = "steersman_dev_revision"
"""Labels of every scraped series of a model's pods: the names that a PodMonitor with podTargetLabels gives."""


class Part(StrEnum):
    """Which number of a metric a query asks for."""

    VALUE = "value"
    REQUESTS = "requests"
    FAILURES = "failures"
    SUCCESSES = "successes"
    BUCKETS = "buckets"
    CANDIDATE = "candidate"
    STABLE = "stable"
    DISTRIBUTIONS = "distributions"
    """Of drift: columns by bin."""
    DETECTORS = "detectors"
    """Of concept drift."""


@dataclass(frozen=True)
class Source:
    """Where a query is sent. Equal for all rollouts whose queries may be sent as one."""

    provider: str = "prometheus"
    """The name of the metric's provider block."""
    settings: str = "{}"
    """That block as canonical JSON, with its placeholders filled."""
    namespace: str | None = None
    """Of the Secrets that the settings name; None when they name none."""


@dataclass(frozen=True)
class Over:
    """The time that a query for series of values covers, up to its `at`."""

    start: float
    """Seconds since the epoch."""
    step: float
    """Seconds between values."""


@dataclass(frozen=True)
class MetricQuery:
    """One query. Equal queries of different rollouts are sent once."""

    metric: str
    """<template>/<metric> that asks."""
    part: Part
    source: Source
    text: str
    """In the provider's own language."""
    at: float
    """Evaluation time, on the grid of the metric's interval (seconds since the epoch)."""
    over: Over | None = None
    """Set when values over time are asked for, instead of one."""
    reference: bool = False
    """Asks for the baseline before a blue-green switch, not for a look."""

    @property
    def is_own(self) -> bool:
        """Whether no other rollout asks the same and no step waits for it: of drift. It gives way to others, and is not kept."""
        return self.part in (Part.DISTRIBUTIONS, Part.DETECTORS)


@dataclass(frozen=True)
class Sample:
    """One series of an instant vector; a scalar has no labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Series:
    """Values over time of one series."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """(seconds since the epoch, value), in order of time; gaps are left out, NaN may occur."""


@dataclass(frozen=True)
class QueryResult:
    """The answer to a MetricQuery, or why there is none."""

    query: MetricQuery
    samples: tuple[Sample, ...] = ()
    series: tuple[Series, ...] = ()
    """Instead of samples, of a query over time."""
    error: str | None = None
    """Set when the query failed: bad PromQL, server down, timeout, too large."""


@dataclass(frozen=True)
class BoundMetric:
    """A template's metric with its arguments, as one ModelDeployment uses it."""

    template: str
    metric: Metric
    interval: float
    """Seconds."""
    args: Mapping[str, str] = field(default_factory=dict)
    scoring: Scoring | None = None
    """The template's, for its mannWhitney metrics."""

    @property
    def name(self) -> str:
        """<template>/<metric>, unique within a rollout."""
        return f"{self.template}/{self.metric.name}"


@dataclass(frozen=True)
class AnalysisContext:
    """What an analysis has to know of its rollout."""

    namespace: str
    deployment: str
    stable: str
    """Revision name; empty without one."""
    candidate: str
    stage: AnalysisStage
    weight_reached_at: float | None
    """When the candidate's present weight was seen in the route; None while it is being changed."""
    run_id: str = ""
    """MLflow run of the candidate's version; empty when it is not known."""
    registry_url: str = ""
    """Of the ModelDeployment's registry."""
    registry_secret: str | None = None
    """Name of the Secret with its credentials, in the ModelDeployment's namespace."""


class Verdict(StrEnum):
    """What the analysis as a whole says now."""

    PASSING = "Passing"
    """Every metric's latest look passed, and passed since the present weight was reached."""
    PENDING = "Pending"
    """Nothing is wrong, but some metric has not been looked at since the present weight was reached."""
    INCONCLUSIVE = "Inconclusive"
    """A metric's latest look gave no evidence or an error: hold the step."""
    COMPLETE = "Complete"
    """Pre- or post-promotion: every metric has its count of passes."""
    FAILED = "Failed"
    """Abort."""


@dataclass(frozen=True)
class Assessment:
    """A verdict and why."""

    verdict: Verdict
    message: str = ""
    metric: str | None = None
    """The metric that decided."""
    error: bool = False
    """The verdict is Inconclusive because a query failed."""
