"""Stable's past as the baseline, for the judges that ask of each revision: after a switch or a promotion stable has no traffic."""

from __future__ import annotations

import math

from steersman.core.analysis.model import BoundMetric
from steersman.core.analysis.sequential import REFERENCE_SECONDS, needs_reference

__all__ = ["REFERENCE_SECONDS", "before_the_switch", "needs_reference"]


def before_the_switch(bound: BoundMetric, first_look_at: float) -> float:
    """The latest grid point that is surely not after the analysis' start, which is when traffic was switched.

    Counting begins at the grid point at or after the start and the initial delay, so less than an interval is between them.
    """
    delay = math.ceil((bound.metric.initial_delay or 0.0) / bound.interval)
    return first_look_at - (1 + delay) * bound.interval
