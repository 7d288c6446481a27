"""The rules: Steersman's own judge, and Argo Rollouts, Flagger and Kayenta restated from their documentation and sources.

Each takes one rollout's counts and says after how many ticks it ends it, or None. All see the same counts at the same weights; that Flagger
does not raise the weight after a failed check is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy
from scipy import stats

from benchmarks.judging.scenarios import TICK, TICKS, WEIGHTS, Array, Counts
from steersman.api.analysis import SequentialJudge
from steersman.core.analysis.weighing import Counts as Seen
from steersman.core.analysis.weighing import warm_up
from steersman.core.foresight.looking import Looking

Rule = Callable[[Counts], int | None]

DEFAULTS: Final = SequentialJudge(requests="requests", failures="failures")
STARTS: Final = [
    tick for tick in range(0, TICKS, 60 // TICK) if WEIGHTS[tick * TICK // 60] != (0, *WEIGHTS)[tick * TICK // 60]
]
"""Ticks at which a new weight begins."""
MINUTE: Final = 60 // TICK
"""Ticks between the checks of the rules that look once a minute."""


def steersman(judge: SequentialJudge = DEFAULTS, *, with_past: bool = True) -> Rule:
    """The sequential judge, which looks at every tick; with its defaults or other settings, and with stable's past or a new stable."""
    return lambda counts: _steersman(counts, judge, counts.past if with_past else ())


def _steersman(counts: Counts, judge: SequentialJudge, past: Iterable[float]) -> int | None:
    looking = Looking(TICK, judge.alpha, judge, past)
    # Soon after each new weight is no time to decide.
    warm = {start + tick for start in STARTS for tick in range(int(warm_up(judge, TICK)) // TICK)}
    for tick in range(TICKS):
        candidate = Seen(counts.candidate[tick], counts.candidate_failures[tick])
        stable = Seen(counts.stable[tick], counts.stable_failures[tick])
        if looking.aborts(candidate, stable, (tick + 1) * TICK, settled=tick not in warm):
            return tick + 1
    return None


def argo(failure_limit: int, success: float = 0.95) -> Rule:
    """Argo Rollouts: the candidate's success rate of the last minute, once a minute; ends with more failures than failureLimit.

    The condition is that of its documentation's first example (result >= 0.95). Without requests the result is NaN: no failure.
    """
    return _checks(failure_limit, success)


def flagger(threshold: int = 5, success: float = 0.99) -> Rule:
    """Flagger: request-success-rate of at least 99 % in the last minute, once a minute; ends at `threshold` failed checks."""
    return _checks(threshold - 1, success)


def _checks(tolerated: int, success: float) -> Rule:
    """Once a minute; ends with the first failed check after so many."""

    def rule(counts: Counts) -> int | None:
        failed = 0
        for end in range(MINUTE, TICKS + 1, MINUTE):
            failed += _success(counts, end) < success
            if failed > tolerated:
                return end
        return None

    return rule


def _success(counts: Counts, end: int) -> float:
    requests = counts.candidate[end - MINUTE : end].sum()
    return float(1.0 - counts.candidate_failures[end - MINUTE : end].sum() / requests) if requests else float("nan")


def kayenta(every: int = 5, confidence: float = 0.98, fraction: float = 0.25) -> Rule:
    """Kayenta's NetflixACAJudge: error rates a minute, candidate against stable, all so far, judged every five minutes.

    The metric is High when the confidence interval of the Hodges-Lehmann shift lies above a quarter of the estimate
    (MannWhitneyClassifier); one metric makes the score 0. The interval is that of R's wilcox.test without ties.
    """

    def rule(counts: Counts) -> int | None:
        here = _rates(counts.candidate_failures, counts.candidate)
        there = _rates(counts.stable_failures, counts.stable)
        for minutes in range(every, len(here) + 1, every):
            if _is_high(_kept(here[:minutes]), _kept(there[:minutes]), confidence, fraction):
                return minutes * MINUTE
        return None

    return rule


def _rates(failures: Array, requests: Array) -> Array:
    of_minutes = requests.reshape(-1, MINUTE).sum(axis=1)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return failures.reshape(-1, MINUTE).sum(axis=1) / of_minutes


def _kept(values: Array) -> Array:
    """Without NaN and outliers: IQRDetector(factor = 3, reduceSensitivity = true)."""
    values = values[numpy.isfinite(values)]
    if len(values) < 2:
        return values
    low, high = numpy.percentile(values, (25, 75))
    reach = 3.0 * (high - low)
    return values[
        (values >= min(low - reach, numpy.percentile(values, 1)))
        & (values <= max(high + reach, numpy.percentile(values, 99)))
    ]


def _is_high(experiment: Array, control: Array, confidence: float, fraction: float) -> bool:
    if not len(experiment) or not len(control) or numpy.array_equal(experiment, control):
        return False
    shift = numpy.sort(numpy.subtract.outer(experiment, control).ravel())
    deviation = numpy.sqrt(len(experiment) * len(control) * (len(experiment) + len(control) + 1) / 12.0)
    # The normal approximation of the rank below which the lower bound lies.
    rank = int(numpy.round(len(shift) / 2.0 - stats.norm.ppf(0.5 + confidence / 2.0) * deviation))
    lower = shift[max(rank, 1) - 1]
    return bool(lower > fraction * abs(numpy.median(shift)))


RULES: dict[str, Rule] = {
    "Steersman": steersman(),
    "Steersman, new stable": steersman(with_past=False),
    "Steersman, no doubt": steersman(DEFAULTS.model_copy(update={"burst": 1, "outliers": 0, "warm_up": 0.0})),
    "Argo Rollouts, failureLimit 0": argo(0),
    "Argo Rollouts, failureLimit 3": argo(3),
    "Flagger, threshold 5": flagger(),
    "Kayenta": kayenta(),
}
