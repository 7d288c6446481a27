"""What one look's counts do to the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from steersman.api.analysis import SequentialJudge
from steersman.core.analysis import evidence
from steersman.core.analysis.caution import Memory

PATIENCE_SECONDS = 60
"""How long a look is held open for a side without requests: the longest usual scrape interval."""


WARM_UP_SECONDS = 30.0
"""The longest default warm-up."""


@dataclass(frozen=True)
class Counts:
    """One revision's requests in a span of time."""

    requests: float = 0.0
    failures: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.requests + other.requests, self.failures + other.failures)


@dataclass(frozen=True)
class Span:
    """The time that a look covers."""

    window: float
    """Seconds since the latest look whose counts were taken."""
    interval: float
    """Seconds between looks."""
    unpaired: bool = False
    """The first look after an initial delay: the candidate's failures may be older than stable's, so they do not count."""
    settled: bool = True
    """Whether all of it lies long enough after the latest weight change."""


@dataclass(frozen=True)
class Prudence:
    """How much doubt the evidence must survive."""

    outliers: int = 0
    """How many looks may speak against the candidate for a reason of their own."""
    size: float = 1.0
    """How many failures count as one."""


@dataclass(frozen=True)
class Looked:
    """What one look at both sides says: logarithms, one per alternative."""

    of_both: list[float]
    """Of the likelihood ratio (or another e-value), when both sides had requests."""
    of_stable: list[float]
    """What stable's counts alone say for the candidate, none above 0: as if the candidate had shown nothing against itself."""
    candidate: bool
    """Whether the candidate had requests."""
    stable: bool
    """Whether stable had requests."""


@dataclass(frozen=True)
class Weighed:
    """What one look comes to."""

    memory: Memory
    decisive: float
    """The evidence that may abort: the least of those that doubt leaves (caution.py), and without those failures of the candidate that
    stable's next counts may still explain."""
    suspicion: float
    """The evidence as it is, while the latest look speaks against the candidate: what later looks must confirm or clear."""
    held: bool = False
    """A side had no requests: the look is held open, so that the next one covers both."""


def weigh(
    before: Memory,
    decided: float,
    candidate: Counts,
    stable: Counts,
    span: Span,
    overall: float,
    prudence: Prudence = Prudence(),
) -> Weighed:
    """Weigh a look at both sides.

    `decided` is the decisive evidence so far; `overall` is the candidate's share of all requests seen, for a look that
    shows those of one side only.
    """
    here, there = candidate.failures / prudence.size, stable.failures / prudence.size
    both = candidate.requests > 0 and stable.requests > 0
    share = share_of(candidate, stable) if both else overall
    of_both = evidence.look(here, here + there, share) if both else evidence.start()
    looked = Looked(of_both, evidence.look(0.0, there, share), candidate.requests > 0, stable.requests > 0)
    return weigh_look(before, decided, looked, span, prudence.outliers)


def weigh_look(before: Memory, decided: float, looked: Looked, span: Span, outliers: int) -> Weighed:
    """Weigh a look at both sides of which the logarithms are known."""
    both = looked.candidate and looked.stable
    held = not both and span.window < max(PATIENCE_SECONDS, span.interval)
    if not both:
        look = evidence.start()
    elif span.unpaired:
        look = looked.of_stable
    else:
        look = looked.of_both
    after = before.take(look, settled=span.settled, outliers=outliers)
    if looked.stable or not held:
        # As if the candidate had not failed in this look: its counters may show an outage of both before stable's do.
        confirmed = before.take(looked.of_stable, settled=span.settled, outliers=outliers)
        decisive = min(confirmed.total, after.winsorized(outliers), after.settled())
    else:
        decisive = decided
    # A look without requests of a side clears nothing.
    suspicion = after.total if not both else _suspicion(after, look, decisive)
    return Weighed(after, decisive, max(suspicion, decisive), held)


def weigh_alone(before: Memory, candidate: Counts, highest: float, span: Span, prudence: Prudence) -> Weighed:
    """Weigh a look at the candidate alone, against the highest share of requests that may fail."""
    look = evidence.look(candidate.failures / prudence.size, candidate.requests / prudence.size, highest)
    return weigh_look_alone(before, look, span, prudence.outliers)


def weigh_look_alone(before: Memory, look: list[float], span: Span, outliers: int) -> Weighed:
    """Weigh a look at the candidate alone of which the logarithms are known."""
    after = before.take(look, settled=span.settled, outliers=outliers)
    decisive = min(after.total, after.winsorized(outliers), after.settled())
    return Weighed(after, decisive, _suspicion(after, look, decisive))


def _suspicion(after: Memory, look: list[float], decisive: float) -> float:
    return after.total if evidence.mixture(look) > 1.0 else decisive


def warm_up(settings: SequentialJudge, interval: float) -> float:
    """Seconds after a new weight in which looks are unsettled: by default two intervals, for whoever looks seldom or often."""
    return settings.warm_up if settings.warm_up is not None else min(WARM_UP_SECONDS, 2.0 * interval)


def share_of(candidate: Counts, stable: Counts) -> float:
    """The candidate's share of the requests of both; 0 without any."""
    total = candidate.requests + stable.requests
    return candidate.requests / total if total > 0 else 0.0
