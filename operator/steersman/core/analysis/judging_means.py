"""The sequential judge of means: an anytime-valid test that the candidate's mean is not greater than stable's.

As with failures (sequential.py), a look's evidence against the candidate decides only once stable's observations of the next look are in.
The first look only tells where the means are: its mean is the centre of the second.
"""

from __future__ import annotations

from dataclasses import dataclass

from steersman.api.analysis import SequentialJudge
from steersman.api.status import MeansStatus, MeasurementPhase, SequentialStatus
from steersman.core.analysis import evidence, means
from steersman.core.analysis.histogram import Histogram, pair
from steersman.core.analysis.means import Values
from steersman.core.analysis.measurement import Judgement
from steersman.core.analysis.remembering import memory_of, prudence_of, remembered, spread_of, with_spread
from steersman.core.analysis.sequential import REFERENCE_SECONDS, failed_or_suspected, number, passed, too_few
from steersman.core.analysis.weighing import Looked, Span, weigh_look, weigh_look_alone


@dataclass(frozen=True)
class _Scale:
    """What a look is measured with."""

    highest: float
    """The value that counts as 1, in the histogram's unit."""
    size: float
    """How many observations count as one, as it was known before the look."""


def judge_against_stable(
    settings: SequentialJudge, state: SequentialStatus, candidate: Histogram, stable: Histogram, span: Span
) -> Judgement:
    """One look at candidate and stable under traffic at the same time. Raises NoCountsError when their buckets cannot be compared."""
    threshold = 1.0 / settings.alpha
    here, there = pair(candidate, stable)
    scale = _Scale(settings.highest or 1.0, prudence_of(settings, state).size)
    seen = _add(settings, state, here, there)
    looked = _looked(seen, _means(state), here, there, scale)
    weighed = weigh_look(memory_of(state), state.evidence, looked, span, settings.outliers)
    grown = _grown(seen, there, span)
    shown = remembered(grown, weighed, prudence_of(settings, grown).size)
    kept = state.model_copy(update={"evidence": weighed.decisive}) if weighed.held else shown
    text = describe(shown)
    suspected = "stable's counts of the same time and the next looks will confirm or clear it"
    judgement = failed_or_suspected(weighed, threshold, text, suspected) or too_few(settings, shown)
    judgement = judgement or passed(text, weighed.decisive, threshold)
    return Judgement(judgement.phase, judgement.message, weighed.decisive, moves=not weighed.held, sequential=kept)


def _looked(seen: SequentialStatus, before: MeansStatus, here: Values, there: Values, scale: _Scale) -> Looked:
    sides = here.number > 0.0, there.number > 0.0
    if before.recent_requests <= 0.0:
        return Looked(evidence.start(), evidence.start(), *sides)
    centre = before.recent_sum / before.recent_requests / scale.highest
    # A candidate without requests in this look has its usual share of them.
    usual = seen.candidate_requests / seen.stable_requests * there.number if seen.stable_requests > 0.0 else 0.0
    of_stable = means.look_of_stable(here.number or usual, there, centre, scale.size)
    return Looked(means.look(here, there, centre, scale.size), of_stable, *sides)


def judge_against_reference(
    settings: SequentialJudge, state: SequentialStatus, candidate: Histogram, span: Span
) -> Judgement:
    """One look at the candidate alone, against the highest mean that stable may have had before the switch.

    Half of alpha is spent on that mean's confidence bound, half on the test, whose threshold so is 2/alpha. Raises NoCountsError when the
    buckets cannot be compared.
    """
    threshold = 2.0 / settings.alpha
    scale = _Scale(settings.highest or 1.0, prudence_of(settings, state).size)
    here, there = pair(candidate, _reference(_means(state), scale.highest))
    seen = _add(settings, state, here, Values())
    needed = max(1, settings.min_requests)
    if there.number < needed:
        message = (
            f"InsufficientData: stable answered {number(there.number)} of the {needed} requests needed as a baseline in the "
            f"{REFERENCE_SECONDS // 60} minutes before the switch"
        )
        return Judgement(MeasurementPhase.INCONCLUSIVE, message, state.evidence, sequential=seen)
    highest = means.upper_bound(there, settings.alpha / 2.0, scale.size)
    look = means.look_alone(here, highest, scale.size)
    weighed = weigh_look_alone(memory_of(state), look, span, settings.outliers)
    shown = remembered(seen, weighed, scale.size)
    text = f"{describe(shown)} before the switch (at most {_short(highest * scale.highest)})"
    judgement = failed_or_suspected(weighed, threshold, text, "the next looks will confirm or clear it")
    judgement = judgement or too_few(settings, shown, against_stable=False)
    judgement = judgement or passed(text, weighed.decisive, threshold)
    return Judgement(judgement.phase, judgement.message, weighed.decisive, sequential=shown)


