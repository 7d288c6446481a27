"""Everything that a rollout's simulation says, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from steersman.api.analysis import SequentialJudge
from steersman.core.foresight.trials import Outlook, Scenario, outlook, smallest_seen

POWERS: Final = (0.8, 0.95)
"""Shares of the rollouts that find the smallest regression that is named."""
POINTS: Final = 12
"""Rates of the curve."""
HIGHEST: Final = 0.5
"""Greatest rate of the curve."""


@dataclass(frozen=True)
class Judging:
    """How failures are judged."""

    metric: str
    """Name of the metric that is played."""
    alpha: float
    """The metric's part of the bound of false alarms."""
    alpha_of_all: float
    """The bound of all the rollout's sequential metrics together."""
    metrics: int
    """How many share it."""
    judge: SequentialJudge
    interval: float
    assumed: tuple[str, ...]
    """Templates that were not given and are taken for the sequential judge with its defaults."""


@dataclass(frozen=True)
class Forecast:
    """What is to be expected of a rollout."""

    name: str
    scenario: Scenario
    judging: Judging
    equal: Outlook
    """Of a candidate that fails as often as stable: how often it is aborted is the false alarms' share."""
    bad: tuple[Outlook, ...]
    smallest: tuple[tuple[float, float | None], ...]
    """(power, the smallest rate of failures that is found by so many rollouts)"""
    curve: tuple[Outlook, ...]

    @property
    def requests(self) -> tuple[float, float]:
        """What candidate and stable answer before the promotion, as expected."""
        return self.scenario.timeline.requests(0.0, self.scenario.timeline.seconds, self.scenario.per_second)

    def as_data(self) -> dict[str, Any]:
        """For programs; times in seconds, rates as shares."""
        candidate, stable = self.requests
        return {
            "name": self.name,
            "seconds": self.scenario.timeline.seconds,
            "waitsForPromote": self.scenario.timeline.waits,
            "weights": [asdict(stretch) for stretch in self.scenario.timeline.stretches],
            "requests": {"candidate": candidate, "stable": stable},
            "metric": self.judging.metric,
            "assumedTemplates": list(self.judging.assumed),
            "falseAlarms": {
                "bound": self.judging.alpha,
                "boundOfAll": self.judging.alpha_of_all,
                "seen": self.equal.aborted,
            },
            "smallestSeen": [{"power": power, "rate": rate} for power, rate in self.smallest],
            "candidates": [_as_data(each) for each in (self.equal, *self.bad)],
            "curve": [_as_data(each) for each in self.curve],
        }


def forecast(name: str, scenario: Scenario, judging: Judging, bad: Sequence[float], trials: int, seed: int) -> Forecast:
    """Play a good candidate, bad ones with these rates of failures, and look for the smallest regression that is seen."""
    return Forecast(
        name=name,
        scenario=scenario,
        judging=judging,
        equal=outlook(scenario, scenario.stable, trials, seed),
        bad=tuple(outlook(scenario, rate, trials, seed) for rate in bad),
        smallest=tuple((power, smallest_seen(scenario, power, max(100, trials // 3), seed)) for power in POWERS),
        curve=tuple(outlook(scenario, rate, max(100, trials // 3), seed) for rate in _rates(scenario.stable)),
    )


def _rates(stable: float) -> list[float]:
    lowest = max(stable, 1e-4)
    return (
        [lowest * (HIGHEST / lowest) ** (number / (POINTS - 1)) for number in range(POINTS)] if lowest < HIGHEST else []
    )


def _as_data(seen: Outlook) -> dict[str, Any]:
    return {
        "rate": seen.rate,
        "aborted": seen.aborted,
        "abortedAfterSeconds": seen.seconds,
        "failedRequests": seen.failed,
        "trials": seen.trials,
    }
