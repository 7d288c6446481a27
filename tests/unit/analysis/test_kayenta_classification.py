"""Kayenta's classification and score: the cases of its own tests (ClassifierSuite, ScorerSuite), and where this goes its own way."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.analysis import kayenta_examples as examples

from steersman.api.comparison_judges import MannWhitneyJudge, NanStrategy, Outliers, Scoring, ScoringGroup
from steersman.api.judgement_status import Classification as Kind
from steersman.api.judgement_status import ScoreClassification
from steersman.core.analysis.kayenta.classify import Outcome, classify
from steersman.core.analysis.kayenta.preprocessing import prepared
from steersman.core.analysis.kayenta.score import Score, Scored, score


def settings(**fields: Any) -> MannWhitneyJudge:
    """As the suite's classifier: tolerance 0.10, confidence 0.95."""
    return MannWhitneyJudge.model_validate({"query": "x", "tolerance": 0.10, "confidence": 0.95, **fields})


def effect(**sizes: float | str) -> dict[str, Any]:
    return {"effectSize": sizes}


HIGH_5 = [20.0, 22.0, 21.0, 25.0, 30.0]
CONTROL_5 = [1.0, 2.2, 1.1, 2.5, 3.0]
ZERO_5 = [0.0] * 5
CLES = {"tolerance": 0.20, "confidence": 0.98}

SUITE: dict[str, tuple[list[float], list[float], dict[str, Any], Kind, bool]] = {
    "pass": (examples.PASSING, examples.CONTROL, {}, Kind.PASS, False),
    "high": (examples.HIGH, examples.CONTROL, {}, Kind.HIGH, False),
    "low": (examples.PASSING, examples.HIGH_CONTROL, {}, Kind.LOW, False),
    "direction increase": (examples.PASSING, examples.HIGH_CONTROL, {"direction": "increase"}, Kind.PASS, False),
    "direction decrease": (examples.HIGH, examples.CONTROL, {"direction": "decrease"}, Kind.PASS, False),
    "direction, high": (examples.HIGH, examples.CONTROL, {"direction": "increase"}, Kind.HIGH, False),
    "direction, low": (examples.PASSING, examples.HIGH_CONTROL, {"direction": "decrease"}, Kind.LOW, False),
    "large input": (examples.SPARSE, examples.SPARSE_CONTROL, {}, Kind.HIGH, False),
    "mean ratio, high": (HIGH_5, CONTROL_5, effect(allowedDecrease=0.8, allowedIncrease=1.2), Kind.HIGH, False),
    "mean ratio, low": (
        examples.PASSING,
        examples.HIGH_CONTROL,
        {"direction": "decrease", **effect(allowedDecrease=0.8, allowedIncrease=1.2)},
        Kind.LOW,
        False,
    ),
    "mean ratio, pass": (
        [10.0, 12.2, 10.1, 12.5, 23.0],
        HIGH_5,
        effect(allowedDecrease=0.5, allowedIncrease=1.0),
        Kind.PASS,
        False,
    ),
    "mean ratio, pass, large input": (
        examples.SPARSE,
        examples.SPARSE_CONTROL,
        effect(allowedIncrease=5.0),
        Kind.PASS,
        False,
    ),
    "cles, high": (
        examples.LATENCIES,
        examples.LATENCIES_CONTROL,
        {**CLES, **effect(measure="cles", allowedDecrease=0.2, allowedIncrease=0.8)},
        Kind.HIGH,
        False,
    ),
    "cles, low": (
        examples.SLIGHTLY_LOW,
        examples.SLIGHTLY_LOW_CONTROL,
        {**CLES, **effect(measure="cles", allowedDecrease=0.2, allowedIncrease=0.8)},
        Kind.LOW,
        False,
    ),
    "critical high": (HIGH_5, CONTROL_5, {"critical": True, **effect(criticalIncrease=1.2)}, Kind.HIGH, True),
    "critical low": (
        [2.0, 2.0, 2.0, 2.0, 3.0],
        [10.0, 20.2, 10.1, 20.5, 30.0],
        {"critical": True, **effect(criticalDecrease=1.2)},
        Kind.LOW,
        True,
    ),
    "high but not critically": (
        HIGH_5,
        CONTROL_5,
        {"critical": True, **effect(allowedIncrease=5.0, criticalIncrease=13.0)},
        Kind.HIGH,
        False,
    ),
    "critical, pass": (
        HIGH_5,
        CONTROL_5,
        {"critical": True, **effect(allowedIncrease=13.0, criticalIncrease=15.0)},
        Kind.PASS,
        False,
    ),
    "critical by default": (HIGH_5, CONTROL_5, {"critical": True}, Kind.HIGH, True),
    "tied": ([1.0] * 3, [1.0] * 2, {"direction": "decrease"}, Kind.PASS, False),
    "same values": ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 4.0, 3.0, 2.0, 1.0], {"direction": "decrease"}, Kind.PASS, False),
    "leading zero": ([0.0, 1.0, 1.0, 1.0, 1.0], [1.0] * 5, {"direction": "decrease"}, Kind.PASS, False),
    "no data": ([], [1.0, 2.0, 3.0, 4.0, 5.0], {"direction": "decrease"}, Kind.NODATA, False),
    "no data of a critical metric": ([], [1.0, 2.0], {"critical": True}, Kind.NODATA, True),
    "no data, replaced": ([], [1.0, 2.0, 3.0], {"nanStrategy": "replace"}, Kind.PASS, False),
    "majority tied": ([1.0, 1.0, 1.0, 1.0, 10.0], [1.0] * 5, {}, Kind.PASS, False),
    "tied ranks": ([10.0] * 5, [1.0] * 5, {}, Kind.HIGH, False),
    "tied ranks with zeros": ([10.0] * 5, ZERO_5, {}, Kind.HIGH, False),
    "zero mean, high": (
        [54.9, 54.5, 55.1, 55.6, 57.4],
        ZERO_5,
        effect(allowedDecrease=0.8, allowedIncrease=1.2),
        Kind.HIGH,
        False,
    ),
    "zero mean, low": (
        ZERO_5,
        [54.9, 54.5, 55.1, 55.6, 57.4],
        effect(allowedDecrease=0.8, allowedIncrease=1.2),
        Kind.LOW,
        False,
    ),
    "zero mean, critical": (
        [
            0.05000000074505806,
            0.05000000074505806,
            0.01666666753590107,
            0.01666666753590107,
            0.01666666753590107,
            0.05000000074505806,
            0.03333333507180214,
            0.05000000260770321,
            0.05000000260770321,
            0.13333333656191826,
        ],
        [0.0] * 10,
        {"critical": True, "nanStrategy": "replace", **effect(criticalDecrease=0.8, criticalIncrease=1.2)},
        Kind.HIGH,
        True,
    ),
    "zero mean, pass": (ZERO_5, ZERO_5, effect(allowedDecrease=0.8, allowedIncrease=1.2), Kind.PASS, False),
}


