"""The sequential judge on simulated rollouts: pods that are scraped each at its own moment, one look every 15 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from steersman.api.analysis import SequentialJudge
from steersman.api.status import MeasurementPhase
from steersman.core.analysis.sequential import judge_against_reference, judge_against_stable, start
from steersman.core.analysis.weighing import Counts, Span

ALPHA = 0.01
SETTINGS = SequentialJudge(requests="x", failures="y", alpha=ALPHA, burst=1, outliers=0)
"""Without doubt: what the test itself promises."""
PAST = 60
"""Seconds of stable's past before the baseline."""
STEPS = ((4, 0.10), (120, 0.25), (240, 0.50))
SECONDS = 360

Series = NDArray[Any]


@dataclass
class Side:
    """Counters of one revision's pods, second by second, and when they are scraped."""

    requests: Series
    failures: Series
    phases: Sequence[int]
    scrape: int

    @classmethod
    def simulate(cls, rng: np.random.Generator, rate: Series, failing: Series, pods: int, scrape: int = 15) -> Side:
        requests = rng.poisson(rate / pods, (pods, len(rate)))
        failures = rng.binomial(requests, failing)
        phases = rng.integers(0, scrape, pods).tolist()
        return cls(requests.cumsum(axis=1), failures.cumsum(axis=1), phases, scrape)

    def known(self, seconds: Series) -> Series:
        """Requests and failures as of the last scrapes before these seconds, one row each."""
        total = np.zeros((len(seconds), 2))
        for pod, phase in enumerate(self.phases):
            last = (seconds + PAST - 1 - phase) // self.scrape * self.scrape + phase
            total += np.stack([self.requests[pod, last], self.failures[pod, last]], axis=1)
        return total


def decided_at(candidate: Side, stable: Side, interval: int = 15) -> int | None:
    """The second at which the judge fails the candidate."""
    moments = np.arange(0, SECONDS + 1, interval)
    known = np.hstack([candidate.known(moments), stable.known(moments)]).tolist()
    state, since, seen = start(), 0, known[0]
    for now, counters in zip(moments.tolist()[1:], known[1:], strict=True):
        requests, failures, stable_requests, stable_failures = (
            new - old for new, old in zip(counters, seen, strict=True)
        )
        looked = Counts(requests, failures), Counts(stable_requests, stable_failures)
        judgement = judge_against_stable(SETTINGS, state, *looked, Span(now - since, interval))
        if judgement.phase is MeasurementPhase.FAIL:
            return int(now)
        assert judgement.sequential is not None
        state = judgement.sequential
        if judgement.moves:
            seen, since = counters, now
    return None


def rollout(
    rng: np.random.Generator,
    candidate_fails: Series | float,
    stable_fails: Series | float,
    *,
    rate: float = 40,
    pods: tuple[int, int] = (1, 3),
    steps: tuple[tuple[int, float], ...] = STEPS,
) -> int | None:
    share = np.zeros(PAST + SECONDS)
    for begins, weight in steps:
        share[PAST + begins :] = weight
    everywhere = np.ones_like(share)
    candidate = Side.simulate(rng, rate * share, candidate_fails * everywhere, pods[0])
    return decided_at(candidate, Side.simulate(rng, rate * (1 - share), stable_fails * everywhere, pods[1]))


def allowed(rollouts: int, alpha: float = ALPHA) -> int:
    """So many alarms are exceeded with a probability below 1 in 10,000 when the bound holds."""
    return int(stats.binom.ppf(0.9999, rollouts, alpha))


def test_equal_revisions_raise_at_most_alpha_false_alarms() -> None:
    rng = np.random.default_rng(20261123)
    alarms = 0
    for _ in range(2000):
        fails = float(rng.choice([0.001, 0.005, 0.02, 0.2]))
        pods = int(rng.integers(1, 4)), int(rng.integers(1, 6))
        alarms += rollout(rng, fails, fails, rate=float(rng.choice([5, 40, 200])), pods=pods) is not None
    assert alarms <= allowed(2000)


def test_a_common_outage_raises_at_most_alpha_false_alarms() -> None:
    # At any time, at the rollout's start too, of any length and severity, while scrapes of the sides are up to 15 s apart.
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(2000):
        fails = np.full(PAST + SECONDS, 0.002)
        begins = int(rng.integers(0, PAST + SECONDS))
        fails[begins : begins + int(rng.integers(1, 120))] = rng.choice([0.1, 0.5, 1.0])
        pods = int(rng.integers(1, 3)), int(rng.integers(1, 5))
        alarms += rollout(rng, fails, fails, pods=pods) is not None
    assert alarms <= allowed(2000)


def test_a_better_candidate_is_not_failed() -> None:
    rng = np.random.default_rng(3)
    assert sum(rollout(rng, 0.005, 0.02) is not None for _ in range(300)) <= 1


def test_five_percent_failures_at_ten_percent_weight_are_found_within_a_minute_and_a_half() -> None:
    # 40 requests/s: the candidate fails once in five seconds on average.
    rng = np.random.default_rng(5)
    found = [rollout(rng, 0.05, 0.0) for _ in range(300)]
    assert all(moment is not None for moment in found)
    times = np.array(found, dtype=float)
    assert np.median(times) <= 45
    assert np.quantile(times, 0.99) <= 90


def test_a_broken_candidate_is_found_at_the_second_look() -> None:
    rng = np.random.default_rng(6)
    for fails in (0.5, 1.0):
        times = [rollout(rng, fails, 0.002) for _ in range(100)]
        assert np.median([moment or SECONDS for moment in times]) == 30
        assert max(moment or SECONDS for moment in times) <= 45


def test_a_tenfold_failure_rate_is_found_in_the_rollout() -> None:
    rng = np.random.default_rng(8)
    found = [rollout(rng, 0.02, 0.002) for _ in range(200)]
    assert sum(moment is not None for moment in found) >= 198


def test_after_a_switch_equal_revisions_raise_at_most_alpha_false_alarms() -> None:
    rng = np.random.default_rng(9)
    alarms = 0
    for _ in range(2000):
        fails, rate = float(rng.choice([0.0005, 0.002, 0.02])), int(rng.choice([1, 10, 40]))
        reference = rng.binomial(rate * 600, fails)
        state = start().model_copy(update={"reference_requests": rate * 600.0, "reference_failures": float(reference)})
        requests = rng.poisson(rate * 15, 24)
        for requested, failed in zip(requests, rng.binomial(requests, fails), strict=True):
            judgement = judge_against_reference(
                SETTINGS, state, Counts(float(requested), float(failed)), Span(15.0, 15.0)
            )
            if judgement.phase is MeasurementPhase.FAIL:
                alarms += 1
                break
            assert judgement.sequential is not None
            state = judgement.sequential
    assert alarms <= allowed(2000)
