"""What a plan asks outside of the cluster's objects and its metrics, and the answers that the next snapshot holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steersman.core.gates.facts import Missing, Needs, Unknown, VersionFacts
from steersman.core.gates.golden import Exchanges


@dataclass(frozen=True)
class FactsQuestion:
    """What does the registry know of a version? Asked again and again while it stands in the plan, for tags may come."""

    model: str
    version: str
    needs: Needs


@dataclass(frozen=True)
class GoldenQuestion:
    """What do candidate and stable answer to a version's golden requests? Asked once."""

    model: str
    version: str
    samples: str
    """Path of the samples inside the version's artifact."""
    path: str
    """Of the servers' URL."""
    timeout: float
    """Seconds for each answer."""
    candidate: str
    """Revision, which is the name of its Service."""
    stable: str | None
    attempt: int
    """A further attempt is another question."""


@dataclass(frozen=True)
class LineageQuestion:
    """Where does a version come from? Asked once; everything else comes first."""

    model: str
    version: str
    since: float
    """What is known from before this moment, in seconds since the epoch, is too old; 0 for no such moment."""


Question = FactsQuestion | GoldenQuestion | LineageQuestion
Answer = VersionFacts | Exchanges | Missing | Unknown
Answers = Mapping[Question, Answer]
