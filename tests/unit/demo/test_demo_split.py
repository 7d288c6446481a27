"""The split as clients measure it."""

from __future__ import annotations

import math

import pytest

from demo.observe import RouteObservation
from demo.records import Cause, Record
from demo.split import Plateau, Split, measure, plateaus, pooled


def seen(at: float, weights: dict[str, int], accepted: bool = True) -> RouteObservation:
    return RouteObservation(at, 1, weights, accepted)


def test_a_plateau_runs_from_acceptance_to_the_next_change_less_margins() -> None:
    routes = [
        seen(0, {"1": 100}),
        seen(10, {"1": 90, "2": 10}, accepted=False),
        seen(12, {"1": 90, "2": 10}),
        seen(15, {"1": 90, "2": 10}),
        seen(30, {"1": 75, "2": 25}, accepted=False),
        seen(31, {"2": 100}),
    ]
    assert plateaus(routes, 5, 40) == [
        Plateau(5, 8, {"1": 100}),
        Plateau(13, 28, {"1": 90, "2": 10}),
        Plateau(32, 38, {"2": 100}),
    ]


def test_weights_that_stood_too_briefly_are_no_plateau() -> None:
    assert plateaus([seen(0, {"1": 100}), seen(1, {"2": 100})], 0, 2) == []
    assert plateaus([], 0, 10) == []


def test_the_newest_version_is_measured_and_unknown_answers_are_apart() -> None:
    records = [
        Record(float(at), 0.01, 200, version, Cause.NONE, True) for at, version in enumerate(["9", "9", "10", ""])
    ]
    records.append(Record(99.0, 0.01, 200, "10", Cause.NONE, True))
    split = measure(Plateau(0, 50, {"9": 75, "10": 25}), records)
    assert (split.version, split.requests, split.answered, split.unknown) == ("10", 3, 1, 1)
    assert split.difference == pytest.approx(100 / 3 - 25)


@pytest.mark.parametrize(
    ("weight", "requests", "answered", "within"),
    [
        (50, 4000, 2000, True),
        (50, 4000, 2119, True),
        (50, 4000, 2125, False),
        (10, 4000, 270, False),
        (10, 100, 19, True),  # 9 points, but 100 requests scatter by 3 points each sigma
        (10, 100, 21, False),
        (100, 1000, 1000, True),
        (50, 0, 0, False),
    ],
)
def test_a_share_has_to_be_near_its_weight(weight: int, requests: int, answered: int, within: bool) -> None:
    assert Split(weight, "2", requests, answered, 0, 0, 1).within is within


def test_sigma_is_that_of_a_binomial_share() -> None:
    assert Split(50, "2", 2500, 1250, 0, 0, 1).sigma == pytest.approx(1.0)
    assert math.isinf(Split(50, "2", 0, 0, 0, 0, 1).sigma)


def test_a_version_without_weight_may_get_nothing() -> None:
    only = Split(100, "2", 1000, 950, 0, 0, 1)
    assert only.sigma == 0
    assert only.limit == 3.0
    assert not only.within


def test_pooling_adds_plateaus_of_equal_weight() -> None:
    pool = pooled([Split(10, "2", 100, 8, 1, 0, 5), Split(50, "2", 10, 5, 0, 5, 9), Split(10, "3", 300, 32, 0, 10, 12)])
    assert [(split.weight, split.requests, split.answered, split.unknown) for split in pool] == [
        (10, 400, 40, 1),
        (50, 10, 5, 0),
    ]
