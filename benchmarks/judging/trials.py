"""Many rollouts of each scenario, each judged by every rule on the same requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from benchmarks.judging.rules import Rule
from benchmarks.judging.scenarios import TICK, Scenario


@dataclass(frozen=True)
class Score:
    """What one rule made of one scenario's rollouts."""

    ended: float
    """Share of the rollouts that it ended."""
    seconds: float | None
    """Median time to the end of those."""
    failed: float
    """Mean number of requests that the candidate failed until then, or until the promotion."""


def play(scenario: Scenario, rules: Mapping[str, Rule], rollouts: int, seed: int) -> dict[str, Score]:
    """Draw the rollouts once, and have every rule judge them."""
    ended: dict[str, list[int | None]] = {name: [] for name in rules}
    failed: dict[str, list[float]] = {name: [] for name in rules}
    for number in range(rollouts):
        counts = scenario.draw(numpy.random.default_rng([seed, number]))
        for name, rule in rules.items():
            end = rule(counts)
            ended[name].append(end)
            failed[name].append(float(counts.candidate_failures[:end].sum()))
    return {name: _score(ended[name], failed[name]) for name in rules}


def _score(ended: list[int | None], failed: list[float]) -> Score:
    times = [end * TICK for end in ended if end is not None]
    return Score(len(times) / len(ended), float(numpy.median(times)) if times else None, float(numpy.mean(failed)))
