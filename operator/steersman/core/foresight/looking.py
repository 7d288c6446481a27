"""The sequential judge, asked look by look about counts that somebody plays."""

from __future__ import annotations

from steersman.core.analysis import evidence
from steersman.core.analysis.sequential import Counts, Span, weigh


class Looking:
    """One rollout's looks: keeps the evidence, and the counts of looks that are held open."""

    def __init__(self, interval: float, alpha: float, burst: int = 1) -> None:
        """`interval` is in seconds; `alpha` and `burst` are the judge's."""
        self._interval = interval
        self._bound = 1.0 / alpha
        self._burst = burst
        self._logs, self._decided = evidence.start(), 1.0
        self._since = 0.0
        self._seen = Counts(), Counts()
        self._open = Counts(), Counts()

    def aborts(self, candidate: Counts, stable: Counts, at: float) -> bool:
        """Whether the look at a moment (seconds), with the counts since the one before, ends the rollout."""
        here, there = _sum(self._open[0], candidate), _sum(self._open[1], stable)
        seen = _sum(self._seen[0], here), _sum(self._seen[1], there)
        total = seen[0].requests + seen[1].requests
        overall = seen[0].requests / total if total else 0.0
        span = Span(window=at - self._since, interval=self._interval)
        weighed = weigh(self._logs, self._decided, here, there, span, overall, self._burst)
        self._decided = weighed.decisive
        self._open = here, there
        if not weighed.held:
            self._logs, self._seen, self._since = weighed.logs, seen, at
            self._open = Counts(), Counts()
        return weighed.decisive > self._bound


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(one.requests + other.requests, one.failures + other.failures)
