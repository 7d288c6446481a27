"""Rollout strategies: canary by steps, and blue-green."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from steersman.api.analysis import Argument, TemplateRef
from steersman.api.duration import Duration
from steersman.api.meta import KEYED_BY_NAME, ApiModel


class Pause(ApiModel):
    """A wait: for the duration or, without one, until somebody says promote."""

    duration: Duration | None = None


class Step(ApiModel):
    """One canary step: exactly one of its fields is set."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.setWeight) != has(self.pause)",
                    "message": "a step is exactly one of setWeight and pause",
                }
            ]
        }
    )

    set_weight: Annotated[int | None, Field(ge=1, le=100)] = None
    """Percent of traffic for the candidate; reached when its pods are available and the route is accepted."""
    pause: Pause | None = None

    @model_validator(mode="after")
    def _one(self) -> Step:
        if (self.set_weight is None) == (self.pause is None):
            raise ValueError("a step is exactly one of setWeight and pause")
        return self


DEFAULT_STEPS = [
    Step(set_weight=10),
    Step(pause=Pause(duration=60.0)),
    Step(set_weight=50),
    Step(pause=Pause(duration=60.0)),
]


class Canary(ApiModel):
    """Shift traffic step by step. After the last step the candidate is scaled up fully and receives 100 %."""

    steps: Annotated[
        list[Step],
        Field(
            min_length=1,
            max_length=50,
            json_schema_extra={
                "x-kubernetes-validations": [
                    {
                        "rule": "self.filter(s, has(s.setWeight)).map(s, s.setWeight).isSorted() && "
                        "self.filter(s, has(s.setWeight)).all(s, self.exists_one(t, has(t.setWeight) && t.setWeight == s.setWeight))",
                        "message": "weights must rise from step to step",
                    },
                    {"rule": "has(self[0].setWeight)", "message": "the first step must set a weight"},
                    {
                        "rule": "!self.exists(s, has(s.setWeight) && s.setWeight == 100) || "
                        "(has(self[self.size() - 1].setWeight) && self[self.size() - 1].setWeight == 100)",
                        "message": "setWeight: 100 can only be the last step",
                    },
                ]
            },
        ),
    ] = DEFAULT_STEPS
    """Default: 10 %, one minute, 50 %, one minute."""
    scale_down_delay: Duration = 30.0
    """How long a revision without traffic keeps its pods."""

    @model_validator(mode="after")
    def _rising(self) -> Canary:
        weights = [step.set_weight for step in self.steps if step.set_weight is not None]
        if any(later <= earlier for earlier, later in pairwise(weights)):
            raise ValueError("weights must rise from step to step")
        if self.steps[0].set_weight is None:
            raise ValueError("the first step must set a weight")
        if 100 in weights and self.steps[-1].set_weight != 100:
            raise ValueError("setWeight: 100 can only be the last step")
        return self


class StageAnalysis(ApiModel):
    """An analysis that must pass once before the rollout goes on."""

    templates: Annotated[list[TemplateRef], Field(min_length=1, max_length=10, json_schema_extra=KEYED_BY_NAME)]
    args: Annotated[list[Argument], Field(max_length=32, json_schema_extra=KEYED_BY_NAME)] = []


class BlueGreen(ApiModel):
    """Bring the candidate up fully beside stable, then switch all traffic at once."""

    pre_promotion_analysis: StageAnalysis | None = None
    """Judged on the preview, before any production traffic."""
    post_promotion_analysis: StageAnalysis | None = None
    """Judged after the switch, while the old revision is still warm; a failure switches straight back."""
    auto_promotion: bool = True
    """Switch without waiting for somebody to say promote."""
    auto_promotion_delay: Duration = 0.0
    """Wait between the preview being ready (and its analysis passed) and the switch."""
    scale_down_delay: Duration = 30.0
    """How long a revision without traffic keeps its pods."""


class Strategy(ApiModel):
    """Exactly one strategy."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.canary) != has(self.blueGreen)",
                    "message": "give exactly one strategy: canary or blueGreen",
                }
            ]
        }
    )

    canary: Canary | None = None
    blue_green: BlueGreen | None = None

    @model_validator(mode="after")
    def _one(self) -> Strategy:
        if (self.canary is None) == (self.blue_green is None):
            raise ValueError("give exactly one strategy: canary or blueGreen")
        return self

    @property
    def scale_down_delay(self) -> float:
        """Seconds that a revision without traffic keeps its pods."""
        chosen = self.canary or self.blue_green
        assert chosen is not None  # noqa: S101  held by the validator
        return chosen.scale_down_delay
