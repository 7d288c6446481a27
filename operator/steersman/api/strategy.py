"""Rollout strategies: canary by steps, and blue-green."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, model_validator

from steersman.api.duration import Duration
from steersman.api.meta import ApiModel
from steersman.api.quantity import Surge
from steersman.api.routing import SessionAffinity
from steersman.api.steps import MAX_STEPS, Pause, StageAnalysis, Step

DEFAULT_STEPS = (
    Step(set_weight=10),
    Step(pause=Pause(duration=60.0)),
    Step(set_weight=50),
    Step(pause=Pause(duration=60.0)),
)

_RULES: list[JsonValue] = [
    {
        "rule": "!(has(self.steps) && has(self.stepWeight))",
        "message": "give steps or stepWeight, not both",
    },
    {
        "rule": "(has(self.stepWeight) && has(self.interval)) || !(has(self.stepWeight) || has(self.maxWeight) || has(self.interval))",
        "message": "the short form needs stepWeight and interval",
    },
    {
        "rule": "!has(self.stepWeight) || !has(self.maxWeight) || self.stepWeight <= self.maxWeight",
        "message": "stepWeight must not be above maxWeight",
    },
]
_STEP_RULES: list[JsonValue] = [
    {
        "rule": "self.filter(s, has(s.setWeight)).map(s, s.setWeight).isSorted() && "
        "self.filter(s, has(s.setWeight)).all(s, self.exists_one(t, has(t.setWeight) && t.setWeight == s.setWeight))",
        "message": "weights must rise from step to step",
    },
    {
        "rule": "!self.exists(s, has(s.setWeight) && s.setWeight == 100) || "
        "(has(self[self.size() - 1].setWeight) && self[self.size() - 1].setWeight == 100)",
        "message": "setWeight: 100 can only be the last step",
    },
]


class Canary(ApiModel):
    """Shift traffic step by step. After the last step the candidate is scaled up fully and receives 100 %."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": _RULES})

    steps: Annotated[
        list[Step] | None,
        Field(min_length=1, max_length=MAX_STEPS, json_schema_extra={"x-kubernetes-validations": _STEP_RULES}),
    ] = None
    """Default: 10 %, one minute, 50 %, one minute."""
    step_weight: Annotated[int | None, Field(ge=1, le=99)] = None
    """Short form, instead of steps: the weight rises by so much every interval, up to maxWeight."""
    max_weight: Annotated[int | None, Field(ge=1, le=99)] = None
    """Short form: the last weight before promotion; default 50."""
    interval: Duration | None = None
    """Short form: the pause after each weight."""
    session_affinity: SessionAffinity | None = None
    """Keep clients that the candidate answered once with the candidate."""
    dynamic_stable_scale: bool = False
    """Scale stable down to its share as the candidate's grows. Saves pods; going back takes as long as stable's pods need to start."""
    max_surge: Surge | None = None
    """Pods above spec.replicas that a rollout may have in all, a number or a percentage of spec.replicas: stable is scaled down to make room.
    Default: no limit."""
    min_pods_per_revision: Annotated[int, Field(ge=1, le=100)] = 1
    """Pods that stable and a candidate with traffic have at the least."""
    scale_down_delay: Duration = 30.0
    """How long a revision without traffic keeps its pods."""

    @model_validator(mode="after")
    def _consistent(self) -> Canary:
        if self.steps is not None and self.step_weight is not None:
            raise ValueError("give steps or stepWeight, not both")
        if (self.step_weight is None) != (self.interval is None) or (
            self.step_weight is None and self.max_weight is not None
        ):
            raise ValueError("the short form needs stepWeight and interval")
        if self.step_weight is not None and self.step_weight > (self.max_weight or DEFAULT_MAX_WEIGHT):
            raise ValueError("stepWeight must not be above maxWeight")
        weights = [step.set_weight for step in self.steps or () if step.set_weight is not None]
        if any(later <= earlier for earlier, later in pairwise(weights)):
            raise ValueError("weights must rise from step to step")
        if 100 in weights and self.steps is not None and self.steps[-1].set_weight != 100:
            raise ValueError("setWeight: 100 can only be the last step")
        return self

    @property
    def plan(self) -> tuple[Step, ...]:
        """The steps, those that the short form stands for, or the default."""
        if self.steps is not None:
            return tuple(self.steps)
        if self.step_weight is None:
            return DEFAULT_STEPS
        highest = self.max_weight or DEFAULT_MAX_WEIGHT
        rising = (*range(self.step_weight, highest, self.step_weight), highest)
        pause = Step(pause=Pause(duration=self.interval))
        return tuple(step for weight in rising for step in (Step(set_weight=weight), pause))


DEFAULT_MAX_WEIGHT = 50
"""Of the short form, in percent; Flagger's users write 50 too."""


class BlueGreen(ApiModel):
    """Bring the candidate up fully beside stable, then switch all traffic at once."""

    preview_replicas: Annotated[int | None, Field(ge=1, le=1000)] = None
    """Pods of the preview until it is to be switched to; default: as many as stable has."""
    pre_promotion_analysis: StageAnalysis | None = None
    """Judged on the preview, before any production traffic."""
    post_promotion_analysis: StageAnalysis | None = None
    """Judged after the switch, while the old revision is still warm; a failure switches straight back."""
    auto_promotion: bool = True
    """Switch without waiting for somebody to say promote."""
    auto_promotion_delay: Duration = 0.0
    """Wait between the preview being ready (and its analysis passed) and the switch."""
    scale_down_delay: Duration = 30.0
    """How long a revision without traffic keeps its pods; within it the way back is a switch, without new pods."""


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
