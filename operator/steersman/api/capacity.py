"""How many pods, and where: autoscaling, disruption, spreading, warm-up."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from steersman.api.meta import ApiModel
from steersman.api.quantity import IntOrPercent
from steersman.api.runtime import FreeForm


class Keda(ApiModel):
    """Scale by a KEDA ScaledObject instead of a HorizontalPodAutoscaler."""

    triggers: Annotated[list[FreeForm], Field(min_length=1, max_length=16)]
    """ScaledObject triggers. `$(REVISION)` in a text stands for the revision's name: a query over all revisions would scale each for
    the load of all."""
    polling_interval: Annotated[int | None, Field(ge=1, le=86_400)] = None
    """Seconds."""
    cooldown_period: Annotated[int | None, Field(ge=0, le=86_400)] = None
    """Seconds."""


class Autoscaling(ApiModel):
    """Pods by load, for each revision on its own. A candidate starts with its share of the pods that stable has then."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.minReplicas <= self.maxReplicas",
                    "message": "minReplicas must not be above maxReplicas",
                },
                {
                    "rule": "!(has(self.keda) && (has(self.metrics) || has(self.behavior)))",
                    "message": "metrics and behavior belong to the HorizontalPodAutoscaler: leave them out with keda",
                },
            ]
        }
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    metrics: Annotated[list[FreeForm], Field(max_length=16)] = []
    """MetricSpec items of autoscaling/v2; default: Kubernetes' own, 80 % of the requested CPU. `$(REVISION)` in a text stands for the
    revision's name."""
    behavior: FreeForm | None = None
    """HorizontalPodAutoscalerBehavior."""
    keda: Keda | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Autoscaling:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas must not be above maxReplicas")
        if self.keda is not None and (self.metrics or self.behavior is not None):
            raise ValueError("metrics and behavior belong to the HorizontalPodAutoscaler: leave them out with keda")
        return self


class DisruptionBudget(ApiModel):
    """A PodDisruptionBudget for each revision: exactly one field."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.minAvailable) != has(self.maxUnavailable)",
                    "message": "give exactly one of minAvailable and maxUnavailable",
                }
            ]
        }
    )

    min_available: IntOrPercent | None = None
    max_unavailable: IntOrPercent | None = None

    @model_validator(mode="after")
    def _one(self) -> DisruptionBudget:
        if (self.min_available is None) == (self.max_unavailable is None):
            raise ValueError("give exactly one of minAvailable and maxUnavailable")
        return self


class AntiAffinity(StrEnum):
    """How strictly pods of different revisions are kept on different nodes."""

    PREFERRED = "Preferred"
    REQUIRED = "Required"
    """A candidate waits for a node without pods of other revisions."""


class WarmUp(ApiModel):
    """What happens before a candidate's pods count as available."""

    requests: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """How often the MLflow runtime sends the model its own input example before it is ready; default 1."""
    pre_pull: bool = False
    """Pull the candidate's images on every node that its pods may go to (a DaemonSet) before its pods are made."""
