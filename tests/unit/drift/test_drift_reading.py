"""Answers of a metric server that hold what no honest exporter says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.api.drift import Drift
from steersman.api.drift_status import MAX_COLUMNS, ColumnKind, DriftStatus
from steersman.core.analysis.model import Sample
from steersman.core.drift.columns import MISSING, OTHER, read
from steersman.core.drift.judge import LONGEST_NAME, judge
from steersman.core.drift.looks import concept, data
from steersman.core.drift.rare import pooled

STATUS = DriftStatus(revision="fraud-v1-a", started_at=0.0)


def series(
    part: str, value: float, bin_: str = "", column: str = "age", kind: str = "numeric", role: str = "feature"
) -> Sample:
    labels = {"part": part, "column": column, "role": role}
    return Sample(labels if part == "rows" else {**labels, "kind": kind, "bin": bin_}, value)


def column(reference: dict[str, float], observed: dict[str, float], rows: float = 1000, **labels: str) -> list[Sample]:
    bare = {name: value for name, value in labels.items() if name != "kind"}
    return [
        *(series("reference", value, bin_, **labels) for bin_, value in reference.items()),
        *(series("observed", value, bin_, **labels) for bin_, value in observed.items()),
        series("rows", rows, **bare),
    ]


def test_bins_stand_in_the_order_of_their_values_and_missing_ones_last() -> None:
    reference = {"+Inf": 0.2, "1e3": 0.2, "9.5": 0.3, "(missing)": 0.1, "-2": 0.2}
    (found,) = read(column(reference, {"1000.0": 5.0, "-2.0": 3.0})).columns
    assert found.bins == ("-2.0", "9.5", "1000.0", "+Inf", MISSING)
    assert found.reference == pytest.approx((200, 300, 200, 200, 100))
    assert found.observed == (3.0, 0.0, 5.0, 0.0, 0.0)  # a bin without a series was never counted


def test_categories_that_the_reference_has_not_are_others() -> None:
    reference = {"a": 0.6, "b": 0.4}
    (found,) = read(column(reference, {"a": 1.0, "c": 2.0, "d": 3.0, MISSING: 4.0}, kind="categorical")).columns
    assert found.kind is ColumnKind.CATEGORICAL
    assert dict(zip(found.bins, found.observed, strict=True)) == {"a": 1.0, "b": 0.0, OTHER: 5.0, MISSING: 4.0}


def test_rare_categories_are_pooled_up_to_a_number_of_rows_that_none_has() -> None:
    counts = {"a": 900, "b": 60, "c": 20, "d": 6, "e": 5, "f": 4, "g": 4, "h": 1}
    shares = {label: count / 1000 for label, count in counts.items()}
    (found,) = read(column(shares, {"a": 90.0, "d": 1.0, "h": 2.0, "new": 3.0}, kind="categorical")).columns
    one = pooled(found)
    assert dict(zip(one.bins, one.observed, strict=True)) == {"a": 90.0, "b": 0.0, "c": 0.0, OTHER: 6.0}
    assert sum(one.reference) == pytest.approx(1000)


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (column({"1": math.nan, "+Inf": 0.5}, {}), "bin 1 holds nan"),
        (column({"1": 0.5, "+Inf": 0.5}, {"1": math.nan}), "bin 1 holds nan"),
        (column({"1": 0.5, "+Inf": 0.5}, {"1": -4.0}), "bin 1 holds -4"),
        (column({"1": 0.5, "+Inf": 0.5}, {"1": math.inf}), "bin 1 holds inf"),
        (column({"1": 0.5, "+Inf": 0.5}, {"2": 4.0}), "bin 2.0 is not in its reference"),
        (column({"one": 0.5, "+Inf": 0.5}, {}), "bin 'one' is no number"),
        (column({"nan": 0.5, "+Inf": 0.5}, {}), "bin 'nan' is no number"),
        (column({"1": 0.5, "+Inf": 0.4}, {}), "sum to 0.9"),
        (column({"1": 0.0, "+Inf": 0.0}, {}), "sum to 0"),
        (column({"1": 0.5, "+Inf": 0.5}, {}, rows=0), "rows is not known"),
        (column({"1": 0.5, "+Inf": 0.5}, {}, rows=math.nan), "rows is not known"),
        (column({"1": 0.5, "+Inf": 0.5}, {}, kind="text"), "its kind is text"),
        ([*column({"1": 0.5, "+Inf": 0.5}, {}), series("observed", 1, "1", kind="categorical")], "its kind is"),
    ],
)
def test_a_column_that_cannot_be_read_is_left_out_and_named(samples: list[Sample], why: str) -> None:
    good = column({"1": 0.5, "+Inf": 0.5}, {"1": 500.0, "+Inf": 500.0}, column="good")
    reading = read([*samples, *good])
    assert [each.name for each in reading.columns] == ["good"]
    assert reading.unreadable is not None and why in reading.unreadable["age"]
    status = data(Drift(), STATUS, [*samples, *good], 600.0)
    assert status.judged == 1 and "not judged: age (" in status.message
    alone = data(Drift(), STATUS, samples, 600.0)
    assert alone.not_judged == "NoReference" and why in alone.message


ANYTHING = st.builds(
    Sample,
    st.dictionaries(
        st.sampled_from(["part", "column", "role", "kind", "bin", "detector", "x"]),
        st.sampled_from(
            [
                *(
                    "observed",
                    "reference",
                    "rows",
                    "feedback",
                    "adwin",
                    "feature",
                    "prediction",
                    "numeric",
                    "categorical",
                ),
                *("1", "+Inf", "-Inf", "nan", "", "(missing)", "(other)", "\x1b[31m" + "a" * 400),
            ]
        ),
    ),
    st.sampled_from([0.0, 0.5, 1.0, 300.0, 1e300, -1.0, math.nan, math.inf, -math.inf]),
)


@given(st.lists(ANYTHING, max_size=30))
def test_nothing_that_a_server_answers_breaks_a_look(samples: list[Sample]) -> None:
    status = data(Drift(min_samples=30), STATUS, samples, 600.0)
    assert all(math.isfinite(each.distance) and 0 <= each.p_value <= 1 for each in status.columns)
    found = concept(Drift(), STATUS, samples, 600.0)
    assert DriftStatus.model_validate(STATUS.model_copy(update={"data": status, "concept": found}).to_wire())


def test_status_stays_small_with_very_many_columns_of_long_names() -> None:
    samples = [
        each
        for number in range(300)
        for each in column(
            {"1": 0.5, "+Inf": 0.5}, {"1": 500.0 + number, "+Inf": 100.0}, column=f"{number}" + "x" * 250
        )
    ]
    status = data(Drift(consecutive=1), STATUS, samples, 600.0)
    assert status.judged == status.drifted == 300 and len(status.columns) == MAX_COLUMNS
    assert [each.distance for each in status.columns] == sorted(
        (each.distance for each in status.columns), reverse=True
    )
    assert all(len(each.name) == LONGEST_NAME for each in status.columns) and len(status.message) < 1024


def test_a_column_of_one_value_never_drifts() -> None:
    (found,) = read(column({"+Inf": 1.0}, {"+Inf": 5000.0})).columns
    (judged,) = judge([found], Drift()).columns
    assert (judged.distance, judged.p_value, judged.drifted) == (0.0, 1.0, False)


def test_only_detectors_that_are_asked_for_count() -> None:
    fired = [
        Sample({"detector": "adwin"}, 0.0),
        Sample({"detector": "page_hinkley"}, 2.0),
        Sample({"part": "feedback"}, 70.0),
    ]
    assert concept(Drift(), STATUS, fired, 600.0).detected_at == 600.0
    narrow = Drift.model_validate({"concept": {"detectors": ["adwin"]}})
    found = concept(narrow, STATUS, fired, 600.0)
    assert found.detected_at is None and found.feedback == 70
