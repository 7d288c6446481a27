"""Gates on numbers of the version's run: metrics, the gap between two, parameters."""

from __future__ import annotations

import math

from steersman.api.gates import GapGate, MetricGate, ParameterGate
from steersman.core.gates.facts import Missing, RunFacts, Unknown, VersionFacts
from steersman.core.gates.finding import Finding
from steersman.core.gates.words import bounds, exact, listed, number, quoted


def metric_of(facts: VersionFacts, name: str) -> float | Missing | Unknown:
    """A metric of the version's run. Not a number or infinite is a value like any other, which lies within no bounds."""
    if not isinstance(facts.run, RunFacts):
        return facts.run
    if name not in facts.run.metrics:
        there = listed(sorted(facts.run.metrics)) or "none"
        return Missing(f"the run of version {quoted(facts.version)} has no metric {quoted(name)!r}; it has: {there}")
    return facts.run.metrics[name]


def metric(gate: MetricGate, facts: VersionFacts) -> Finding:
    """Within bounds."""
    expected = bounds(gate.name, gate.min, gate.max)
    value = metric_of(facts, gate.name)
    if isinstance(value, Missing | Unknown):
        return Finding.without(value, expected)
    return _within(value, gate.min, gate.max, expected)


def gap(gate: GapGate, facts: VersionFacts) -> Finding:
    """Two metrics not far apart."""
    expected = f"{quoted(gate.train)} and {quoted(gate.test)} at most {number(gate.max)} apart"
    train, test = metric_of(facts, gate.train), metric_of(facts, gate.test)
    for value in (train, test):
        if isinstance(value, Missing | Unknown):
            return Finding.without(value, expected)
    assert isinstance(train, float) and isinstance(test, float)  # noqa: S101  the others are dealt with
    difference = abs(train - test)
    # Not a number is not at most anything. Sums of decimals are not exact: 0.95 - 0.90 is no more than 0.05.
    passes = math.isfinite(difference) and (difference <= gate.max or math.isclose(difference, gate.max))
    return Finding.of(passes, expected, f"{number(difference)} apart: {number(train)} and {number(test)}")


def parameter(gate: ParameterGate, facts: VersionFacts) -> Finding:
    """Within bounds, or one of several."""
    name = quoted(gate.name)
    choices = gate.one_of
    expected = f"{name} one of {listed(choices)}" if choices is not None else bounds(gate.name, gate.min, gate.max)
    if not isinstance(facts.run, RunFacts):
        return Finding.without(facts.run, expected)
    written = facts.run.params.get(gate.name)
    if written is None:
        there = listed(sorted(facts.run.params)) or "none"
        return Finding.without(Missing(f"the run has no parameter {name!r}; it has: {there}"), expected)
    if choices is not None:
        return Finding.of(written in choices, expected, quoted(written) or "empty")
    try:
        value = float(written)
    except ValueError:
        return Finding.of(False, expected, quoted(written) or "empty", "it does not read as a number")
    return _within(value, gate.min, gate.max, expected)


def _within(value: float, low: float | None, high: float | None, expected: str) -> Finding:
    passes = math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
    return Finding.of(passes, expected, number(value) if passes else exact(value))
