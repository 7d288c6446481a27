"""What a judge makes of one look."""

from __future__ import annotations

from dataclasses import dataclass

from steersman.api.judgement_status import ComparisonStatus, MannWhitneyStatus
from steersman.api.status import MeasurementPhase, SequentialStatus


@dataclass(frozen=True)
class Judgement:
    """The result of one look at one metric."""

    phase: MeasurementPhase
    message: str
    value: float | None = None
    """Threshold: the measured value. Comparison: the ratio or difference. mannWhitney: the effect size. Sequential: the evidence."""
    moves: bool = True
    """Whether the look's counts are taken, so that the next look counts from here; otherwise it covers this one too."""
    sequential: SequentialStatus | None = None
    """The sequential judge's memory after this look; None leaves it as it was."""
    comparison: ComparisonStatus | None = None
    mann_whitney: MannWhitneyStatus | None = None
