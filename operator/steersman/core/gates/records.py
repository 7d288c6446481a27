"""Gates on what the registry keeps of the version itself: tags and age."""

from __future__ import annotations

from fnmatch import fnmatchcase

from steersman.api.duration import format_duration
from steersman.api.gates import AgeGate, TagGate
from steersman.api.meta import format_timestamp
from steersman.core.gates.facts import Missing, RunFacts, Unknown, VersionFacts
from steersman.core.gates.finding import Finding
from steersman.core.gates.words import quoted

AHEAD = 300.0
"""Seconds that the registry's clock may be ahead."""


def tag(gate: TagGate, facts: VersionFacts) -> Finding:
    """The tag is there and its value is as expected."""
    name = quoted(gate.name)
    if gate.value is not None:
        expected = f"tag {name} = {quoted(gate.value)}"
    else:
        expected = f"tag {name} like {quoted(gate.pattern)}" if gate.pattern is not None else f"tag {name} of any value"
    found = facts.tags.get(gate.name)
    if found is None:
        if isinstance(facts.run, Unknown):
            return Finding.without(facts.run, expected)
        found = facts.run.tags.get(gate.name) if isinstance(facts.run, RunFacts) else None
    if found is None:
        return Finding.without(Missing(f"neither the version nor its run has a tag {name!r}"), expected)
    if gate.value is not None:
        passes = found == gate.value
    else:
        passes = fnmatchcase(found, gate.pattern) if gate.pattern is not None else bool(found.strip())
    return Finding.of(passes, expected, quoted(found) or "empty")


def age(gate: AgeGate, facts: VersionFacts, now: float) -> Finding:
    """Registered not longer ago than that."""
    expected = f"registered at most {_span(gate.max)} ago"
    if facts.created_at is None:
        return Finding.without(Unknown("the registry does not say when the version was registered"), expected)
    seconds = now - facts.created_at
    found = f"{_span(max(0.0, seconds))} ago, at {format_timestamp(facts.created_at)}"
    if seconds < -AHEAD:
        message = "that is in the future: the clock of the registry, or this one, is wrong"
        return Finding.without(Unknown(f"{format_timestamp(facts.created_at)}: {message}"), expected)
    return Finding.of(seconds <= gate.max, expected, found)


def _span(seconds: float) -> str:
    """In days where there are some: 720h -> 30 days."""
    days = seconds / 86400
    return f"{days:.3g} days" if days >= 2 else format_duration(round(seconds))
