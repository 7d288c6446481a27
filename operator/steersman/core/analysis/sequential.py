"""The sequential judge: an anytime-valid test that the candidate fails no more often than stable.

Counters of different pods are scraped at different moments, so for one look the candidate's failures of a common
outage may be known before stable's. Therefore a look's evidence decides only once stable's counts of the next look are
in: they are added as if the candidate had not failed in it, which can only lower the evidence. Where one side shows no
request at all, the look is held open, so that the next one covers both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steersman.api.analysis import SequentialJudge
from steersman.api.status import AnalysisStage, MeasurementPhase, SequentialStatus
from steersman.core.analysis import evidence
from steersman.core.analysis.measurement import Judgement
from steersman.core.analysis.model import (
    AnalysisContext,
    BoundMetric,
    MetricQuery,
    Part,
    Sample,
    Source,
)
from steersman.core.analysis.promql import check_selector, count_since, fill, render
from steersman.core.analysis.proportion import upper_bound

REFERENCE_SECONDS = 600
"""How much of stable's past is the baseline when it has no traffic of its own any more."""

PATIENCE_SECONDS = 60
"""How long a look is held open for a side without requests: the longest usual scrape interval."""


@dataclass(frozen=True)
class Counts:
    """One revision's requests in a span of time."""

    requests: float = 0.0
    failures: float = 0.0


class NoCountsError(Exception):
    """The answers hold no usable counts; the message says why."""


def check(settings: SequentialJudge, args: Mapping[str, str]) -> None:
    """Raise PromQLError when a selector is not plain or cannot be rendered with these arguments."""
    for _, selector in _selectors(settings):
        _rendered(selector, args)
    _labels(settings, args, "", "", "")


def _selectors(settings: SequentialJudge) -> list[tuple[Part, str]]:
    outcome = (
        (Part.FAILURES, settings.failures)
        if settings.failures is not None
        else (Part.SUCCESSES, settings.successes or "")
    )
    return [(Part.REQUESTS, settings.requests), outcome]


def _rendered(selector: str, args: Mapping[str, str]) -> str:
    return check_selector(render(selector, {f"args.{name}": value for name, value in args.items()}))


def _labels(
    settings: SequentialJudge, args: Mapping[str, str], namespace: str, deployment: str, revision: str
) -> dict[str, str]:
    values = {"namespace": namespace, "deployment": deployment, "revision": revision}
    values |= {f"args.{name}": value for name, value in args.items()}
    return {label: fill(text, values) for label, text in settings.by.items()}


@dataclass(frozen=True)
class Row:
    """Which series of an answer are a revision's."""

    revision: str
    labels: Mapping[str, str]

    def value(self, samples: Sequence[Sample]) -> float | None:
        """Its value; None without such a series. Raises NoCountsError when it is no finite number."""
        for sample in samples:
            if all(sample.labels.get(label) == value for label, value in self.labels.items()):
                if not math.isfinite(sample.value):
                    raise NoCountsError(f"a count of {self.revision} is {sample.value}")
                return max(0.0, sample.value)
        return None


def row(bound: BoundMetric, settings: SequentialJudge, context: AnalysisContext, revision: str) -> Row:
    """A revision's series."""
    return Row(revision, _labels(settings, bound.args, context.namespace, context.deployment, revision))


def start() -> SequentialStatus:
    """The judge's memory before the first look."""
    return SequentialStatus(log_likelihood_ratios=evidence.start())


def needs_reference(context: AnalysisContext) -> bool:
    """Whether stable's past, not its present, is the baseline: after a switch or a promotion it has no traffic."""
    return context.stage in (AnalysisStage.POST_PROMOTION, AnalysisStage.WATCH)


def queries(
    bound: BoundMetric, settings: SequentialJudge, source: Source, window: float, at: float, *, reference: bool = False
) -> tuple[MetricQuery, ...]:
    """Both counts of a look over its window (seconds), for all revisions at once."""
    return tuple(
        MetricQuery(
            metric=bound.name,
            part=part,
            source=source,
            text=count_since(_rendered(selector, bound.args), int(window), settings.by),
            at=at,
            reference=reference,
        )
        for part, selector in _selectors(settings)
    )