@pytest.mark.parametrize("name", SUITE)
def test_kayentas_own_cases(name: str) -> None:
    candidate, stable, fields, expected, critical = SUITE[name]
    outcome = classify(settings(**fields), candidate, stable)
    assert (outcome.classification, outcome.critical) == (expected, critical)
    assert outcome.reason
    if "zero mean" in name and expected is not Kind.PASS:
        assert math.isnan(outcome.effect)


def test_the_default_thresholds_are_kayentas() -> None:
    defaults = MannWhitneyJudge(query="x")
    assert (defaults.confidence, defaults.tolerance, defaults.outliers.factor) == (0.98, 0.25, 3.0)
    assert (defaults.direction, defaults.nan_strategy, defaults.outliers.strategy) == ("either", "remove", "keep")
    assert (Scoring().pass_, Scoring().marginal) == (95.0, 75.0)


def test_data_that_must_be_there_fails_the_metric() -> None:
    assert classify(settings(mustHaveData=True), [], [1.0]).classification is Kind.NODATA_FAIL_METRIC
    assert classify(settings(mustHaveData=True), [1.0], []).reason == "stable has no values, and must have some"


def test_constants_that_differ_by_less_than_noise_pass() -> None:
    assert classify(settings(), [1.0 + 1e-6] * 9, [1.0] * 9).classification is Kind.PASS
    assert classify(settings(), [1.001] * 9, [1.0] * 9).classification is Kind.HIGH


def test_gaps_and_infinities_are_no_values() -> None:
    values = [0.0, 1.0, math.nan, math.inf, 1.0, 0.0]
    assert prepared(values, NanStrategy.REMOVE, Outliers()) == [0.0, 1.0, 1.0, 0.0]
    assert prepared(values, NanStrategy.REPLACE, Outliers()) == [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]
    assert prepared([math.nan] * 3, NanStrategy.REMOVE, Outliers()) == []
    many = [1.0] * 10 + [20.0]
    assert prepared(many, NanStrategy.REMOVE, Outliers.model_validate({"strategy": "remove"})) == [1.0] * 10


SAMPLE = st.lists(st.integers(0, 80).map(lambda n: n / 8), min_size=5, max_size=20)


@given(SAMPLE, SAMPLE, st.floats(0.05, 0.9))
def test_a_higher_tolerance_finds_no_more(candidate: list[float], stable: list[float], tolerance: float) -> None:
    strict = classify(settings(tolerance=tolerance), candidate, stable)
    lax = classify(settings(tolerance=tolerance / 2), candidate, stable)
    assert strict.classification is Kind.PASS or strict.classification is lax.classification


@given(SAMPLE, SAMPLE)
def test_directions_split_either(candidate: list[float], stable: list[float]) -> None:
    def found(direction: str) -> Outcome:
        return classify(settings(direction=direction), candidate, stable)

    expected = {Kind.HIGH: (Kind.HIGH, Kind.PASS), Kind.LOW: (Kind.PASS, Kind.LOW), Kind.PASS: (Kind.PASS, Kind.PASS)}
    either = found("either").classification
    assert (found("increase").classification, found("decrease").classification) == expected[either]


