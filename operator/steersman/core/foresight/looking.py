"""The sequential judge's looks, one after another, on counts that somebody plays."""

from __future__ import annotations

from collections.abc import Iterable

from steersman.api.analysis import SequentialJudge
from steersman.core.analysis.caution import Memory
from steersman.core.analysis.dispersion import of_past
from steersman.core.analysis.weighing import Counts, Prudence, Span, share_of, weigh


class Looking:
    """One rollout's looks: keeps the evidence, and the counts of looks that are held open."""

    def __init__(self, interval: float, alpha: float, settings: SequentialJudge, past: Iterable[float] = ()) -> None:
        """`interval` is in seconds; `alpha` is the metric's part of the bound; `past` are stable's failures in earlier intervals."""
        self._interval = interval
        self._bound = 1.0 / alpha
        self._settings = settings
        self._memory, self._decided = Memory(), 1.0
        self._spread = of_past(past)
        self._since = 0.0
        self._seen = Counts(), Counts()
        self._open = Counts(), Counts()

    def aborts(self, candidate: Counts, stable: Counts, at: float, *, settled: bool) -> bool:
        """Whether the look at a moment (seconds), with the counts since the one before, ends the rollout.

        `settled` is whether it began after the warm-up of its weight.
        """
        here, there = self._open[0] + candidate, self._open[1] + stable
        seen = self._seen[0] + here, self._seen[1] + there
        span = Span(window=at - self._since, interval=self._interval, settled=settled)
        prudence = Prudence(self._settings.outliers, float(self._settings.burst or self._spread.size))
        weighed = weigh(self._memory, self._decided, here, there, span, share_of(*seen), prudence)
        self._decided = weighed.decisive
        self._open = here, there
        if not weighed.held:
            regular = span.window == self._interval and there.requests > 0
            self._spread = self._spread.add(there.failures) if regular else self._spread.skip()
            self._memory, self._seen, self._since = weighed.memory, seen, at
            self._open = Counts(), Counts()
        return weighed.decisive > self._bound
