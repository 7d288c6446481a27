"""The numbers under Kayenta's classification: against R and Kayenta as published, against scipy, and their own laws."""

from __future__ import annotations

import math
import time
from itertools import product
from random import Random
from statistics import NormalDist

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from tests.unit.analysis import kayenta_examples as examples

from steersman.core.analysis.kayenta.effect import cles, mean_ratio
from steersman.core.analysis.kayenta.preprocessing import percentile, without_outliers
from steersman.core.analysis.kayenta.ranks import Ranks, TiedError
from steersman.core.analysis.kayenta.roots import root
from steersman.core.analysis.kayenta.shift import PRECISION, shift

E = 1e-6
"""The precision that Kayenta's own tests ask for."""


@pytest.mark.parametrize(
    ("candidate", "stable", "confidence", "expected"),
    [
        ([10.0, 20.0, 30.0, 40.0], [1.0, 2.0, 3.0, 4.0], 0.95, (22.5, 6.0, 39.0)),
        (examples.TIED, examples.TIED_CONTROL, 0.95, examples.TIED_SHIFT),
        (examples.LARGE, examples.LARGE_CONTROL, 0.98, examples.LARGE_SHIFT),
        (
            examples.SPARSE,
            examples.SPARSE_CONTROL,
            0.95,
            (examples.SPARSE_ESTIMATE, examples.SPARSE_LOWER, examples.SPARSE_UPPER),
        ),
    ],
    ids=["four", "tied", "large", "sparse"],
)
def test_the_shift_is_what_r_and_kayenta_publish(
    candidate: list[float], stable: list[float], confidence: float, expected: tuple[float, float, float]
) -> None:
    found = shift(candidate, stable, confidence)
    # Kayenta's suite asks for 1e-4 of R's estimates, and for 1e-6 of the intervals.
    assert found.estimate == pytest.approx(expected[0], abs=1e-4)
    assert (found.lower, found.upper) == pytest.approx(expected[1:], abs=E)


def test_the_statistic_at_the_ends_is_rs() -> None:
    ranks = Ranks(examples.SPARSE, examples.SPARSE_CONTROL)
    least, most, quantile = -3.124999999999986, 5.555555555555557, NormalDist().inv_cdf(0.975)
    ends = [ranks.z(at) - level for level in (quantile, -quantile) for at in (least, most)]
    assert ends == pytest.approx(examples.SPARSE_ENDS, abs=E)


SAMPLES = {
    "normal": lambda random: random.gauss(10.0, 2.0),
    "tied": lambda random: float(random.randrange(6)),
    "sparse": lambda random: random.choice((0.0, 0.0, 0.0, random.random())),
}


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("sizes", [(1, 2), (3, 5), (30, 30), (60, 200)])
def test_statistic_and_p_value_are_scipys(kind: str, sizes: tuple[int, int]) -> None:
    random = Random(f"{kind}{sizes}")
    for by in (0.0, 0.5, 3.0):
        candidate = [SAMPLES[kind](random) + by for _ in range(sizes[0])]
        stable = [SAMPLES[kind](random) for _ in range(sizes[1])]
        if len({*candidate, *stable}) == 1:
            continue
        theirs = stats.mannwhitneyu(candidate, stable, method="asymptotic", use_continuity=True)
        ours = shift(candidate, stable, 0.98)
        assert ours.u == theirs.statistic
        assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_the_variance_for_ties_is_that_of_scipys_ranks() -> None:
    random = Random(7)
    candidate = [float(random.randrange(5)) for _ in range(40)]
    stable = [float(random.randrange(5)) for _ in range(55)]
    for by in (-2.0, -1.0, 0.0, 0.25, 1.0):
        ranks = stats.rankdata([*(value - by for value in candidate), *stable])
        u = ranks[:40].sum() - 40 * 41 / 2
        ties = sum(count**3 - count for count in numpy.unique(ranks, return_counts=True)[1].tolist())
        above = u - 40 * 55 / 2
        sigma = math.sqrt(40 * 55 / 12 * (96 - ties / (95 * 94)))
        assert Ranks(candidate, stable).u(by) == u
        assert Ranks(candidate, stable).z(by) == pytest.approx((above - 0.5 * numpy.sign(above)) / sigma, rel=1e-12)


def test_values_that_the_subtraction_makes_equal_are_tied() -> None:
    close = [1.0, 1.0 + 2.0**-52]
    ranks = Ranks(close, [-1e9, 5.0])
    assert ranks.z(1e9) == pytest.approx(Ranks([1.0, 1.0], [-1e9, 5.0]).z(1e9))


def test_equal_values_have_no_ranks() -> None:
    with pytest.raises(TiedError, match="all values are equal"):
        Ranks([1.0, 1.0], [1.0]).z()


def test_roots_are_scipys() -> None:
    for function, low, high in (
        (lambda x: x**3 - 2.0, 0.0, 5.0),
        (lambda x: math.exp(x) - 3.0, -1.0, 4.0),
        (lambda x: math.copysign(1.0, x - 0.3), 0.0, 1.0),
    ):
        found = root(function, low, high, function(low), function(high), 1e-10)
        assert found == pytest.approx(optimize.brentq(function, low, high, xtol=1e-11), abs=2e-10)
    assert root(lambda x: x, 0.0, 1.0, 0.0, 1.0, 1e-4) == 0.0
    assert root(lambda x: x - 1.0, 0.0, 1.0, -1.0, 0.0, 1e-4) == 1.0


