"""Profiles of reference data: which columns and which bins."""

import subprocess
import sys
import warnings

import numpy
import pandas
import pytest

from steersman.profile import Categorical, Numeric, ReferenceDataError, ReferenceWarning, build_profile
from steersman_profile.format import MAX_COLUMNS


def column(profile, name):
    return next(column for column in profile.columns if column.name == name)


def test_numeric_bins_hold_about_equally_many_rows() -> None:
    values = numpy.random.default_rng(1).gamma(2, 3, 10_000)
    made = column(build_profile(pandas.DataFrame({"amount": values})), "amount")
    assert isinstance(made, Numeric)
    assert len(made.counts) == 10
    assert made.counts == pytest.approx([1000] * 10, abs=1)
    assert set(made.bounds) <= set(values), (
        "a bound is a value of the data: a value belongs to the bin whose bound it does not exceed"
    )
    assert made.bins[-2:] == ("+Inf", "(missing)")


def test_few_different_numbers_have_a_bin_each() -> None:
    made = column(build_profile(pandas.DataFrame({"doors": [2, 4, 4, 5] * 5})), "doors")
    assert (made.bounds, made.counts, made.bins) == ((2.0, 4.0), (5, 10, 5), ("2.0", "4.0", "+Inf", "(missing)"))


def test_a_value_that_is_most_of_a_column_takes_one_bin() -> None:
    made = column(build_profile(pandas.DataFrame({"x": [0.0] * 800 + list(range(1, 201))})), "x")
    assert made.bounds[0] == 0.0
    assert made.counts[0] == 800
    assert sum(made.counts) == 1000
    constant = column(build_profile(pandas.DataFrame({"x": [3.0] * 9})), "x")
    assert (constant.bounds, constant.counts) == ((), (9,))


def test_missing_and_infinite_numbers() -> None:
    frame = pandas.DataFrame(
        {"x": [1.0, numpy.nan, numpy.inf, -numpy.inf, 2.0], "n": pandas.array([1, None, 3, 4, 5], "Int64")}
    )
    profile = build_profile(frame)
    x, n = column(profile, "x"), column(profile, "n")
    assert (x.bounds, x.counts, x.missing) == ((1.0,), (2, 2), 1)
    assert (n.counts, n.missing) == ((1, 1, 1, 1), 1)


def test_categories_are_the_commonest_and_rare_ones_are_not_named() -> None:
    frame = pandas.DataFrame({"country": ["DE"] * 50 + ["FR"] * 30 + ["ES"] * 10 + ["Alice"] * 4 + [None, ""]})
    made = column(build_profile(frame, categories=2), "country")
    assert isinstance(made, Categorical)
    assert (made.categories, made.counts, made.other, made.missing) == (("DE", "FR"), (50, 30), 14, 2)
    made = column(build_profile(frame), "country")
    assert (made.categories, made.other) == (("DE", "FR", "ES"), 4), "fewer than five rows may be a person"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False] * 5, ("false", "true")),
        (pandas.array([True, None, False] * 5, "boolean"), ("false", "true")),
        (pandas.Categorical([1, 2] * 5), ("1", "2")),
        (pandas.Series(["a", "b"] * 5, dtype="string"), ("a", "b")),
        (["(other)", "b"] * 5, ("b",)),
    ],
)
def test_kinds_of_categories(values: object, expected: tuple[str, ...]) -> None:
    made = column(build_profile(pandas.DataFrame({"x": values})), "x")
    assert isinstance(made, Categorical)
    assert tuple(sorted(made.categories)) == expected


def test_what_is_left_out_is_named_with_the_reason() -> None:
    frame = pandas.DataFrame(
        {
            "x": range(100),
            "when": pandas.date_range("2024-01-01", periods=100),
            "took": pandas.to_timedelta(range(100), unit="s"),
            "mail": [f"person{number}@example.com" for number in range(100)],
            "empty": [None] * 100,
            "lists": [[1, 2]] * 100,
        }
    )
    with pytest.warns(
        ReferenceWarning, match=r"when, took \(dates.*mail \(free text.*empty \(it has no value\).*lists"
    ):
        profile = build_profile(frame)
    assert [made.name for made in profile.columns] == ["x"]
    reasons = {skipped.name: skipped.reason for skipped in profile.skipped}
    assert set(reasons) == {"when", "took", "mail", "empty", "lists"}
    assert "example.com" not in str(profile), "no value of free text is in the profile"


