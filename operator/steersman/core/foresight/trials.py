"""Rollouts played with random requests, judged by the sequential judge itself."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from steersman.api.analysis import SequentialJudge
from steersman.core.analysis.schedule import SETTLE_SECONDS
from steersman.core.analysis.weighing import Counts, warm_up
from steersman.core.foresight.draw import binomial, poisson
from steersman.core.foresight.looking import Looking
from steersman.core.foresight.timeline import Timeline

AFTER_LOOK: Final = SETTLE_SECONDS + 0.5
"""Seconds from a look to a route that carries 0 %: the wait for the scrape, the query and the write."""


_JUDGE: Final = SequentialJudge(requests="requests", failures="failures")


@dataclass(frozen=True)
class Scenario:
    """What is rolled out, and how it is judged."""

    timeline: Timeline
    per_second: float
    """Requests a second, candidate and stable together."""
    stable: float
    """Share of stable's requests that fail, in [0, 1)."""
    interval: float
    """Seconds between looks."""
    alpha: float
    """The judge's bound of false alarms."""
    judge: SequentialJudge = _JUDGE
    """Its settings, less alpha; failures that are played come one by one whatever its burst is."""


@dataclass(frozen=True)
class Trial:
    """One rollout."""

    aborted_after: float | None
    """Seconds from the candidate's first weight to the return of all traffic; None: promoted."""
    failed: int
    """Requests that the candidate failed until then."""


@dataclass(frozen=True)
class Outlook:
    """What many rollouts of the same candidate come to."""

    rate: float
    """Share of the candidate's requests that fail."""
    trials: int
    aborted: float
    """Share of the rollouts that were aborted."""
    seconds: float | None
    """Median time to the abort of those that were; None when none was."""
    failed: float
    """Mean number of requests that the candidate failed before the abort or its promotion."""


def play(scenario: Scenario, rate: float, random: Random) -> Trial:
    """One rollout of a candidate that fails this share of its requests."""
    looking = Looking(scenario.interval, scenario.alpha, scenario.judge)
    failed = 0
    # A look whose answer comes after the promotion aborts nothing any more.
    looks = math.floor((scenario.timeline.seconds - SETTLE_SECONDS) / scenario.interval)
    for number in range(1, looks + 1):
        ends = number * scenario.interval
        expected = scenario.timeline.requests(ends - scenario.interval, ends, scenario.per_second)
        candidate, stable = _counts(random, expected[0], rate), _counts(random, expected[1], scenario.stable)
        failed += int(candidate.failures)
        settled = scenario.timeline.is_settled(ends - scenario.interval, warm_up(scenario.judge, scenario.interval))
        if looking.aborts(candidate, stable, ends, settled=settled):
            return Trial(ends + AFTER_LOOK, failed + _failures(scenario, rate, ends, ends + AFTER_LOOK, random))
    return Trial(None, failed + _failures(scenario, rate, looks * scenario.interval, scenario.timeline.seconds, random))


def _counts(random: Random, mean: float, rate: float) -> Counts:
    requests = poisson(random, mean)
    return Counts(requests, binomial(random, requests, rate))


def _failures(scenario: Scenario, rate: float, begins: float, ends: float, random: Random) -> int:
    requests = scenario.timeline.requests(begins, ends, scenario.per_second)[0]
    return int(_counts(random, requests, rate).failures)


def outlook(scenario: Scenario, rate: float, trials: int, seed: int) -> Outlook:
    """Play so many rollouts; equal seeds give equal rollouts, so that two rates can be compared."""
    played = [play(scenario, rate, Random(f"{seed}/{number}")) for number in range(trials)]  # noqa: S311
    times = [trial.aborted_after for trial in played if trial.aborted_after is not None]
    return Outlook(
        rate=rate,
        trials=trials,
        aborted=len(times) / trials,
        seconds=statistics.median(times) if times else None,
        failed=statistics.mean(trial.failed for trial in played),
    )


def smallest_seen(scenario: Scenario, power: float, trials: int, seed: int, halvings: int = 10) -> float | None:
    """The smallest share of failures that so many rollouts (a share, the power) abort; None when not even 100 % is seen."""
    if outlook(scenario, 1.0, trials, seed).aborted < power:
        return None
    low, high = max(scenario.stable, 1e-6), 1.0
    for _ in range(halvings):
        middle = math.sqrt(low * high)
        if outlook(scenario, middle, trials, seed).aborted >= power:
            high = middle
        else:
            low = middle
    return high


def trials_for(timeline: Timeline, interval: float, looks: int = 30_000, bounds: Sequence[int] = (200, 1000)) -> int:
    """How many rollouts take about a second or two: long ones have more looks."""
    each = max(1.0, timeline.seconds / interval)
    return int(min(max(looks / each, bounds[0]), bounds[1]))
