"""What is rolled out: how often stable and candidate fail, and what happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy
from numpy.typing import NDArray

TICK: Final = 15
"""Seconds of the finest counts: the usual time between scrapes, and between Steersman's looks."""
MINUTES: Final = 15
"""Length of the rollout."""
WEIGHTS: Final = (10,) * 5 + (25,) * 5 + (50,) * 5
"""The candidate's weight in each minute."""
TICKS: Final = MINUTES * 60 // TICK

PAST: Final = 3600 // TICK
"""Ticks of the hour before it."""

Array = NDArray[numpy.float64]
Rates = Callable[[numpy.random.Generator], tuple[Array, Array]]
"""Draws the shares of requests that fail, of candidate and stable in each tick."""


@dataclass(frozen=True)
class Counts:
    """Requests and failures in each tick of a rollout."""

    candidate: Array
    candidate_failures: Array
    stable: Array
    stable_failures: Array
    past: Array
    """Stable's failures in each tick of the hour before."""


@dataclass(frozen=True)
class Scenario:
    """One kind of rollout."""

    name: str
    per_second: float
    rates: Rates
    is_bad: bool
    """Whether the candidate is worse than stable, so that it should be rolled back."""
    ratio: float = 1.0
    """How many times as often as stable the candidate fails."""
    burst: int = 1
    """Failures come in bursts of this size, all in one tick and on one side."""

    def draw(self, random: numpy.random.Generator) -> Counts:
        """One rollout's requests: arrivals are Poisson, each goes to the candidate by its weight."""
        share = numpy.repeat(numpy.array(WEIGHTS) / 100.0, 60 // TICK)
        candidate = random.poisson(self.per_second * TICK * share)
        stable = random.poisson(self.per_second * TICK * (1.0 - share))
        here, there = self.rates(random)
        return Counts(
            candidate.astype(float),
            self._failures(random, candidate, here),
            stable.astype(float),
            self._failures(random, stable, there),
            self._past(numpy.random.default_rng(random.bit_generator.seed_seq.spawn(1)[0]), there[0]),
        )

    def _past(self, random: numpy.random.Generator, rate: float) -> Array:
        """Stable with all requests, failing as at the rollout's begin; from a source of its own, so that it changes nothing else."""
        return self._failures(random, random.poisson(self.per_second * TICK, PAST), numpy.full(PAST, rate))

    def _failures(self, random: numpy.random.Generator, requests: NDArray[numpy.int64], rates: Array) -> Array:
        if self.burst == 1:
            return random.binomial(requests, rates).astype(float)
        bursts = random.poisson(requests * rates / self.burst)
        return numpy.minimum(bursts * self.burst, requests).astype(float)


def constant(candidate: float, stable: float) -> Rates:
    """Neither changes."""
    return lambda random: (numpy.full(TICKS, candidate), numpy.full(TICKS, stable))


def outage(rate: float, during: float = 0.8, ticks: int = 4) -> Rates:
    """Candidate and stable are equal, and for a minute at a random time most requests of both fail."""

    def draw(random: numpy.random.Generator) -> tuple[Array, Array]:
        rates = numpy.full(TICKS, rate)
        begin = int(random.integers(0, TICKS - ticks))
        rates[begin : begin + ticks] = during
        return rates, rates

    return draw


def drift(rate: float, times: float = 10.0) -> Rates:
    """Candidate and stable are equal, and both fail more and more often."""
    rates = rate * numpy.linspace(1.0, times, TICKS)
    return lambda random: (rates, rates)


def slow_start(rate: float, times: float = 10.0, ticks: int = 2) -> Rates:
    """The candidate is as good as stable, but fails more often in its first half minute."""
    rates = numpy.full(TICKS, rate)
    rates[:ticks] = min(0.5, rate * times)
    return lambda random: (rates, numpy.full(TICKS, rate))


def scenarios() -> list[Scenario]:
    """All that are played."""
    found: list[Scenario] = []
    for per_second in (5.0, 50.0, 500.0):
        for stable in (0.001, 0.005, 0.02):
            about = f"{per_second:g}/s, stable fails {100 * stable:g} %"
            found.append(Scenario(f"{about}: equal", per_second, constant(stable, stable), False))
            found.append(Scenario(f"{about}: both in an outage", per_second, outage(stable), False))
            found.append(Scenario(f"{about}: both drift to 10 x", per_second, drift(stable), False))
            found.append(Scenario(f"{about}: bursts of 20", per_second, constant(stable, stable), False, burst=20))
            found += [
                Scenario(
                    f"{about}: candidate {times} x", per_second, constant(min(0.5, times * stable), stable), True, times
                )
                for times in (2, 5, 10)
            ]
            found.append(Scenario(f"{about}: candidate 50 %", per_second, constant(0.5, stable), True, 0.5 / stable))
            found.append(Scenario(f"{about}: slow start", per_second, slow_start(stable), False))
    return found
