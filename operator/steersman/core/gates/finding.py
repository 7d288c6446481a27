"""What a check says of one gate."""

from __future__ import annotations

from dataclasses import dataclass

from steersman.api.gate_status import GatePhase, GateResult
from steersman.core.gates.facts import Missing, Unknown
from steersman.core.gates.words import quoted

LONGEST_MESSAGE = 1024


@dataclass(frozen=True)
class Finding:
    """A GateResult without the gate's name."""

    phase: GatePhase
    expected: str
    found: str = ""
    message: str = ""

    def of_gate(self, name: str) -> GateResult:
        """The result of the gate of that name."""
        return GateResult(name=name, phase=self.phase, expected=self.expected, found=self.found, message=self.message)

    @classmethod
    def of(cls, passes: bool, expected: str, found: str, message: str = "") -> Finding:
        """Pass or Fail."""
        phase = GatePhase.PASS if passes else GatePhase.FAIL
        return cls(phase, expected, found, quoted(message, LONGEST_MESSAGE))

    @classmethod
    def without(cls, absent: Missing | Unknown, expected: str) -> Finding:
        """Fail for what is not there, Error for what could not be read."""
        message = quoted(absent.message, LONGEST_MESSAGE)
        if isinstance(absent, Missing):
            return cls(GatePhase.FAIL, expected, "nothing", message)
        return cls(GatePhase.ERROR, expected, "", message)