def read_counts(answers: Mapping[Part, Sequence[Sample]], row: Row) -> Counts:
    """One revision's counts. Raises NoCountsError where a count is not a finite number or cannot be told.

    A failure counter without series means no failures: many are created by the first one. A success counter without
    series beside a request counter with some may as well be a wrong selector, so it is no evidence.
    """
    requests = row.value(answers[Part.REQUESTS])
    if Part.FAILURES in answers:
        failures = row.value(answers[Part.FAILURES])
        return _counts(requests or 0.0, failures or 0.0)
    successes = row.value(answers[Part.SUCCESSES])
    if requests and successes is None:
        raise NoCountsError(f"no data: the counter of successes has no series of {row.revision}")
    return _counts(requests or 0.0, (requests or 0.0) - (successes or 0.0))


def _counts(requests: float, failures: float) -> Counts:
    return Counts(requests, min(max(0.0, failures), requests))


def judge_against_stable(
    settings: SequentialJudge, state: SequentialStatus, candidate: Counts, stable: Counts, span: Span
) -> Judgement:
    """One look at candidate and stable under traffic at the same time."""
    threshold = 1.0 / settings.alpha
    seen = _add(settings, state, candidate, stable)
    before = state.log_likelihood_ratios or evidence.start()
    overall = _share(seen.candidate_requests, seen.stable_requests)
    weighed = weigh(before, state.evidence, candidate, stable, span, overall, settings.burst)
    decisive = weighed.decisive
    shown = seen.model_copy(update={"log_likelihood_ratios": weighed.logs, "evidence": decisive})
    kept = state.model_copy(update={"evidence": decisive}) if weighed.held else shown
    text = describe(shown)
    if decisive > threshold:
        judgement = Judgement(MeasurementPhase.FAIL, f"{text}; evidence {_number(decisive)} > {_number(threshold)}")
    elif weighed.suspicion > threshold:
        judgement = _inconclusive(f"{text}; suspected, stable's counts of the same time will confirm or clear it")
    else:
        judgement = _enough(settings, shown) or _pass(text, decisive, threshold)
    return Judgement(judgement.phase, judgement.message, decisive, moves=not weighed.held, sequential=kept)


@dataclass(frozen=True)
class Weighed:
    """What one look at both sides comes to."""

    logs: list[float]
    """Logarithms of the likelihood ratios with this look's counts."""
    decisive: float
    """The evidence that may abort: without those failures of the candidate that stable's next counts may still explain."""
    suspicion: float
    """The evidence with them."""
    held: bool
    """A side had no requests: the look is held open, so that the next one covers both."""


def weigh(
    before: Sequence[float],
    decided: float,
    candidate: Counts,
    stable: Counts,
    span: Span,
    overall: float,
    burst: int = 1,
) -> Weighed:
    """Weigh one look's counts.

    `before` are the logarithms and `decided` the decisive evidence so far; `overall` is the candidate's share of all requests
    seen, for a look that shows those of one side only. `burst` failures count as one: where a cause brings s of them, its likelihood
    ratio enters with the power s / burst, whose mean is at most 1 up to s = burst (Jensen's inequality).
    """
    here, there = candidate.failures / burst, stable.failures / burst
    both = candidate.requests > 0 and stable.requests > 0
    held = not both and span.window < max(PATIENCE_SECONDS, span.interval)
    share = _share(candidate.requests, stable.requests) if both else overall
    confirmed = evidence.update(before, 0.0, there, share)
    if not both:
        after = list(before)
    elif span.unpaired:
        after = confirmed
    else:
        after = evidence.update(before, here, here + there, share)
    caught_up = stable.requests > 0 or not held
    decisive = evidence.mixture(confirmed) if caught_up else decided
    return Weighed(after, decisive, max(evidence.mixture(after), decisive), held)


