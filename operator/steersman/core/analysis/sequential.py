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
from steersman.core.analysis import evidence, power
from steersman.core.analysis.dispersion import Spread
from steersman.core.analysis.measurement import Judgement
from steersman.core.analysis.model import (
    AnalysisContext,
    BoundMetric,
    MetricQuery,
    Part,
    Sample,
    Source,
)
from steersman.core.analysis.promql import check_selector, count_since, fill, narrowed, render, unless_known
from steersman.core.analysis.proportion import upper_bound
from steersman.core.analysis.remembering import memory_of, prudence_of, remembered, shown_spread, spread_of
from steersman.core.analysis.rows import find
from steersman.core.analysis.weighing import Counts, Span, Weighed, share_of, weigh, weigh_alone

REFERENCE_SECONDS = 600
"""How much of stable's past is the baseline when it has no traffic of its own any more."""


BUCKET_LABEL = "le"
"""The label with a histogram bucket's upper bound."""


class NoCountsError(Exception):
    """The answers hold no usable counts; the message says why."""


def check(settings: SequentialJudge, args: Mapping[str, str]) -> None:
    """Raise PromQLError when a selector is not plain or cannot be rendered with these arguments."""
    for _, selector in _selectors(settings):
        _rendered(selector, args)
    _labels(settings, args, "", "", "")


def _selectors(settings: SequentialJudge) -> list[tuple[Part, str]]:
    outcomes = {
        Part.FAILURES: settings.failures,
        Part.SUCCESSES: settings.successes,
        Part.BUCKETS: settings.buckets,
    }
    given = [(part, selector) for part, selector in outcomes.items() if selector is not None]
    return [(Part.REQUESTS, settings.requests), *given]


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

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is one of them."""
        return all(labels.get(label) == value for label, value in self.labels.items())

    def value(self, samples: Sequence[Sample]) -> float | None:
        """Its value; None without such a series. Raises NoCountsError when it is no finite number."""
        sample = find(samples, self.labels)
        if sample is None:
            return None
        if not math.isfinite(sample.value):
            raise NoCountsError(f"a count of {self.revision} is {sample.value}")
        return max(0.0, sample.value)


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
    bound: BoundMetric,
    settings: SequentialJudge,
    source: Source,
    window: float,
    at: float,
    *,
    reference: bool = False,
    of: Row | None = None,
) -> tuple[MetricQuery, ...]:
    """Both counts of a look over its window (seconds), for all revisions at once or of one."""
    labels = of.labels if of is not None else {}
    return tuple(
        MetricQuery(
            metric=bound.name,
            part=part,
            source=source,
            text=_text(
                bound,
                settings,
                part,
                narrowed(_rendered(selector, bound.args), labels),
                int(window),
                past=of is not None or reference,
            ),
            at=at,
            reference=reference,
        )
        for part, selector in _selectors(settings)
    )


def _text(bound: BoundMetric, settings: SequentialJudge, part: Part, selector: str, window: int, *, past: bool) -> str:
    text = count_since(selector, window, {*settings.by, BUCKET_LABEL} if part is Part.BUCKETS else settings.by)
    if part is Part.REQUESTS and not past:
        # The interval is at least the scrape interval, so by then every pod has been scraped.
        return f"{text} or {unless_known(selector, window, int(bound.interval))}"
    return text


def without_past(answers: Mapping[Part, Sequence[Sample]]) -> bool:
    """Whether no counter of requests was known well before the window, so that counts may be of pods' whole lives."""
    return find(answers[Part.REQUESTS], {}) is not None


def judge_without_past(state: SequentialStatus, window: float) -> Judgement:
    """Count from here on.

    Whole lives of pods cannot be compared: those of stable reach back to other times and loads. Evidence that waits for stable's counts of the lost time
    cannot be confirmed any more, so evidence against the candidate is taken back; lowering it keeps the bound.
    """
    logs = [min(log, 0.0) for log in state.log_likelihood_ratios]
    value = min(state.evidence or 1.0, evidence.mixture(logs))
    lowered = state.model_copy(
        update={
            "log_likelihood_ratios": logs,
            "greatest_looks": [],
            "unsettled": evidence.start(),
            "spread": shown_spread(spread_of(state.spread).skip()) if state.spread is not None else None,
            "evidence": value,
        }
    )
    message = (
        f"no counts of {window:.0f} s ago: Prometheus has lost them or is new to these pods; counting begins again here"
    )
    return Judgement(MeasurementPhase.INCONCLUSIVE, message, value, sequential=lowered)


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
    prudence = prudence_of(settings, state)
    overall = share_of(
        Counts(seen.candidate_requests, seen.candidate_failures), Counts(seen.stable_requests, seen.stable_failures)
    )
    weighed = weigh(memory_of(state), state.evidence, candidate, stable, span, overall, prudence)
    beside = Counts(seen.stable_requests, seen.stable_failures)
    least = power.detectable(seen.candidate_requests, beside, settings.alpha, prudence.size)
    shown = _remember(settings, seen, weighed, _grown(state, stable, span), least)
    kept = state.model_copy(update={"evidence": weighed.decisive}) if weighed.held else shown
    text = describe(shown)
    suspected = "stable's counts of the same time and the next looks will confirm or clear it"
    judgement = failed_or_suspected(weighed, threshold, text, suspected) or too_few(settings, shown)
    judgement = judgement or passed(text, weighed.decisive, threshold)
    return Judgement(judgement.phase, judgement.message, weighed.decisive, moves=not weighed.held, sequential=kept)


