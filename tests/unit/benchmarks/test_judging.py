"""The rules of other systems as the judges' benchmark restates them."""

from __future__ import annotations

import numpy
import pytest
from benchmarks import judges
from benchmarks.judging.rules import DEFAULTS, MINUTE, RULES, argo, flagger, kayenta, steersman
from benchmarks.judging.scenarios import PAST, TICKS, WEIGHTS, Counts, Scenario, constant, outage, scenarios
from benchmarks.judging.trials import Score, play


def counts(failing: dict[int, float], requests: float = 100.0, stable: float = 0.0) -> Counts:
    """A candidate that fails these shares in these minutes."""
    rates = numpy.zeros(TICKS)
    for minute, rate in failing.items():
        rates[minute * MINUTE : (minute + 1) * MINUTE] = rate
    full = numpy.full(TICKS, requests)
    return Counts(full, full * rates, full * 9, full * 9 * stable, numpy.zeros(PAST))


def test_argo_ends_with_one_failed_measurement_more_than_the_limit() -> None:
    two = counts({1: 0.06, 3: 0.06})
    assert argo(0)(two) == 2 * MINUTE and argo(1)(two) == 4 * MINUTE and argo(2)(two) is None
    assert argo(0)(counts({1: 0.05})) is None, "95 % success is enough"


def test_flagger_ends_at_its_threshold_of_failed_checks() -> None:
    bad = counts(dict.fromkeys(range(2, 8), 0.02))
    assert flagger(5)(bad) == 7 * MINUTE and flagger(7)(bad) is None


def test_no_requests_are_no_failure() -> None:
    nothing = counts({}, requests=0.0)
    assert {name: rule(nothing) for name, rule in RULES.items()} == dict.fromkeys(RULES)


def test_kayenta_judges_every_five_minutes_and_not_what_is_equal() -> None:
    assert kayenta()(counts(dict.fromkeys(range(15), 0.2), stable=0.01)) == 5 * MINUTE
    assert kayenta()(counts(dict.fromkeys(range(15), 0.01), stable=0.01)) is None


def test_steersman_is_the_operators_judge() -> None:
    bad = counts(dict.fromkeys(range(15), 0.5), stable=0.001)
    assert steersman()(bad) == 3, "two looks might have a reason of their own"
    assert steersman(DEFAULTS.model_copy(update={"outliers": 0, "warm_up": 0.0}))(bad) == 2, (
        "confirmed by the second look"
    )
    assert steersman()(counts({}, stable=0.01)) is None


def test_scenarios_draw_what_they_say() -> None:
    random = numpy.random.default_rng(1)
    drawn = Scenario("x", 400.0, constant(0.1, 0.01), True).draw(random)
    share = drawn.candidate.sum() / (drawn.candidate.sum() + drawn.stable.sum())
    assert share == pytest.approx(sum(WEIGHTS) / len(WEIGHTS) / 100, rel=0.02)
    assert drawn.candidate_failures.sum() / drawn.candidate.sum() == pytest.approx(0.1, rel=0.05)
    bursts = Scenario("x", 400.0, constant(0.01, 0.01), False, burst=20).draw(random)
    assert bursts.stable_failures.sum() / bursts.stable.sum() == pytest.approx(0.01, rel=0.2)
    assert not numpy.any(bursts.stable_failures % 20)
    here, there = outage(0.001)(random)
    assert numpy.array_equal(here, there) and sorted(set(here)) == [0.001, 0.8] and (here == 0.8).sum() == 4
    assert len({scenario.name for scenario in scenarios()}) == len(scenarios())


def test_all_rules_see_the_same_requests_and_seeds_repeat() -> None:
    scenario = Scenario("50/s: candidate 10 x", 50.0, constant(0.05, 0.005), True, 10)
    first, second = (play(scenario, RULES, 20, 7) for _ in range(2))
    assert first == second
    assert all(score.failed <= 500 for score in first.values()) and first["Steersman"].ended == 1.0


def scores(**changed: Score) -> dict[str, Score]:
    return {name: changed.get(name.split(",")[0].split()[0], Score(0.0, None, 90.0)) for name in RULES}


def test_targets_are_judged_by_more_than_chance() -> None:
    good = Scenario("a: equal", 1.0, constant(0.1, 0.1), False)
    bad = Scenario("a: candidate 10 x", 1.0, constant(0.1, 0.01), True, 10)
    twice = Scenario("a: candidate 2 x", 1.0, constant(0.1, 0.01), True, 2)
    assert judges.misses([(good, scores())], 400) == []
    assert judges.misses([(good, scores(Steersman=Score(0.05, 9.0, 1.0)))], 400) == ["a: equal: 5 % false rollbacks"]
    assert len(judges.misses([(bad, scores(Steersman=Score(1.0, 9.0, 40.0)))], 400)) == 1, "a third of Flagger's is 30"
    assert judges.misses([(bad, scores(Steersman=Score(1.0, 9.0, 30.0)))], 400) == []
    found = {"Kayenta": Score(0.9, 9.0, 90.0), "Steersman": Score(0.5, 9.0, 90.0)}
    assert len(judges.misses([(good, scores()), (twice, scores(**found))], 400)) == 1
    careless = {"Kayenta": Score(0.2, 9.0, 90.0)}
    assert judges.misses([(good, scores(**careless)), (twice, scores(**found))], 400) == [], "not within its own bound"
