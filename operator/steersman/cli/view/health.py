"""Whether a model is fine: the one judgement behind colours, exit codes and waiting."""

from __future__ import annotations

from enum import IntEnum

from steersman.api.conditions import ConditionStatus, ConditionType
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import Phase

PHASE_STYLES = {
    Phase.PENDING: "yellow",
    Phase.INITIALIZING: "cyan",
    Phase.PROGRESSING: "cyan",
    Phase.PAUSED: "yellow",
    Phase.ROLLING_BACK: "magenta",
    Phase.HEALTHY: "green",
    Phase.DEGRADED: "red",
}


class Health(IntEnum):
    """How a model stands; the value is the exit code of `status --exit-code`."""

    HEALTHY = 0
    """The revision that the spec asks for serves all traffic."""
    DEGRADED = 1
    """It does not, and nothing is under way to change that."""
    PROGRESSING = 2
    """Something is under way, waits for a person, or the operator has not seen the latest spec."""


def observed(md: ModelDeployment) -> bool:
    """Whether the operator has looked at the latest spec."""
    return md.status.observed_generation >= int(md.metadata.get("generation") or 0)


def health(md: ModelDeployment) -> Health:
    """How the model stands."""
    status = md.status
    if not observed(md):
        return Health.PROGRESSING
    if status.phase is Phase.HEALTHY:
        return Health.HEALTHY
    if status.phase is Phase.DEGRADED:
        return Health.DEGRADED
    refused = {
        condition.type
        for condition in status.conditions
        if condition.status is ConditionStatus.FALSE
        and condition.type in (ConditionType.ACCEPTED, ConditionType.MODEL_RESOLVED)
    }
    if status.phase is Phase.PENDING and refused:
        return Health.DEGRADED
    return Health.PROGRESSING