@pytest.mark.parametrize("size", [8, 30, 60])
def test_ends_and_estimate_are_where_the_sorted_differences_cross_the_quantiles(size: int) -> None:
    # Without ties the statistic at a shift follows from how many pairwise differences lie above it.
    random = Random(size)
    candidate, stable = ([random.gauss(at, 20.0) for _ in range(size)] for at in (103.0, 100.0))
    differences = sorted(one - other for one, other in product(candidate, stable))
    deviation = math.sqrt(size * size * (2 * size + 1) / 12)
    found = shift(candidate, stable, 0.98)
    for at, level in ((found.lower, NormalDist().inv_cdf(0.99)), (found.upper, NormalDist().inv_cdf(0.01))):
        above = level * deviation + math.copysign(0.5, level) + size * size / 2
        crossing = differences[size * size - 1 - math.floor(above)]
        assert at == pytest.approx(crossing, abs=PRECISION + 1e-9)
    middle = numpy.median(differences)
    steps = [difference for difference in differences if abs(difference - middle) < 1.0]
    assert min(abs(found.estimate - step) for step in steps) <= PRECISION or found.estimate == pytest.approx(
        middle, abs=0.5
    )


VALUES = st.lists(st.integers(-400, 400).map(lambda n: n / 8), min_size=2, max_size=25)


@given(VALUES, VALUES, st.randoms())
def test_the_order_of_values_does_not_matter(candidate: list[float], stable: list[float], random: Random) -> None:
    if len({*candidate, *stable}) == 1:
        return
    shuffled = random.sample(candidate, len(candidate)), random.sample(stable, len(stable))
    assert shift(*shuffled, 0.98) == shift(candidate, stable, 0.98)


@given(VALUES, VALUES, st.integers(-64, 64))
def test_what_is_added_to_both_sides_cancels(candidate: list[float], stable: list[float], by: int) -> None:
    # Eighths and whole numbers: nothing is rounded, so that not even the roots' last digits differ.
    if len({*candidate, *stable}) == 1 or (len(set(candidate)) == 1 and len(set(stable)) == 1):
        return
    moved = [value + by for value in candidate], [value + by for value in stable]
    assert shift(*moved, 0.98) == shift(candidate, stable, 0.98)


@given(VALUES, VALUES)
def test_the_sides_are_treated_alike(candidate: list[float], stable: list[float]) -> None:
    if len({*candidate, *stable}) == 1:
        return
    here, there = Ranks(candidate, stable), Ranks(stable, candidate)
    assert here.u() + there.u() == len(candidate) * len(stable)
    assert here.z() == pytest.approx(-there.z(), abs=1e-12)
    assert cles(candidate, stable) + cles(stable, candidate) == pytest.approx(1.0)
    one, other = shift(candidate, stable, 0.98), shift(stable, candidate, 0.98)
    if all(abs(here.z(at)) > 1e-9 for at in (one.lower, one.upper)):
        # On a step of the statistic a root is found from either side, and so at either end of it.
        assert _on_the_same_step(candidate, stable, one.lower, -other.upper)
        assert _on_the_same_step(candidate, stable, one.upper, -other.lower)


def _on_the_same_step(candidate: list[float], stable: list[float], one: float, other: float) -> bool:
    low, high = sorted((one, other))
    between = {here - there for here, there in product(candidate, stable)}
    return not any(low + 2 * PRECISION < difference < high - 2 * PRECISION for difference in between)


@given(VALUES, VALUES)
def test_u_counts_pairs(candidate: list[float], stable: list[float]) -> None:
    pairs = sum((one > other) + 0.5 * (one == other) for one, other in product(candidate, stable))
    assert Ranks(candidate, stable).u() == pairs


@pytest.mark.parametrize(
    ("candidate", "stable", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0], 0.5),
        ([2.3, 2.6, 4.7], [25.3, 22.9], 0.0),
        (examples.CLES_HIGH, examples.CLES_HIGH_CONTROL, 0.771),
        (examples.CLES_LOW, examples.CLES_LOW_CONTROL, 0.12),
    ],
)
def test_cles_is_kayentas(candidate: list[float], stable: list[float], expected: float) -> None:
    assert cles(candidate, stable) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(
    ("candidate", "stable", "expected"), [(1.0, 1.0, 1.0), (10.0, 1.0, 10.0), (10.0, 100.0, 0.1), (10.0, 0.0, math.nan)]
)
def test_the_mean_ratio_is_kayentas(candidate: float, stable: float, expected: float) -> None:
    assert mean_ratio([candidate] * 5, [stable] * 5) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5], 5, 0.175),
        ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5], 50, 1.75),
        ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5], 100, 3.5),
        ([float(n) for n in range(10)], 50, 4.5),
        ([1.0], 100, 1.0),
        (examples.QUANTILES, 25, 0.0),
        (examples.QUANTILES, 75, 0.0416),
    ],
)
def test_percentiles_are_kayentas(values: list[float], percent: float, expected: float) -> None:
    assert percentile(sorted(values), percent) == pytest.approx(expected, abs=1e-4)
    assert percentile(sorted(values), percent) == pytest.approx(numpy.percentile(values, percent))


def test_outliers_are_beyond_fences_and_percentiles() -> None:
    rare = [1.0] * 10 + [20.0]
    assert without_outliers(rare, 3.0) == [1.0] * 10, (
        "Kayenta's case IQR Reduce Sensitivity, whose 99th percentile is 18.1"
    )
    assert without_outliers([], 3.0) == []
    common = [float(n % 7) for n in range(100)]
    assert without_outliers(common, 3.0) == common


def test_ten_times_the_usual_number_of_values_are_fast() -> None:
    random = Random(3)
    candidate, stable = ([random.gauss(10.0, 2.0) for _ in range(240)] for _ in range(2))
    started = time.process_time()
    for _ in range(10):
        shift(candidate, stable, 0.98)
    assert (time.process_time() - started) / 10 < 0.05
