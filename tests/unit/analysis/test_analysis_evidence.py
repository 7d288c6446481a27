import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from steersman.core.analysis import evidence
from steersman.core.analysis.proportion import upper_bound

SHARES = st.floats(0.001, 0.999)


@given(st.integers(0, 50), st.integers(0, 200), SHARES)
def test_it_is_the_binomial_likelihood_ratio(hits: int, misses: int, share: float) -> None:
    logs = evidence.look(hits, hits + misses, share)
    for odds, log in zip(evidence.ODDS, logs, strict=True):
        q = odds * share / (1 - share + odds * share)
        assert log == pytest.approx(hits * math.log(q / share) + misses * math.log((1 - q) / (1 - share)), abs=1e-6)


@given(st.integers(1, 60), SHARES, st.floats(0.01, 1))
def test_its_mean_is_at_most_one_when_the_candidate_is_no_worse(trials: int, share: float, better: float) -> None:
    hits = range(trials + 1)
    probabilities = stats.binom.pmf(list(hits), trials, share * better)
    ratios = [evidence.mixture(evidence.look(k, trials, share)) for k in hits]
    assert math.fsum(p * ratio for p, ratio in zip(probabilities, ratios, strict=True)) <= 1 + 1e-6


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12), SHARES)
def test_splitting_looks_changes_nothing_while_the_share_is_constant(
    looks: list[tuple[int, int]], share: float
) -> None:
    logs = evidence.start()
    for hits, misses in looks:
        logs = [log + each for log, each in zip(logs, evidence.look(hits, hits + misses, share), strict=True)]
    hits, misses = sum(h for h, _ in looks), sum(m for _, m in looks)
    assert logs == pytest.approx(evidence.look(hits, hits + misses, share), abs=1e-6)


@given(st.floats(-10, 1e9), st.floats(-10, 1e9), st.floats(0, 1))
def test_it_stays_finite_and_capped(hits: float, trials: float, share: float) -> None:
    logs = evidence.look(hits, trials, share)
    assert all(math.isfinite(log) for log in logs)
    assert 0 <= evidence.mixture(logs) <= evidence.CAP * (1 + 1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_a_share_of_nothing_or_all_tells_nothing(share: float) -> None:
    assert evidence.look(3, 9, share) == evidence.start()


def test_more_hits_than_trials_count_as_trials() -> None:
    assert evidence.look(9, 3, 0.5) == evidence.look(3, 3, 0.5)


def test_no_looks_are_evidence_of_one() -> None:
    assert evidence.mixture([]) == evidence.mixture(evidence.start()) == 1.0


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.001, 0.005, 0.05, 0.25]))
def test_the_upper_bound_is_clopper_and_pearsons(trials: int, part: float, level: float) -> None:
    hits = int(part * (trials - 1))
    assert upper_bound(hits, trials, level) == pytest.approx(
        stats.beta.ppf(1 - level, hits + 1, trials - hits), rel=1e-6
    )


def test_the_upper_bound_holds_for_large_and_odd_counts() -> None:
    assert upper_bound(3, 1e7, 0.005) == pytest.approx(stats.beta.ppf(0.995, 4, 1e7 - 3), rel=1e-6)
    assert upper_bound(1.5, 30.2, 0.1) == pytest.approx(stats.beta.ppf(0.9, 2.5, 28.7), rel=1e-9)
    assert upper_bound(-1, 20, 0.005) == upper_bound(0, 20, 0.005)


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (5, 5), (6, 5), (0, -1)])
def test_the_upper_bound_is_one_when_nothing_is_known(hits: float, trials: float) -> None:
    assert upper_bound(hits, trials, 0.005) == 1.0


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, math.nan])
def test_a_level_outside_zero_and_one_is_an_error(level: float) -> None:
    with pytest.raises(ValueError, match="level must lie"):
        upper_bound(1, 2, level)