def scored(*metrics: tuple[str, Kind] | tuple[str, Kind, bool], **weights: float) -> Score:
    groups = [ScoringGroup(name=name.replace("_", "-"), weight=weight) for name, weight in weights.items()]
    return score(Scoring(groups=groups), [Scored(f"m{n}", *metric) for n, metric in enumerate(metrics)])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (scored(("g", Kind.PASS)), 100.0),
        (scored(("g", Kind.HIGH)), 0.0),
        (scored(("g", Kind.PASS), ("g", Kind.HIGH)), 50.0),
        (scored(("g", Kind.PASS), ("g", Kind.HIGH), ("g", Kind.LOW)), 33.33),
        (scored(("a", Kind.PASS), ("a", Kind.PASS), ("b", Kind.HIGH), a=75, b=25), 75.0),
        (scored(("a", Kind.PASS), ("a", Kind.HIGH), ("b", Kind.HIGH), a=50, b=50), 25.0),
        (scored(("g", Kind.PASS), ("g", Kind.HIGH, True)), 0.0),
        (scored(("g", Kind.LOW), ("g", Kind.PASS)), 50.0),
        (scored(("g", Kind.PASS), ("g", Kind.NODATA_FAIL_METRIC)), 50.0),
    ],
)
def test_kayentas_own_scores(found: Score, expected: float) -> None:
    assert found.value == expected


def test_a_score_is_classified_by_its_thresholds() -> None:
    good, bad = ("g", Kind.PASS), ("g", Kind.HIGH)
    assert scored(*[good] * 19, bad).classification is ScoreClassification.PASS
    marginal = scored(*[good] * 3, bad)
    assert marginal.classification is ScoreClassification.MARGINAL
    assert marginal.reason == "score 75 is marginal: it fails below 75 and passes from 95 on"
    failed = scored(*[good] * 2, bad)
    assert (failed.classification, failed.reason) == (ScoreClassification.FAIL, "score 66.67 is below 75")
    critical = scored(*[good] * 99, ("g", Kind.HIGH, True))
    assert (critical.classification, critical.reason) == (ScoreClassification.FAIL, "m99 failed critically")


def test_groups_without_a_weight_share_what_is_left() -> None:
    found = scored(("a", Kind.PASS), ("b", Kind.HIGH), ("c", Kind.PASS), a=40)
    assert {group.name: group.weight for group in found.groups} == {"a": 40.0, "b": 30.0, "c": 30.0}
    assert found.value == 70.0


def test_the_weight_of_a_group_without_data_is_shared_out_by_weight() -> None:
    found = scored(("a", Kind.NODATA), ("b", Kind.HIGH), ("c", Kind.PASS), a=50, b=10, c=40)
    assert {group.name: (group.weight, group.score) for group in found.groups} == {
        "a": (0.0, None),
        "b": (20.0, 0.0),
        "c": (80.0, 100.0),
    }
    assert found.value == 80.0


def test_without_data_of_half_the_metrics_there_is_no_score() -> None:
    found = scored(("a", Kind.NODATA), ("a", Kind.PASS))
    assert (found.classification, found.value, found.reason) == (
        ScoreClassification.NODATA,
        None,
        "1 of 2 metrics have no data",
    )
    unweighted = scored(("a", Kind.NODATA), ("b", Kind.PASS), ("b", Kind.PASS), a=100)
    assert unweighted.classification is ScoreClassification.NODATA, "b's weight is 0"


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([Kind.PASS, Kind.HIGH, Kind.LOW, Kind.NODATA])), min_size=1
    ),
    st.tuples(st.floats(1, 60), st.floats(1, 40)),
)
def test_weights_sum_to_100_and_scores_lie_between_0_and_100(
    metrics: list[tuple[str, Kind]], weights: tuple[float, float]
) -> None:
    found = scored(*metrics, a=weights[0], b=weights[1])
    if found.value is None:
        return
    assert 0.0 <= found.value <= 100.0
    assert sum(group.weight for group in found.groups) == pytest.approx(100.0)


def test_repeated_looks_at_values_that_hang_together_raise_false_alarms() -> None:
    """Documented, not wanted: the confidence is that of one look at independent values."""

    def failed(correlation: float, rollouts: int = 60) -> float:
        found = 0
        for seed in range(rollouts):
            random = Random(seed)
            sides = [_gauge(random, correlation) for _ in range(2)]
            looks = (classify(MannWhitneyJudge(query="x"), *(side[:n] for side in sides)) for n in range(5, 31))
            found += any(look.classification is not Kind.PASS for look in looks)
        return found / rollouts

    assert failed(0.0) <= 0.1
    assert failed(0.7) >= 0.25


def _gauge(random: Random, correlation: float) -> list[float]:
    values, noise = [random.gauss(0.0, 1.0)], math.sqrt(1.0 - correlation**2)
    for _ in range(29):
        values.append(correlation * values[-1] + noise * random.gauss(0.0, 1.0))
    return [100.0 + 10.0 * value for value in values]
