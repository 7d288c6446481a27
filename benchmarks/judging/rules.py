"""The rules: Steersman's own judge, Kayenta's as the operator has it, and Argo Rollouts and Flagger restated from their
documentation.

Each takes one rollout's counts and says after how many ticks it ends it, or None. All see the same counts at the same weights; that Flagger
does not raise the weight after a failed check is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy

from benchmarks.judging.scenarios import TICK, TICKS, WEIGHTS, Array, Counts
from steersman.api.analysis import SequentialJudge
from steersman.api.comparison_judges import Direction, MannWhitneyJudge
from steersman.api.judgement_status import Classification
from steersman.core.analysis.kayenta.classify import classify
from steersman.core.analysis.kayenta.preprocessing import prepared
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


def kayenta(every: int = 5) -> Rule:
    """Kayenta's NetflixACAJudge: error rates a minute, candidate against stable, all so far, judged every five minutes.

    This is the operator's own mannWhitney judge, with its defaults; one metric makes the score 0.
    """
    settings = MannWhitneyJudge(query="errors", direction=Direction.INCREASE)

    def rule(counts: Counts) -> int | None:
        here = _rates(counts.candidate_failures, counts.candidate)
        there = _rates(counts.stable_failures, counts.stable)
        for minutes in range(every, len(here) + 1, every):
            sides = (prepared(side[:minutes], settings.nan_strategy, settings.outliers) for side in (here, there))
            if classify(settings, *sides).classification is Classification.HIGH:
                return minutes * MINUTE
        return None

    return rule


def _rates(failures: Array, requests: Array) -> list[float]:
    """In percent: Kayenta's interval is exact to 1e-4 of the unit, which would be much of a share."""
    of_minutes = requests.reshape(-1, MINUTE).sum(axis=1)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        shares = failures.reshape(-1, MINUTE).sum(axis=1) / of_minutes
    return [100.0 * float(share) for share in shares]


RULES: dict[str, Rule] = {
    "Steersman": steersman(),
    "Steersman, new stable": steersman(with_past=False),
    "Steersman, no doubt": steersman(DEFAULTS.model_copy(update={"burst": 1, "outliers": 0, "warm_up": 0.0})),
    "Argo Rollouts, failureLimit 0": argo(0),
    "Argo Rollouts, failureLimit 3": argo(3),
    "Flagger, threshold 5": flagger(),
    "Kayenta": kayenta(),
}
