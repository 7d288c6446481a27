"""Judges that ask one query of both revisions: comparison, mannWhitney, and the score of a template's mannWhitney metrics."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from steersman.api.duration import Duration, Interval
from steersman.api.meta import DNS_LABEL, KEYED_BY_NAME, ApiModel

UNGROUPED = "ungrouped"
"""The group of the metrics that name none."""


class ComparisonJudge(ApiModel):
    """Passes while the candidate's value is within bounds relative to stable's. Every bound that is given must hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.minRatio) || has(self.maxRatio) || has(self.maxIncrease) || has(self.maxDecrease)",
                    "message": "a comparison needs minRatio, maxRatio, maxIncrease or maxDecrease",
                },
                {
                    "rule": "!has(self.minRatio) || !has(self.maxRatio) || double(self.minRatio) <= double(self.maxRatio)",
                    "message": "minRatio must not be above maxRatio",
                },
            ]
        }
    )

    query: Annotated[str, Field(min_length=1, max_length=8192)]
    """Asked twice, with {{revision}} the candidate's name and stable's; must give a scalar or one series. Placeholders besides:
    {{namespace}}, {{deployment}}, {{args.x}} inside double-quoted strings; {{window}} (time since the rollout's first look, at least
    the interval) as a duration. After a blue-green switch stable's value is the one before it, over the last 10 minutes."""
    max_ratio: Annotated[float | None, Field(gt=0)] = None
    """The most that candidate/stable may be, bound included."""
    min_ratio: Annotated[float | None, Field(gt=0)] = None
    """The least that candidate/stable may be, bound included."""
    max_increase: Annotated[float | None, Field(ge=0)] = None
    """The most by which the candidate's value may be above stable's, in the metric's unit."""
    max_decrease: Annotated[float | None, Field(ge=0)] = None
    """The most by which the candidate's value may be below stable's, in the metric's unit."""

    @model_validator(mode="after")
    def _bounds(self) -> ComparisonJudge:
        if all(bound is None for bound in (self.min_ratio, self.max_ratio, self.max_increase, self.max_decrease)):
            raise ValueError("a comparison needs minRatio, maxRatio, maxIncrease or maxDecrease")
        if self.min_ratio is not None and self.max_ratio is not None and self.min_ratio > self.max_ratio:
            raise ValueError("minRatio must not be above maxRatio")
        return self


class Direction(StrEnum):
    """Which change of a metric is bad."""

    INCREASE = "increase"
    DECREASE = "decrease"
    EITHER = "either"


class NanStrategy(StrEnum):
    """What becomes of a moment without a value."""

    REMOVE = "remove"
    """It is left out."""
    REPLACE = "replace"
    """It is 0: for counts of what has no series until it happens."""


class OutlierStrategy(StrEnum):
    """What becomes of outliers."""

    KEEP = "keep"
    REMOVE = "remove"


class EffectMeasure(StrEnum):
    """How the size of a change is measured."""

    MEAN_RATIO = "meanRatio"
    """The candidate's mean over stable's; 1 is no change."""
    CLES = "cles"
    """Common language effect size: the share of all pairs of values in which the candidate's is the greater, equal ones counting half;
    0.5 is no change."""


class Outliers(ApiModel):
    """Values far from the middle half of their side's values."""

    strategy: OutlierStrategy = OutlierStrategy.KEEP
    factor: Annotated[float, Field(gt=0, le=100)] = 3.0
    """How many interquartile ranges beyond the quartiles an outlier lies; what lies between the 1st and 99th percentile is none."""


class EffectSize(ApiModel):
    """How great a significant change must be to matter."""

    measure: EffectMeasure = EffectMeasure.MEAN_RATIO
    allowed_increase: Annotated[float | None, Field(gt=0)] = None
    """High only from this effect on, e.g. 1.1 for 10 % more; default: no change (1, or 0.5 with cles)."""
    allowed_decrease: Annotated[float | None, Field(gt=0)] = None
    """Low only up to this effect, e.g. 0.9 for 10 % less; default: no change."""
    critical_increase: Annotated[float | None, Field(gt=0)] = None
    """Of a critical metric: High fails critically from this effect on; default: no change."""
    critical_decrease: Annotated[float | None, Field(gt=0)] = None
    """Of a critical metric: Low fails critically up to this effect; default: no change."""


