"""Betting on means: expectations by enumeration, bounds, and histograms read as values."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.analysis.builders import CANDIDATE, NAMESPACE, STABLE

from steersman.core.analysis import evidence, means
from steersman.core.analysis.histogram import Histogram, pair, read
from steersman.core.analysis.means import BETS, Values
from steersman.core.analysis.model import Sample
from steersman.core.analysis.sequential import NoCountsError, Row

SUPPORTS = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=3, unique=True)
CENTRES = st.sampled_from([0.0, 0.01, 0.3, 0.5, 0.97, 1.0])
Distribution = dict[float, float]


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    support = draw(SUPPORTS)
    weights = [draw(st.integers(1, 9)) for _ in support]
    return {value: weight / sum(weights) for value, weight in zip(support, weights, strict=True)}


def mean(distribution: Distribution) -> float:
    return math.fsum(value * chance for value, chance in distribution.items())


def values(observed: Sequence[float]) -> Values:
    return Values(tuple((value, 1.0) for value in observed))


def outcomes(distribution: Distribution, number: int) -> list[tuple[float, Values]]:
    """(chance, observations) of everything that so many independent observations may be."""
    drawn = itertools.product(distribution.items(), repeat=number)
    return [(math.prod(chance for _, chance in each), values([value for value, _ in each])) for each in drawn]


@given(distributions(), distributions(), st.integers(1, 3), st.integers(1, 3), CENTRES)
@settings(max_examples=150, deadline=None)
def test_the_mean_of_a_looks_factor_is_at_most_one_when_the_candidates_mean_is_not_greater(
    one: Distribution, other: Distribution, n: int, s: int, centre: float
) -> None:
    lesser, greater = sorted((one, other), key=mean)
    for ours, theirs in ((lesser, greater), (one, one)):
        expected = [0.0] * len(BETS)
        for (chance, here), (chance_there, there) in itertools.product(outcomes(ours, n), outcomes(theirs, s)):
            factors = [math.exp(log) for log in means.look(here, there, centre)]
            expected = [a + chance * chance_there * b for a, b in zip(expected, factors, strict=True)]
        assert max(expected) <= 1.0 + 1e-9


@given(distributions(), st.integers(1, 3), st.floats(0.0, 0.5))
@settings(max_examples=100, deadline=None)
def test_against_a_highest_mean_too(ours: Distribution, n: int, above: float) -> None:
    expected = [0.0] * len(BETS)
    for chance, here in outcomes(ours, n):
        looked = means.look_alone(here, mean(ours) + above)
        expected = [a + chance * math.exp(b) for a, b in zip(expected, looked, strict=True)]
    assert max(expected) <= 1.0 + 1e-6


@given(st.floats(0.0, 0.99), st.floats(-1.0, 1.0))
def test_the_bet_is_stronger_than_the_empirical_bernstein_factor(stake: float, z: float) -> None:
    psi = -math.log1p(-stake) - stake
    assert math.exp(stake * z - psi * z * z) <= 1.0 + stake * z + 1e-12


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=9), st.integers(0, 9), CENTRES)
def test_stables_part_alone_never_speaks_against_the_candidate(seen: list[float], n: int, centre: float) -> None:
    assert max(means.look_of_stable(float(n), values(seen), centre)) <= 0.0


def test_a_memory_keeps_either_alternatives() -> None:
    assert len(BETS) == len(evidence.ODDS)
    assert means.look(Values(), values([1.0]), 0.5) == means.look(values([1.0]), Values(), 0.5) == [0.0] * len(BETS)


def test_observations_that_count_as_one_enter_by_the_root() -> None:
    here, there = values([0.5, 0.9]), values([0.1, 0.2, 0.1])
    whole, half = (means.look(here, there, 0.2, size) for size in (1.0, 2.0))
    assert half == pytest.approx([each / 2.0 for each in whole])


def test_the_upper_bound_is_at_least_the_mean_and_tightens() -> None:
    bounds = [means.upper_bound(Values(((0.0, 6.0 * n), (1.0, 4.0 * n))), 0.05) for n in (0.1, 1, 10, 100, 10_000)]
    assert bounds == sorted(bounds, reverse=True) and 0.4 < bounds[-1] < 0.41 and bounds[0] > 0.9
    assert means.upper_bound(Values(((0.0, 6.0), (1.0, 4.0))), 0.05) < means.upper_bound(
        Values(((0.0, 60.0), (1.0, 40.0))), 0.05, 20.0
    )
    assert means.upper_bound(Values(), 0.05) == 1.0
    with pytest.raises(ValueError, match="level"):
        means.upper_bound(values([0.5]), 0.0)


@pytest.mark.parametrize("above", [0.01, 0.1])
def test_the_upper_bound_is_where_the_product_reaches_the_level(above: float) -> None:
    seen = values([0.1, 0.1, 0.2, 0.0, 0.3, 0.1] * 9)
    bound = means.upper_bound(seen, 0.05)

    def product(mean: float) -> float:
        logs = [
            math.fsum(math.log1p(bet * (mean - y) / (1.0 - mean)) * count for y, count in seen.items) for bet in BETS
        ]
        return evidence.mixture(logs)

    assert product(bound) == pytest.approx(20.0, rel=1e-6) and product(bound + above) > 20.0


def test_the_upper_bound_covers() -> None:
    # A share of at most 5 % of 1,000 exceeds it: 72 with a probability below 1 in 1,000.
    draw = random.Random(1)
    missed = sum(
        means.upper_bound(values([float(draw.random() < 0.1) for _ in range(100)]), 0.05) < 0.1 for _ in range(1000)
    )
    assert missed <= 72


ROW, OTHER = (Row(name, {"namespace": NAMESPACE, "steersman_dev_revision": name}) for name in (CANDIDATE, STABLE))


def buckets(row: Row, **counts: float) -> list[Sample]:
    return [Sample({**row.labels, "le": le}, count) for le, count in counts.items()]


def test_an_observation_counts_as_its_buckets_bound() -> None:
    rows = buckets(ROW, **{"+Inf": 10.0, "0.5": 7.0, "0.25": 4.0, "1e+00": 8.0, "5.0": 9.0})
    found = read([*buckets(OTHER, **{"0.1": 99.0, "+Inf": 99.0}), *rows], ROW, 2.0)
    assert found.up_to == ((0.25, 4.0), (0.5, 7.0), (1.0, 8.0), (2.0, 10.0))
    assert found.values(found.bounds) == Values(((0.125, 4.0), (0.25, 3.0), (0.5, 1.0), (1.0, 2.0)))
    assert found.values(found.bounds).sum * 2.0 == pytest.approx(4 * 0.25 + 3 * 0.5 + 1.0 + 2 * 2.0)
    assert read(rows, OTHER, 2.0).up_to == ()


@pytest.mark.parametrize("le", ["+Inf", "Inf", "inf", "10", "1e+06"])
def test_bounds_as_prometheus_and_others_write_them(le: str) -> None:
    assert read(buckets(ROW, **{"0.250": 1.0, le: 3.0}), ROW, 1.0).up_to == ((0.25, 1.0), (1.0, 3.0))


def test_counts_that_fall_are_raised() -> None:
    found = read(buckets(ROW, **{"0.1": 5.0, "0.2": 3.0, "+Inf": 6.0}), ROW, 1.0)
    assert found.up_to == ((0.1, 5.0), (0.2, 5.0), (1.0, 6.0))


def test_bounds_below_zero_count_as_zero() -> None:
    found = read(buckets(ROW, **{"-1": 5.0, "0.5": 6.0, "+Inf": 6.0}), ROW, 1.0)
    assert found.values(found.bounds).items == ((0.0, 5.0), (0.5, 1.0))


@pytest.mark.parametrize("count", [math.nan, math.inf, -math.inf, 1e300])
def test_a_count_that_is_no_number_is_none(count: float) -> None:
    with pytest.raises(NoCountsError, match="a bucket's count"):
        read(buckets(ROW, **{"0.1": count, "+Inf": 6.0}), ROW, 1.0)


@pytest.mark.parametrize("le", ["", "fast", "NaN"])
def test_a_bound_that_is_no_number_is_none(le: str) -> None:
    with pytest.raises(NoCountsError, match="upper bound"):
        read(buckets(ROW, **{le: 1.0, "+Inf": 6.0}), ROW, 1.0)


def test_the_greatest_observations_must_be_there() -> None:
    with pytest.raises(NoCountsError, match=r'le="\+Inf"'):
        read(buckets(ROW, **{"0.1": 1.0, "0.5": 6.0}), ROW, 1.0)


def test_histograms_are_compared_by_the_bounds_that_both_have() -> None:
    fine = Histogram(1.0, ((0.1, 5.0), (0.25, 8.0), (0.5, 9.0), (1.0, 10.0)))
    coarse = Histogram(1.0, ((0.2, 3.0), (0.5, 9.0), (1.0, 10.0)))
    ours, theirs = pair(fine, coarse)
    assert ours == theirs == Values(((0.5, 9.0), (1.0, 1.0)))
    assert pair(fine, Histogram(1.0))[0].number == 10.0 and pair(Histogram(1.0), coarse)[1].mean == pytest.approx(0.46)
    with pytest.raises(NoCountsError, match="in common"):
        pair(fine, Histogram(1.0, ((0.3, 3.0), (1.0, 10.0))))


def test_the_unit_does_not_matter() -> None:
    seconds = [Histogram(1.0, ((0.125, n), (0.5, n + 3.0), (1.0, n + 4.0))) for n in (5.0, 50.0)]
    millis = [Histogram(1000.0, tuple((bound * 1000.0, count) for bound, count in each.up_to)) for each in seconds]
    assert pair(*seconds) == pair(*millis)