def test_columns_are_bounded() -> None:
    frame = pandas.DataFrame({f"c{number}": [1.0, 2.0] for number in range(MAX_COLUMNS + 2)})
    with pytest.warns(ReferenceWarning, match=r"c49, c50, c51 \(a profile has at most 50 columns\)"):
        profile = build_profile(frame, prediction=[0.1, 0.2])
    assert len(profile.columns) == MAX_COLUMNS
    assert profile.columns[0].role == "prediction"
    with pytest.raises(ReferenceDataError, match="52 features; at most 50"):
        build_profile(frame, columns=list(frame.columns))
    chosen = build_profile(frame, columns=["c51", "c0"])
    assert [made.name for made in chosen.columns] == ["c51", "c0"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_profile(frame, columns=["c1"])


@pytest.mark.parametrize(
    ("prediction", "task", "kind"),
    [
        ([0, 1, 1, 0, 1, 1], "classification", "categorical"),
        (["a", "b", "a", "b", "a", "b"], "classification", "categorical"),
        ([True, False] * 3, "classification", "categorical"),
        ([0.5, 0.25, 0.1, 0.2, 0.3, 0.4], "regression", "numeric"),
    ],
)
def test_the_task_is_told_by_the_prediction(prediction: list[object], task: str, kind: str) -> None:
    frame = pandas.DataFrame({"x": range(6)})
    for given in (
        prediction,
        numpy.array(prediction),
        pandas.Series(prediction),
        pandas.DataFrame({"prediction": prediction}),
    ):
        profile = build_profile(frame, prediction=given)
        (made,) = profile.with_role("prediction")
        assert (profile.task, made.name, made.kind) == (task, "prediction", kind)
    by_name = build_profile(frame.assign(score=prediction), prediction="score")
    assert [(made.name, made.role) for made in by_name.columns] == [("prediction", "prediction"), ("x", "feature")]


def test_numbers_in_lists_and_objects_are_numbers() -> None:
    made = build_profile(
        pandas.DataFrame({"x": pandas.Series([1, None, 2.5], dtype=object)}), prediction=[0.5, None, 1.0]
    )
    assert [(column.kind, column.missing) for column in made.columns] == [("numeric", 1), ("numeric", 1)]
    mixed = build_profile(pandas.DataFrame({"x": ["a", numpy.nan, 1, "a", 1] * 5}))
    assert mixed.columns[0].reference == (10, 10, 0, 5)
    with pytest.raises(ReferenceDataError, match="the prediction cannot be counted"):
        build_profile(pandas.DataFrame({"x": [1.0, 2.0]}), prediction=[[1], [1, 2]])
    with pytest.warns(ReferenceWarning, match="holds lists"):
        lists = build_profile(pandas.DataFrame({"x": [1.0, 2.0]}), prediction=pandas.Series([[1], [2]]))
    assert lists.with_role("prediction") == ()


def test_a_given_task_wins_and_rare_classes_are_named() -> None:
    frame = pandas.DataFrame({"x": range(6)})
    labels = build_profile(frame, prediction=[0.0, 1.0, 1.0, 1.0, 1.0, 1.0], task="classification")
    (made,) = labels.with_role("prediction")
    assert (made.kind, made.categories, made.counts) == ("categorical", ("1", "0"), (5, 1))
    counts = build_profile(frame, prediction=[0, 1, 2, 3, 4, 5], task="regression")
    assert counts.with_role("prediction")[0].kind == "numeric"
    several = build_profile(frame, prediction=numpy.full((6, 2), 0.5))
    assert [made.name for made in several.with_role("prediction")] == ["prediction_0", "prediction_1"]
    assert several.task is None
    many = pandas.DataFrame({"x": range(100)})
    probabilities = build_profile(many, prediction=numpy.linspace(0, 1, 100), task="classification")
    assert (probabilities.task, probabilities.with_role("prediction")[0].kind) == ("classification", "numeric")


def test_without_its_dependencies_it_says_how_to_get_them() -> None:
    script = "import sys; sys.modules['pandas'] = None\nimport steersman.profile"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "steersman.profile needs pandas: pip install 'steersman[profile]'" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 21}, "bins must be between 2 and 20"),
        ({"categories": 1}, "categories must be between 2 and 20"),
        ({"task": "ranking"}, "task must be classification or regression"),
        ({"prediction": "y"}, "prediction='y' is no column; the columns are x"),
        ({"prediction": [1]}, "the prediction has 1 rows and the reference data 2"),
        ({"columns": ["y"]}, "does not have: y"),
    ],
)
def test_mistakes_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ReferenceDataError, match=message):
        build_profile(pandas.DataFrame({"x": [1.0, 2.0]}), **options)


def test_data_that_makes_no_profile() -> None:
    with pytest.raises(ReferenceDataError, match="no rows"):
        build_profile(pandas.DataFrame({"x": []}))
    with pytest.raises(ReferenceDataError, match="more than one column called x"):
        build_profile(pandas.DataFrame([[1, 2]], columns=["x", "x"]))
    with pytest.raises(ReferenceDataError, match="no column can be counted: when"):
        build_profile(pandas.DataFrame({"when": pandas.date_range("2024-01-01", periods=3)}))
    with pytest.raises(ReferenceDataError, match="makes none"):
        build_profile(5)
    assert [made.name for made in build_profile(numpy.ones((4, 2))).columns] == ["0", "1"]
