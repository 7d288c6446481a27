"""What the counts so far could have shown: agrees with playing it."""

from __future__ import annotations

from random import Random

import pytest

from steersman.core.analysis import evidence
from steersman.core.analysis.power import detectable, detectable_alone
from steersman.core.analysis.weighing import Counts
from steersman.core.foresight.draw import binomial


@pytest.mark.parametrize(
    ("candidate", "stable"), [(600, Counts(5400, 11)), (6000, Counts(6000, 120)), (200, Counts(1800, 0))]
)
def test_four_of_five_such_candidates_are_found(candidate: int, stable: Counts) -> None:
    rate = detectable(candidate, stable, 0.01)
    assert rate is not None and rate > stable.failures / stable.requests
    random, share = Random(1), candidate / (candidate + stable.requests)
    hits = [binomial(random, candidate, rate) for _ in range(1000)]
    found = sum(evidence.mixture(evidence.look(k, k + stable.failures, share)) > 100 for k in hits)
    assert 0.7 <= found / 1000 <= 0.92


def test_more_requests_show_less() -> None:
    rates = [detectable(n, Counts(9.0 * n, 0.018 * n), 0.01) for n in (100, 1_000, 10_000, 100_000)]
    assert all(rate is not None for rate in rates)
    assert rates == sorted(rates, reverse=True)  # type: ignore[type-var]


def test_bursts_show_less() -> None:
    single, many = (detectable(1000, Counts(9000, 20), 0.01, size) for size in (1.0, 20.0))
    assert single is not None and many is not None and many > 3 * single


@pytest.mark.parametrize("candidate", [0, 2])
def test_hardly_any_requests_show_nothing(candidate: int) -> None:
    assert detectable(candidate, Counts(3, 0), 0.01) is None
    assert detectable_alone(0, 0.01, 0.005) is None


def test_after_a_switch() -> None:
    rate = detectable_alone(1000, 0.002, 0.005)
    assert rate is not None and 0.004 < rate < 0.03
