"""What the judges that compare two revisions remember of their latest look: enough to redo the decision by hand."""

from __future__ import annotations

from enum import StrEnum

from steersman.api.meta import ApiModel, Timestamp


class ComparisonStatus(ApiModel):
    """The latest look of a comparison."""

    rule: str = ""
    """The bounds, in words."""
    candidate: float | None = None
    stable: float | None = None
    reference: float | None = None
    """Stable's value before a blue-green switch, once it is known."""


class Classification(StrEnum):
    """What Kayenta's classifier says of a metric."""

    PASS = "Pass"  # noqa: S105
    HIGH = "High"
    LOW = "Low"
    NODATA = "Nodata"
    """A side has no values."""
    NODATA_FAIL_METRIC = "NodataFailMetric"
    """A side has no values, and must have some."""
    ERROR = "Error"
    """The values cannot be ranked."""


class MannWhitneyStatus(ApiModel):
    """The latest look of a mannWhitney metric."""

    rule: str = ""
    """When it is High or Low, in words."""
    classification: Classification | None = None
    """None while there are too few values."""
    critical: bool = False
    """It fails the analysis at once."""
    since: Timestamp | None = None
    """Moment of the first value; there is one every `step` seconds up to the look."""
    step: float | None = None
    candidate_points: int = 0
    """Values that were compared: without gaps and outliers."""
    stable_points: int = 0
    candidate_mean: float | None = None
    stable_mean: float | None = None
    u: float | None = None
    """The Mann-Whitney statistic: pairs in which the candidate's value is the greater, equal ones counting half."""
    p_value: float | None = None
    """Two-sided, normal approximation with continuity correction. For people: it decides nothing."""
    estimate: float | None = None
    """Hodges-Lehmann estimate of the candidate's shift, in the metric's unit."""
    lower: float | None = None
    upper: float | None = None
    """The confidence interval of the shift."""
    effect: float | None = None
    """The effect size by its measure; None when it is not defined (a mean is 0)."""


class ScoreClassification(StrEnum):
    """What a score says."""

    PASS = "Pass"  # noqa: S105
    MARGINAL = "Marginal"
    FAIL = "Fail"
    NODATA = "Nodata"
    """Too few of the metrics have data, or some have not been looked at yet."""


class GroupScore(ApiModel):
    """One group of a score."""

    name: str
    weight: float
    """Percent of the score, after the weights of groups without data were shared out; 0 for those."""
    score: float | None = None
    """Percent of the group's metrics that pass, of those with data; None without any."""
    passed: int = 0
    counted: int = 0


class ScoreStatus(ApiModel):
    """The score of a template with `scoring`."""

    template: str
    classification: ScoreClassification
    score: float | None = None
    """0 to 100; None while it is not known."""
    reason: str = ""
    pass_from: float = 95.0
    marginal_from: float = 75.0
    groups: list[GroupScore] = []
