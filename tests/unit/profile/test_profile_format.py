"""The file of a profile."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from steersman_profile.format import Categorical, Numeric, Profile, ProfileError, Skipped, dump, parse
from steersman_profile.values import RESERVED, bound, category

NUMERIC = Numeric("amount", "feature", (1.5, 20.0), (3, 2, 4), 1)
CATEGORICAL = Categorical("prediction", "prediction", ("a", "b"), (4, 4), 2, 0)
PROFILE = Profile(10, (CATEGORICAL, NUMERIC), "classification", (Skipped("when", "dates"),))

texts = some.text(min_size=1, max_size=30).filter(lambda text: text not in RESERVED)


@some.composite
def columns(draw: some.DrawFn, name: str) -> Numeric | Categorical:
    role = draw(some.sampled_from(["feature", "prediction"]))
    if draw(some.booleans()):
        bounds = sorted(
            draw(
                some.sets(
                    some.floats(allow_nan=False, allow_infinity=False, min_value=-1e299, max_value=1e299), max_size=19
                )
            )
        )
        counts = draw(some.lists(some.integers(0, 1000), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
        return Numeric(name, role, tuple(bounds), tuple(counts), 0)
    names = tuple(draw(some.sets(texts, max_size=20)))
    counts = draw(some.lists(some.integers(0, 1000), min_size=len(names), max_size=len(names)))
    return Categorical(name, role, names, tuple(counts), 0, 0)


@given(some.data())
def test_what_is_written_is_read(data: some.DataObject) -> None:
    names = data.draw(some.sets(texts, min_size=1, max_size=5))
    made = [data.draw(columns(name)) for name in names]
    rows = max(sum(column.reference) for column in made)
    # Missing rows make up what a column has less than others.
    full = tuple(type(c)(**{**_fields(c), "missing": rows - sum(c.reference)}) for c in made)
    profile = Profile(rows, full, data.draw(some.sampled_from([None, "classification", "regression"])))
    assert parse(dump(profile)) == profile
    assert parse(dump(profile).encode()) == profile
    for column in full:
        assert len(set(column.bins)) == len(column.bins) == len(column.reference)


def _fields(column: Numeric | Categorical) -> dict[str, object]:
    return {name: getattr(column, name) for name in column.__dataclass_fields__ if name != "kind"}


def test_the_file_as_documented() -> None:
    content = json.loads(dump(PROFILE))
    assert content == {
        "version": 1,
        "rows": 10,
        "task": "classification",
        "columns": [
            {
                "name": "prediction",
                "role": "prediction",
                "kind": "categorical",
                "categories": ["a", "b"],
                "counts": [4, 4],
                "other": 2,
                "missing": 0,
            },
            {
                "name": "amount",
                "role": "feature",
                "kind": "numeric",
                "bounds": [1.5, 20.0],
                "counts": [3, 2, 4],
                "missing": 1,
            },
        ],
        "skipped": [{"name": "when", "reason": "dates"}],
    }
    content["columns"][0]["later"] = content["later"] = 1
    assert parse(json.dumps(content)) == PROFILE, "what is not known is passed over"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=2), "has version 2; this reads version 1"),
        (lambda c: c.pop("rows"), "'rows' of the profile is None"),
        (lambda c: c.update(rows=9), "counts of column 'prediction' are 10 rows, not 9"),
        (lambda c: c.update(task="ranking"), "task is 'ranking'"),
        (lambda c: c.update(columns={}), "no list 'columns'"),
        (lambda c: c.update(columns=[]), "has 0 columns"),
        (lambda c: c.update(columns=[c["columns"][0]] * 51), "has 51 columns"),
        (lambda c: c.update(columns=[c["columns"][0]] * 2), "two columns 'prediction'"),
        (lambda c: c.update(columns=[3]), r"columns\[0\] is not an object"),
        (lambda c: c["columns"][0].update(name=""), "no 'name' of 1 to 100 characters"),
        (lambda c: c["columns"][0].update(name="\ud800"), "has a name that is no UTF-8"),
        (lambda c: c["columns"][0].update(categories=["a", "\ud800"]), "a category of column"),
        (lambda c: c["columns"][0].update(role="label"), "has role 'label'"),
        (lambda c: c["columns"][0].update(kind="text"), "has kind 'text'"),
        (lambda c: c["columns"][0].update(categories=["a", "a"]), "a category twice"),
        (
            lambda c: c["columns"][0].update(categories=["a", "(other)"]),
            r"a category of column 'prediction' is '\(other\)'",
        ),
        (lambda c: c["columns"][0].update(categories=["a"]), "1 categories and 2 counts"),
        (lambda c: c["columns"][0].update(categories=[str(n) for n in range(21)]), "21 categories; at most 20"),
        (lambda c: c["columns"][0].update(other=-1), "must be a whole number"),
        (lambda c: c["columns"][0].update(counts=[True, 3]), "must be a whole number"),
        (lambda c: c["columns"][1].update(bounds=[2.0, 1.0]), "not ascending at 1.0"),
        (lambda c: c["columns"][1].update(bounds=[1, "x"]), "it must be a finite number"),
        (lambda c: c["columns"][1].update(bounds=[1, 10**400]), "it must be a finite number"),
        (lambda c: c["columns"][1].update(role=[]), "has role"),
        (lambda c: c["columns"][1].update(kind=[]), "has kind"),
        (lambda c: c.update(task=[]), "task is"),
        (lambda c: c["columns"][1].update(bounds=[1.5]), "1 bounds and 3 counts: one more is needed"),
        (lambda c: c["columns"][1].update(bounds=list(range(20))), "21 bins; at most 20"),
        (lambda c: c.update(skipped=[1]), "skipped is not a list of objects"),
    ],
)
def test_what_is_no_profile_is_refused_with_the_reason(change, message: str) -> None:
    content = json.loads(dump(PROFILE))
    change(content)
    with pytest.raises(ProfileError, match=message):
        parse(json.dumps(content))


@pytest.mark.parametrize("text", ["", "{", "[1]", b"\xff", "[" * 100_000, '{"version": 1e999}', " " * 2_000_000])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ProfileError):
        parse(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"), (" ", " "), ("", None), (None, None), (float("nan"), None), (True, "true"), (0, "0"), (1.0, "1"),
        (-0.0, "0"), ("1.0", "1.0"), (1.5, "1.5"), (float("inf"), "inf"), (10**400, str(10**400)), ((1, 2), "(1, 2)"),
    ],
)  # fmt: skip
def test_the_category_of_a_value(value: object, expected: str | None) -> None:
    assert category(value) == expected


def test_bounds_as_prometheus_writes_floats() -> None:
    assert [bound(value) for value in (12.5, 3, 1e-7, 1e22, float("inf"))] == ["12.5", "3.0", "1e-07", "1e+22", "+Inf"]
