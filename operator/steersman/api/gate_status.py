"""What came of gates, as status shows it."""

from __future__ import annotations

from enum import StrEnum

from steersman.api.meta import ApiModel


class GatePhase(StrEnum):
    """Result of one gate."""

    PASS = "Pass"  # noqa: S105
    FAIL = "Fail"
    """The version does not meet it, or lacks what the gate is about."""
    ERROR = "Error"
    """It could not be judged, for example because the registry did not answer: never a pass."""


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