def failed_or_suspected(weighed: Weighed, threshold: float, text: str, suspected: str) -> Judgement | None:
    """A judgement where the evidence, decisive or suspected, exceeds the threshold."""
    decisive = weighed.decisive
    if decisive > threshold:
        return Judgement(MeasurementPhase.FAIL, f"{text}; evidence {number(decisive)} > {number(threshold)}")
    if weighed.suspicion > threshold:
        return _inconclusive(f"{text}; suspected, {suspected}")
    return None


def _grown(state: SequentialStatus, stable: Counts, span: Span) -> Spread:
    """What is known of stable's bursts for the next look: counts of intervals of one length only can be compared."""
    spread = spread_of(state.spread)
    return spread.add(stable.failures) if span.window == span.interval and stable.requests > 0 else spread.skip()


def _remember(
    settings: SequentialJudge, seen: SequentialStatus, weighed: Weighed, spread: Spread, least: float | None
) -> SequentialStatus:
    grown = seen.model_copy(update={"spread": shown_spread(spread), "detectable": least})
    return remembered(grown, weighed, prudence_of(settings, grown).size)


def judge_against_reference(
    settings: SequentialJudge, state: SequentialStatus, candidate: Counts, span: Span
) -> Judgement:
    """One look at the candidate alone, against the highest failure rate that stable may have had before the switch.

    Half of alpha is spent on that rate's confidence bound, half on the test, whose threshold so is 2/alpha.
    """
    threshold = 2.0 / settings.alpha
    seen = _add(settings, state, candidate, Counts())
    requests, failures = state.reference_requests or 0.0, state.reference_failures or 0.0
    if requests < max(1, settings.min_requests):
        message = (
            f"InsufficientData: stable answered {number(requests)} of the {max(1, settings.min_requests)} requests "
            f"needed as a baseline in the {REFERENCE_SECONDS // 60} minutes before the switch"
        )
        return Judgement(MeasurementPhase.INCONCLUSIVE, message, state.evidence, sequential=seen)
    prudence = prudence_of(settings, state)
    highest = upper_bound(failures / prudence.size, requests / prudence.size, settings.alpha / 2.0)
    weighed = weigh_alone(memory_of(state), candidate, highest, span, prudence)
    least = power.detectable_alone(seen.candidate_requests, highest, settings.alpha / 2.0, prudence.size)
    shown = _remember(settings, seen, weighed, spread_of(state.spread), least)
    text = f"{describe(shown)} before the switch (at most {_percent(highest)})"
    judgement = failed_or_suspected(weighed, threshold, text, "the next looks will confirm or clear it")
    judgement = judgement or too_few(settings, shown, against_stable=False) or passed(text, weighed.decisive, threshold)
    return Judgement(judgement.phase, judgement.message, weighed.decisive, sequential=shown)


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


def too_few(settings: SequentialJudge, state: SequentialStatus, *, against_stable: bool = True) -> Judgement | None:
    """A judgement where there are fewer requests than minRequests."""
    needed = settings.min_requests
    if state.requests_since_weight < needed:
        return _inconclusive(f"InsufficientData: {number(state.requests_since_weight)} of {needed} requests")
    if against_stable and state.stable_requests < needed:
        return _inconclusive(f"InsufficientData: stable answered {number(state.stable_requests)} of {needed} requests")
    return None


def passed(text: str, value: float, threshold: float) -> Judgement:
    """The judgement of a look without objections."""
    return Judgement(MeasurementPhase.PASS, f"{text}; evidence {number(value)} of {number(threshold)}")


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


def number(value: float) -> str:
    """A count or an evidence, for people."""
    if value >= 1e6:
        return f"{value:.1e}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
