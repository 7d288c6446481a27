"""What `steersman simulate` plays: the timeline, the random counts, and that the judge is the judge."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from random import Random

import pytest
from scipy import stats

from steersman.api.analysis import SequentialJudge
from steersman.api.status import MeasurementPhase
from steersman.api.steps import Pause, SetMirrorRoute, StageAnalysis, Step
from steersman.api.strategy import DEFAULT_STEPS
from steersman.core.analysis import sequential
from steersman.core.analysis.schedule import SETTLE_SECONDS
from steersman.core.analysis.weighing import Counts, Span, warm_up
from steersman.core.foresight.draw import binomial, poisson
from steersman.core.foresight.forecast import Judging, forecast
from steersman.core.foresight.timeline import Looks, Stretch, timeline
from steersman.core.foresight.trials import (
    AFTER_LOOK,
    Scenario,
    Trial,
    outlook,
    play,
    smallest_seen,
    trials_for,
)

LOOKS = Looks(interval=15.0, min_requests=20)


JUDGE = SequentialJudge(requests="r", failures="f")
PLAIN = JUDGE.model_copy(update={"burst": 1, "outliers": 0, "warm_up": 0.0})
"""Without doubt: what the test itself promises."""


def scenario(
    per_second: float = 40.0, stable: float = 0.002, alpha: float = 0.01, judge: SequentialJudge = JUDGE
) -> Scenario:
    return Scenario(timeline(DEFAULT_STEPS, LOOKS, per_second), per_second, stable, LOOKS.interval, alpha, judge)


def test_a_weight_lasts_as_long_as_its_pauses() -> None:
    found = timeline(DEFAULT_STEPS, LOOKS, 40.0)
    assert found.stretches == (Stretch(10, 0.0, 60.0), Stretch(50, 60.0, 120.0))
    assert (found.seconds, found.waits) == (120.0, 0)
    assert found.requests(0.0, 120.0, 40.0) == pytest.approx((1440.0, 3360.0))
    assert found.requests(50.0, 70.0, 10.0) == pytest.approx((60.0, 140.0))
    assert found.requests(110.0, 500.0, 10.0) == pytest.approx((50.0, 50.0))


def test_a_weight_without_a_pause_lasts_until_a_look_has_seen_it() -> None:
    found = timeline([Step(set_weight=20), Step(set_weight=50)], LOOKS, 40.0)
    first = LOOKS.interval + SETTLE_SECONDS
    assert found.stretches == (Stretch(20, 0.0, first), Stretch(50, first, 30.0 + SETTLE_SECONDS))


def test_few_requests_make_a_weight_last() -> None:
    found = timeline([Step(set_weight=10), Step(pause=Pause(duration=30.0))], LOOKS, 1.0)
    assert found.seconds == 210.0 + SETTLE_SECONDS, (
        "20 requests at 0.1 a second take 200 s, and the look is on the grid"
    )


def test_what_is_no_weight_and_what_waits_for_a_person() -> None:
    steps = [
        Step(set_mirror_route=SetMirrorRoute(percentage=50)),
        Step(pause=Pause(duration=60.0)),
        Step(set_weight=10),
        Step(pause=Pause()),
        Step(pause=Pause(duration=60.0)),
        Step(analysis=StageAnalysis(templates=[{"name": "errors"}])),
        Step(set_weight=100),
    ]
    found = timeline(steps, LOOKS, 40.0)
    assert (found.stretches, found.waits) == ((Stretch(10, 0.0, 75.0),), 1)


@pytest.mark.parametrize("steps", [[Step(set_weight=100)], [Step(pause=Pause(duration=60.0))]])
def test_without_a_weight_nothing_can_be_seen(steps: list[Step]) -> None:
    with pytest.raises(ValueError, match="no step gives the candidate requests"):
        timeline(steps, LOOKS, 40.0)


@pytest.mark.parametrize("mean", [0.3, 4.0, 29.0, 200.0])
def test_poisson_counts_are_poisson(mean: float) -> None:
    random = Random(7)
    drawn = [poisson(random, mean) for _ in range(20_000)]
    assert _fits(drawn, stats.poisson(mean)) > 1e-3


@pytest.mark.parametrize(
    ("trials", "probability"), [(10, 0.1), (1000, 0.002), (40, 0.5), (40, 0.9), (3000, 0.3), (1, 0.01)]
)
def test_binomial_counts_are_binomial(trials: int, probability: float) -> None:
    random = Random(7)
    drawn = [binomial(random, trials, probability) for _ in range(20_000)]
    assert min(drawn) >= 0 and max(drawn) <= trials
    assert _fits(drawn, stats.binom(trials, probability)) > 1e-3


def test_counts_of_nothing() -> None:
    random = Random(7)
    assert (poisson(random, 0.0), binomial(random, 0, 0.5), binomial(random, 9, 0.0), binomial(random, 9, 1.0)) == (
        0,
        0,
        0,
        9,
    )


def _fits(drawn: list[int], distribution: object) -> float:
    """The p value of a chi-squared test with classes of at least 20 expected, the tails together."""
    counts, classes, low = Counter(drawn), [], -math.inf
    value, kept = int(distribution.ppf(1e-4)), 0.0  # type: ignore[attr-defined]
    while value <= distribution.ppf(1 - 1e-4):  # type: ignore[attr-defined]
        probability = distribution.cdf(value) - (distribution.cdf(low) if math.isfinite(low) else 0.0)  # type: ignore[attr-defined]
        if probability * len(drawn) >= 20 and (1 - distribution.cdf(value)) * len(drawn) >= 20:  # type: ignore[attr-defined]
            classes.append((low, value, probability))
            low, kept = value, kept + probability
        value += 1
    classes.append((low, math.inf, 1 - kept))
    seen = [sum(count for each, count in counts.items() if begin < each <= end) for begin, end, _ in classes]
    if len(classes) == 1:
        return 1.0
    return float(stats.chisquare(seen, [probability * len(drawn) for *_, probability in classes]).pvalue)


def played_by_the_judge(given: Scenario, rate: float, random: Random) -> Trial:
    """The same rollout, look by look through the judge that the operator asks."""
    settings = given.judge.model_copy(update={"alpha": given.alpha, "min_requests": 0})
    state, since, failed = sequential.start(), 0.0, 0
    candidate, stable = [0, 0], [0, 0]
    looks = math.floor((given.timeline.seconds - SETTLE_SECONDS) / given.interval)
    for number in range(1, looks + 1):
        at = number * given.interval
        means = given.timeline.requests(at - given.interval, at, given.per_second)
        for counts, mean, share in ((candidate, means[0], rate), (stable, means[1], given.stable)):
            requests = poisson(random, mean)
            failures = binomial(random, requests, share)
            counts[0] += requests
            counts[1] += failures
            failed += failures if counts is candidate else 0
        settled = given.timeline.is_settled(at - given.interval, warm_up(settings, given.interval))
        span = Span(window=at - since, interval=given.interval, settled=settled)
        judged = sequential.judge_against_stable(settings, state, Counts(*candidate), Counts(*stable), span)
        assert judged.sequential is not None
        state = judged.sequential
        if judged.phase is MeasurementPhase.FAIL:
            more = given.timeline.requests(at, at + AFTER_LOOK, given.per_second)[0]
            return Trial(at + AFTER_LOOK, failed + binomial(random, poisson(random, more), rate))
        if judged.moves:
            since, candidate, stable = at, [0, 0], [0, 0]
    more = given.timeline.requests(looks * given.interval, given.timeline.seconds, given.per_second)[0]
    return Trial(None, failed + binomial(random, poisson(random, more), rate))


@pytest.mark.parametrize("per_second", [0.05, 0.5, 5.0, 40.0])
@pytest.mark.parametrize("rate", [0.002, 0.02, 0.3])
def test_a_rollout_is_judged_as_the_operator_judges_it(per_second: float, rate: float) -> None:
    given = scenario(per_second, alpha=0.05)
    for number in range(20):
        assert play(given, rate, Random(number)) == played_by_the_judge(given, rate, Random(number))


def test_a_good_candidate_is_aborted_no_more_often_than_alpha_allows() -> None:
    careful = outlook(scenario(stable=0.05, alpha=0.1, judge=PLAIN), 0.05, trials=300, seed=3)
    assert careful.aborted <= 0.1
    careless = outlook(scenario(stable=0.05, alpha=0.5, judge=PLAIN), 0.05, trials=300, seed=3)
    assert 0.0 < careless.aborted <= 0.5


def test_what_is_worse_is_found_more_often_and_sooner() -> None:
    outlooks = [outlook(scenario(), rate, trials=100, seed=3) for rate in (0.002, 0.01, 0.05, 0.5)]
    shares = [seen.aborted for seen in outlooks]
    assert shares == sorted(shares) and shares[0] < 0.02 and shares[-1] == 1.0
    times = [seen.seconds for seen in outlooks if seen.seconds is not None]
    assert times == sorted(times, reverse=True) and times[-1] <= 3 * LOOKS.interval + AFTER_LOOK
    assert outlooks[-1].failed > outlooks[0].failed


def test_failures_of_a_rollout_that_nobody_ends_are_what_is_expected() -> None:
    given = scenario(stable=0.01, alpha=1e-9)
    seen = outlook(given, 0.01, trials=400, seed=3)
    expected = 0.01 * given.timeline.requests(0.0, given.timeline.seconds, given.per_second)[0]
    assert seen.aborted == 0.0 and seen.seconds is None
    assert seen.failed == pytest.approx(expected, rel=0.05)


def test_the_smallest_regression_is_found_with_its_power() -> None:
    given = scenario()
    small, smaller = smallest_seen(given, 0.8, 200, 3), smallest_seen(given, 0.95, 200, 3)
    assert small is not None and smaller is not None and given.stable < small < smaller < 0.08
    assert outlook(given, small, 200, 3).aborted >= 0.8
    assert outlook(given, small * 0.8, 200, 3).aborted < 0.8


def test_with_too_few_requests_nothing_is_found() -> None:
    given = Scenario(timeline(DEFAULT_STEPS, Looks(15.0, 0), 0.02), 0.02, 0.002, 15.0, 0.01)
    assert smallest_seen(given, 0.8, 100, 3) is None


def test_equal_seeds_give_equal_forecasts_and_everything_is_in_the_data() -> None:
    judging = Judging("errors/errors", 0.01, 0.02, 2, JUDGE, 15.0, ("latency",))
    first, second = (forecast("fraud", scenario(), judging, [0.05], 100, 1) for _ in range(2))
    assert first == second
    data = first.as_data()
    assert [each["rate"] for each in data["candidates"]] == [0.002, 0.05]
    assert data["falseAlarms"] == {"bound": 0.01, "boundOfAll": 0.02, "seen": first.equal.aborted}
    assert data["seconds"] == 120.0 and data["assumedTemplates"] == ["latency"]
    assert [each["rate"] for each in data["curve"]] == sorted(each["rate"] for each in data["curve"])


def test_long_rollouts_are_played_less_often() -> None:
    short = timeline(DEFAULT_STEPS, LOOKS, 40.0)
    long = timeline([Step(set_weight=10), Step(pause=Pause(duration=36_000.0))], LOOKS, 40.0)
    assert trials_for(short, 15.0) == 1000 and trials_for(long, 15.0) == 200


def test_the_mean_of_outlooks_is_over_all_rollouts() -> None:
    seen = outlook(scenario(), 0.05, trials=50, seed=3)
    played = [play(scenario(), 0.05, Random(f"3/{number}")) for number in range(50)]
    assert seen.failed == statistics.mean(each.failed for each in played)