def with_reference(state: SequentialStatus, stable: Histogram) -> SequentialStatus:
    """The judge's memory with stable's observations before the switch."""
    update = {
        "reference_bounds": list(stable.bounds),
        "reference_counts": [count for _, count in stable.up_to],
    }
    return state.model_copy(
        update={
            "reference_requests": stable.up_to[-1][1] if stable.up_to else 0.0,
            "means": _means(state).model_copy(update=update),
        }
    )


def _reference(known: MeansStatus, highest: float) -> Histogram:
    """As it was read; when `highest` was changed since, bounds above it count as it, or the last one as the new."""
    counts: dict[float, float] = {}
    for bound, count in zip(known.reference_bounds, known.reference_counts, strict=False):
        last = bound == known.reference_bounds[-1]
        counts[highest if last else min(bound, highest)] = count
    return Histogram(highest, tuple(sorted(counts.items())))


def _grown(state: SequentialStatus, stable: Values, span: Span) -> SequentialStatus:
    """With what stable's look tells of bursts for the next one: means of intervals of one length only can be compared."""
    spread = spread_of(state.spread)
    regular = span.window == span.interval and stable.number > 1.0
    spread = spread.add(stable.mean, stable.variance_of_mean) if regular else spread.skip()
    return with_spread(state, spread)


def _means(state: SequentialStatus) -> MeansStatus:
    return state.means or MeansStatus()


def _add(settings: SequentialJudge, state: SequentialStatus, here: Values, there: Values) -> SequentialStatus:
    known, highest = _means(state), settings.highest or 1.0
    grown = known.model_copy(
        update={
            "candidate_sum": known.candidate_sum + here.sum * highest,
            "stable_sum": known.stable_sum + there.sum * highest,
            "recent_sum": known.recent_sum * means.FORGET + (here.sum + there.sum) * highest,
            "recent_requests": known.recent_requests * means.FORGET + here.number + there.number,
        }
    )
    return state.model_copy(
        update={
            "alpha": settings.alpha,
            "candidate_requests": state.candidate_requests + here.number,
            "stable_requests": state.stable_requests + there.number,
            "requests_since_weight": state.requests_since_weight + here.number,
            "means": grown,
        }
    )


def sides(state: SequentialStatus) -> tuple[tuple[float, float], tuple[float, float]]:
    """(mean in the histogram's unit, observations) of the candidate and of stable, or of stable before a switch."""
    known = _means(state)
    ours = (_mean(known.candidate_sum, state.candidate_requests), state.candidate_requests)
    if state.reference_requests is None:
        return ours, (_mean(known.stable_sum, state.stable_requests), state.stable_requests)
    total, before = 0.0, 0.0
    for bound, count in zip(known.reference_bounds, known.reference_counts, strict=False):
        total, before = total + max(0.0, bound) * (count - before), count
    return ours, (_mean(total, state.reference_requests), state.reference_requests)


def _mean(total: float, requests: float) -> float:
    return total / requests if requests > 0.0 else 0.0


def describe(state: SequentialStatus) -> str:
    """What was measured, for people."""
    (ours, requests), (theirs, of_stable) = sides(state)
    return f"candidate's mean {_short(ours)} of {requests:.0f} requests, stable's {_short(theirs)} of {of_stable:.0f}"


def _short(value: float) -> str:
    return f"{value:.3g}"
