"""What came of gates, as status shows it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from steersman.api.meta import KEYED_BY_NAME, ApiModel, Timestamp


class GatePhase(StrEnum):
    """Result of one gate."""

    PASS = "Pass"  # noqa: S105
    FAIL = "Fail"
    """The version does not meet it, or lacks what the gate is about."""
    ERROR = "Error"
    """It could not be judged, for example because the registry did not answer: never a pass."""
    PENDING = "Pending"
    """Not judged yet: it is being read, or its turn has not come."""


class GateResult(ApiModel):
    """One gate, judged."""

    name: str
    """Of the gate."""
    phase: GatePhase
    expected: str
    """What passes."""
    found: str = ""
    """What there was; empty when it could not be read."""
    message: str = ""
    """Why, where expected and found do not say it already."""


class GatesStatus(ApiModel):
    """The gates of the revision that the spec asks for, or asked for last."""

    revision: str
    version: str
    phase: GatePhase = GatePhase.PENDING
    """Pass: every gate that is judged before a rollout passed. Fail and Error: the worst of the results."""
    judged: str = ""
    """Hash of spec.gates as they were judged; others are judged anew."""
    since: Timestamp
    """When this revision was first judged by these gates."""
    attempt: int = 0
    """How often Jobs and golden requests were begun anew, after an error or by the action retry."""
    attempt_at: Timestamp | None = None
    """When the present attempt began."""
    again_at: Timestamp | None = None
    """When a Job that could not be carried out is tried again."""
    results: Annotated[list[GateResult], Field(json_schema_extra=KEYED_BY_NAME)] = []
    """One a gate, in their order."""
