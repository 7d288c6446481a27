"""The steps of a canary."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from steersman.api.analysis import Argument, TemplateRef
from steersman.api.duration import Duration
from steersman.api.meta import DNS_LABEL, KEYED_BY_NAME, ApiModel
from steersman.api.routing import RequestMatch

MAX_STEPS = 50
"""Steps of one canary."""


class Pause(ApiModel):
    """A wait: for the duration or, without one, until somebody says promote."""

    duration: Duration | None = None


class StageAnalysis(ApiModel):
    """An analysis that must pass its count once before the rollout goes on."""

    templates: Annotated[list[TemplateRef], Field(min_length=1, max_length=10, json_schema_extra=KEYED_BY_NAME)]
    args: Annotated[list[Argument], Field(max_length=32, json_schema_extra=KEYED_BY_NAME)] = []


class SetHeaderRoute(ApiModel):
    """Requests that meet any of the matches go to the candidate, whatever the weights; no matches: the route of this name ends.

    The routes end with the rollout. For A/B tests.
    """

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] = "candidate"
    match: Annotated[list[RequestMatch], Field(max_length=8)] = []


class SetMirrorRoute(ApiModel):
    """Shadow traffic: the candidate gets copies of requests, its answers are dropped and its errors and latency are judged.

    Only for models whose requests have no side effects.
    """

    percentage: Annotated[int, Field(ge=0, le=100)] = 100
    """Share of the requests that is copied; 0 ends the mirroring."""


class SetCanaryScale(ApiModel):
    """Set the candidate's pods apart from its weight, until the next such step: exactly one field."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.replicas) ? 1 : 0) + (has(self.weight) ? 1 : 0) + (has(self.matchTrafficWeight) ? 1 : 0) == 1",
                    "message": "give exactly one of replicas, weight and matchTrafficWeight",
                }
            ]
        }
    )

    replicas: Annotated[int | None, Field(ge=1, le=1000)] = None
    """So many pods; never fewer than the weight needs."""
    weight: Annotated[int | None, Field(ge=1, le=100)] = None
    """As many pods as this weight would need, in percent of stable's."""
    match_traffic_weight: bool | None = None
    """Back to as many as the weight needs."""

    @model_validator(mode="after")
    def _one(self) -> SetCanaryScale:
        if sum(value is not None for value in (self.replicas, self.weight, self.match_traffic_weight)) != 1:
            raise ValueError("give exactly one of replicas, weight and matchTrafficWeight")
        return self


class Experiment(ApiModel):
    """A fresh baseline of the stable revision, of the candidate's size, beside the candidate; each gets the same weight.

    Compares like with like: both have young processes and cold caches (Kayenta's baseline). Afterwards the candidate has the
    weight it had before, and the baseline's pods go.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.duration) || has(self.analysis)", "message": "give duration, analysis or both"}
            ]
        }
    )

    weight: Annotated[int, Field(ge=1, le=49)]
    """Percent of traffic for the candidate, and the same for the baseline."""
    duration: Duration | None = None
    """How long both have it at the least."""
    analysis: StageAnalysis | None = None
    """Judges the candidate against the baseline, and must pass its count."""

    @model_validator(mode="after")
    def _bounded(self) -> Experiment:
        if self.duration is None and self.analysis is None:
            raise ValueError("give duration, analysis or both")
        return self


STEP_KINDS = ("setWeight", "pause", "analysis", "setHeaderRoute", "setMirrorRoute", "setCanaryScale", "experiment")
_MESSAGE = f"a step is exactly one of {', '.join(STEP_KINDS)}"


class Step(ApiModel):
    """One canary step: exactly one of its fields is set."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": " + ".join(f"(has(self.{kind}) ? 1 : 0)" for kind in STEP_KINDS) + " == 1",
                    "message": _MESSAGE,
                }
            ]
        }
    )

    set_weight: Annotated[int | None, Field(ge=1, le=100)] = None
    """Percent of traffic for the candidate; reached when its pods are available and the route is accepted."""
    pause: Pause | None = None
    analysis: StageAnalysis | None = None
    """An analysis of its own; it begins with the step and must pass its count before the next one."""
    set_header_route: SetHeaderRoute | None = None
    set_mirror_route: SetMirrorRoute | None = None
    set_canary_scale: SetCanaryScale | None = None
    experiment: Experiment | None = None

    @model_validator(mode="after")
    def _one(self) -> Step:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError(_MESSAGE)
        return self