def judge_against_reference(settings: SequentialJudge, state: SequentialStatus, candidate: Counts) -> Judgement:
    """One look at the candidate alone, against the highest failure rate that stable may have had before the switch.

    Half of alpha is spent on that rate's confidence bound, half on the test, whose threshold so is 2/alpha.
    """
    threshold = 2.0 / settings.alpha
    seen = _add(settings, state, candidate, Counts())
    requests, failures = state.reference_requests or 0.0, state.reference_failures or 0.0
    if requests < max(1, settings.min_requests):
        message = (
            f"InsufficientData: stable answered {_number(requests)} of the {max(1, settings.min_requests)} requests "
            f"needed as a baseline in the {REFERENCE_SECONDS // 60} minutes before the switch"
        )
        return Judgement(MeasurementPhase.INCONCLUSIVE, message, state.evidence, sequential=seen)
    burst = settings.burst
    highest = upper_bound(failures / burst, requests / burst, settings.alpha / 2.0)
    before = state.log_likelihood_ratios or evidence.start()
    after = evidence.update(before, candidate.failures / burst, candidate.requests / burst, highest)
    value = evidence.mixture(after)
    seen = seen.model_copy(update={"log_likelihood_ratios": after, "evidence": value})
    text = f"{describe(seen)} before the switch (at most {_percent(highest)})"
    if value > threshold:
        judgement = Judgement(MeasurementPhase.FAIL, f"{text}; evidence {_number(value)} > {_number(threshold)}")
    else:
        judgement = _enough(settings, seen, against_stable=False) or _pass(text, value, threshold)
    return Judgement(judgement.phase, judgement.message, value, sequential=seen)


@dataclass(frozen=True)
class Span:
    """The time that a look covers."""

    window: float
    """Seconds since the latest look whose counts were taken."""
    interval: float
    """Seconds between looks."""
    unpaired: bool = False
    """The first look after an initial delay: the candidate's failures may be older than stable's, so they do not count."""


def _add(settings: SequentialJudge, state: SequentialStatus, candidate: Counts, stable: Counts) -> SequentialStatus:
    return state.model_copy(
        update={
            "alpha": settings.alpha,
            "candidate_requests": state.candidate_requests + candidate.requests,
            "candidate_failures": state.candidate_failures + candidate.failures,
            "stable_requests": state.stable_requests + stable.requests,
            "stable_failures": state.stable_failures + stable.failures,
            "requests_since_weight": state.requests_since_weight + candidate.requests,
        }
    )


def _share(candidate: float, stable: float) -> float:
    return candidate / (candidate + stable) if candidate + stable > 0 else 0.0


def _enough(settings: SequentialJudge, state: SequentialStatus, *, against_stable: bool = True) -> Judgement | None:
    needed = settings.min_requests
    if state.requests_since_weight < needed:
        return _inconclusive(f"InsufficientData: {_number(state.requests_since_weight)} of {needed} requests")
    if against_stable and state.stable_requests < needed:
        return _inconclusive(f"InsufficientData: stable answered {_number(state.stable_requests)} of {needed} requests")
    return None


def _pass(text: str, value: float, threshold: float) -> Judgement:
    return Judgement(MeasurementPhase.PASS, f"{text}; evidence {_number(value)} of {_number(threshold)}")


def _inconclusive(message: str) -> Judgement:
    return Judgement(MeasurementPhase.INCONCLUSIVE, message)


def describe(state: SequentialStatus) -> str:
    """What was counted, for people."""
    if state.reference_requests is None:
        stable = (state.stable_failures, state.stable_requests)
    else:
        stable = (state.reference_failures or 0.0, state.reference_requests)
    return f"candidate failed {_rate(state.candidate_failures, state.candidate_requests)}, stable {_rate(*stable)}"


def _rate(failures: float, requests: float) -> str:
    text = f"{failures:.0f} of {requests:.0f} requests"
    return f"{text} ({_percent(failures / requests)})" if requests > 0 else text


def _percent(share: float) -> str:
    percent = 100.0 * share
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.2g} %"


def _number(value: float) -> str:
    if value >= 1e6:
        return f"{value:.1e}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