class MannWhitneyJudge(ApiModel):
    """Kayenta's judge (NetflixACAJudge): all values of both revisions so far, compared by their ranks.

    High or Low when the confidence interval of the Hodges-Lehmann shift lies beyond `tolerance` of its estimate. Repeated looks are not
    allowed for: the more often it looks, the more often it fails a version that is as good as stable.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.lookback) || duration(self.lookback).getMilliseconds() >= "
                    "duration(self.step).getMilliseconds() * self.minPoints",
                    "message": "the lookback must hold minPoints steps",
                }
            ]
        }
    )

    query: Annotated[str, Field(min_length=1, max_length=8192)]
    """Asked over time, with {{revision}} the candidate's name and stable's; must give one series at most. Placeholders besides:
    {{namespace}}, {{deployment}}, {{args.x}} inside double-quoted strings; {{window}} (the step) as a duration. After a blue-green
    switch stable's values are those of 60 steps before it, or of the lookback."""
    step: Interval = 60.0
    """Time between the values."""
    lookback: Duration | None = None
    """Only the latest values, of so long, which must be minPoints steps at least; default all since the start, at most 1000."""
    min_points: Annotated[int, Field(ge=2, le=1000)] = 5
    """Values that each side needs; with fewer the look is Inconclusive. At 98 % five against five is the least with which any difference
    is significant; 50 make a good comparison."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.98
    """Of the interval."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """The part of the estimated shift that the interval must lie beyond."""
    direction: Direction = Direction.EITHER
    nan_strategy: NanStrategy = NanStrategy.REMOVE
    outliers: Outliers = Outliers()
    effect_size: EffectSize = EffectSize()
    critical: bool = False
    """High or Low fails the analysis at once, whatever the failureLimit or the rest of the score."""
    must_have_data: bool = False
    """No values of a side are a failure of the metric; otherwise they are no evidence."""
    group: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] = UNGROUPED
    """The group in the template's scoring."""

    @model_validator(mode="after")
    def _reach(self) -> MannWhitneyJudge:
        if self.lookback is not None and self.lookback < self.step * self.min_points:
            raise ValueError("the lookback must hold minPoints steps")
        return self


class ScoringGroup(ApiModel):
    """A group's share of the score."""

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
    weight: Annotated[float, Field(gt=0, le=100)]
    """Percent. Groups without a weight share what is left of 100 equally."""


class Scoring(ApiModel):
    """Judge a template's mannWhitney metrics by one score, as Kayenta does, and not each by itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.marginal) ? double(self.marginal) : 75.0) <= (has(self.pass) ? double(self.pass) : 95.0)",
                    "message": "marginal must not be above pass",
                },
                {
                    "rule": "!has(self.groups) || self.groups.map(g, double(g.weight)).sum() <= 100.0",
                    "message": "the groups' weights must not exceed 100",
                },
            ]
        }
    )

    pass_: Annotated[float, Field(ge=0, le=100, alias="pass")] = 95.0
    """From this score on the template passes."""
    marginal: Annotated[float, Field(ge=0, le=100)] = 75.0
    """Below this score the analysis fails; from here up to `pass` it is Inconclusive."""
    groups: Annotated[list[ScoringGroup], Field(max_length=20, json_schema_extra=KEYED_BY_NAME)] = []

    @model_validator(mode="after")
    def _weights(self) -> Scoring:
        if self.marginal > self.pass_:
            raise ValueError("marginal must not be above pass")
        if sum(group.weight for group in self.groups) > 100.0:
            raise ValueError("the groups' weights must not exceed 100")
        return self


REVISION_PLACEHOLDER = re.compile(r"\{\{\s*revision\s*\}\}")
"""Without it the candidate's and stable's query would be the same."""
