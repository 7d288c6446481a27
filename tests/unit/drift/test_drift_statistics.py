"""Distances and tests, against scipy and by what must hold of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from scipy.spatial.distance import jensenshannon

from steersman.core.drift.distances import (
    jensen_shannon,
    jensen_shannon_beyond_noise,
    psi,
    psi_beyond_noise,
    psi_noise,
    smoothed,
)
from steersman.core.drift.significance import (
    chi_square_p,
    holm,
    incomplete_gamma,
    kolmogorov,
    kolmogorov_smirnov,
    kolmogorov_smirnov_p,
)

COUNTS = st.lists(st.tuples(st.floats(0, 1e7), st.floats(0, 1e7)), min_size=1, max_size=30).filter(
    lambda pairs: sum(p for p, _ in pairs) >= 1 and sum(q for _, q in pairs) >= 1
)


@pytest.mark.parametrize("a", [0.5, 1.0, 2.5, 10.0, 49.5, 500.0])
def test_the_incomplete_gamma_function_is_scipys(a: float) -> None:
    for x in (0.0, 1e-6, 0.1, 1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 400.0, 600.0, 5000.0):
        assert incomplete_gamma(a, x) == pytest.approx(special.gammaincc(a, x), rel=1e-10, abs=1e-14)
    assert incomplete_gamma(a, math.inf) == 0.0


def test_kolmogorovs_distribution_is_scipys() -> None:
    for x in np.linspace(0.0, 4.0, 201):
        assert kolmogorov(float(x)) == pytest.approx(special.kolmogorov(x), abs=1e-12)


def test_the_chi_square_test_is_scipys_and_pools_rare_bins() -> None:
    random = np.random.default_rng(1)
    reference = random.multinomial(1000, [0.1] * 10)
    observed = random.multinomial(1500, [0.12] * 5 + [0.08] * 5)
    expected = stats.chi2_contingency([reference, observed], correction=False).pvalue
    assert chi_square_p(reference, observed) == pytest.approx(expected, rel=1e-9)
    pooled = stats.chi2_contingency([[500, 480, 20], [450, 530, 20]], correction=False).pvalue
    split = [[500.0, 480.0, *[1.0] * 20], [450.0, 530.0, *[1.0] * 20]]
    # Of the twenty rare bins each alone expects one row: together they are one bin.
    assert chi_square_p(*split) == pytest.approx(pooled, rel=1e-9)


def test_the_kolmogorov_smirnov_test_agrees_with_scipys_when_every_value_has_its_own_bin() -> None:
    random = np.random.default_rng(2)
    first, second = random.normal(0.0, 1.0, 400), random.normal(0.15, 1.0, 700)
    values = np.sort(np.concatenate([first, second]))
    distance = kolmogorov_smirnov(np.isin(values, first).astype(float), np.isin(values, second).astype(float))
    expected = stats.ks_2samp(first, second, method="asymp")
    assert distance == pytest.approx(expected.statistic, abs=1e-12)
    assert kolmogorov_smirnov_p(distance, 400, 700) == pytest.approx(expected.pvalue, rel=0.1)


def test_distances_agree_with_published_formulas() -> None:
    p, q = [0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), rel=1e-12)
    assert psi(p, q) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=1e-12)
    assert jensen_shannon([1.0, 0.0], [0.0, 1.0]) == 1.0


def test_holms_correction_is_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == () and holm([0.7]) == (0.7,)


@given(COUNTS)
def test_what_must_hold_of_every_pair_of_counts(pairs: list[tuple[float, float]]) -> None:
    reference, observed = [p for p, _ in pairs], [q for _, q in pairs]
    p, q = smoothed(reference), smoothed(observed)
    assert sum(p) == pytest.approx(1.0) and min(p) > 0
    assert psi(p, q) >= 0 and psi(p, q) == pytest.approx(psi(q, p))
    assert 0 <= jensen_shannon(p, q) <= 1 and jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), abs=1e-7)
    assert psi(p, p) == 0 and jensen_shannon(p, p) == 0
    assert 0 <= psi_beyond_noise(reference, observed) <= psi(p, q)
    assert 0 <= jensen_shannon_beyond_noise(reference, observed) <= jensen_shannon(p, q)
    assert psi_beyond_noise(reference, reference) == 0
    distance = kolmogorov_smirnov(reference, observed)
    assert 0 <= distance <= 1
    for p_value in (kolmogorov_smirnov_p(distance, sum(reference), sum(observed)), chi_square_p(reference, observed)):
        assert 0 <= p_value <= 1
    assert chi_square_p(reference, reference) == pytest.approx(1.0)


@given(st.lists(st.floats(0, 1), max_size=40))
def test_holm_never_makes_a_p_value_smaller_nor_larger_than_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for p_value, found in zip(p_values, corrected, strict=True):
        assert p_value <= found <= min(1.0, len(p_values) * p_value) + 1e-12
    assert [found for _, found in sorted(zip(p_values, corrected, strict=True))] == sorted(corrected)


@pytest.mark.parametrize(("bins", "rows", "samples"), [(10, 2000, 1500), (20, 50_000, 1200), (40, 5000, 5000)])
def test_sampling_noise_of_the_index_is_what_is_taken_off(bins: int, rows: int, samples: int) -> None:
    random = np.random.default_rng(bins)
    shares = random.dirichlet([5.0] * bins)
    indices = [
        psi(smoothed(random.multinomial(rows, shares)), smoothed(random.multinomial(samples, shares)))
        for _ in range(400)
    ]
    assert np.mean(indices) == pytest.approx(psi_noise(bins, rows, samples), rel=0.08)
    # And its spread is that of the chi-square distribution.
    spread = math.sqrt(2 * (bins - 1)) * (1 / rows + 1 / samples)
    assert np.std(indices) == pytest.approx(spread, rel=0.15)
