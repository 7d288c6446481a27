"""From reference data to a profile: which columns, which bins."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas

from steersman.profile.bins import DEFAULT_BINS, DEFAULT_CATEGORIES, Unfit, categorical_column, numeric_column
from steersman_profile.counting import UncountableError, columns_of, distinct
from steersman_profile.format import MAX_BINS, MAX_COLUMNS, Column, Profile, Role, Skipped, Task
from steersman_profile.values import MAX_TEXT, is_label

PREDICTION = "prediction"
"""What a model's only output is called."""
MAX_SKIPPED = 500
"""Columns that a profile names as left out."""


class ReferenceDataError(ValueError):
    """No profile can be made of this data; the message says what to do."""


class ReferenceWarning(UserWarning):
    """Columns were left out of the profile; the message names them and says why."""


def build_profile(
    df: Any,
    *,
    prediction: Any = None,
    task: Task | None = None,
    bins: int = DEFAULT_BINS,
    categories: int = DEFAULT_CATEGORIES,
    columns: Sequence[str] | None = None,
    categorical: Collection[str] = (),
) -> Profile:
    """The profile of reference data.

    `df` is a pandas DataFrame, or what makes one; its columns must be called as in the requests. `prediction` is what the model says of these
    rows: an array, a Series, a frame, or the name of a column of `df`. `task` (classification or regression) is told by the prediction's type
    when it is not given. `columns` chooses the features; without it the first 50 columns that can be counted are taken. `categorical` names numeric
    columns whose numbers stand for something. `bins` and `categories`, at most 20, bound what one column costs.

    Warns (ReferenceWarning) of columns that are left out. Raises ReferenceDataError.
    """
    for name, value in (("bins", bins), ("categories", categories)):
        if not 2 <= value <= MAX_BINS:
            raise ReferenceDataError(f"{name} must be between 2 and {MAX_BINS}, got {value}")
    if task not in {None, "classification", "regression"}:
        raise ReferenceDataError(f"task must be classification or regression, got {task!r}")
    frame = _frame(df)
    features, predictions = _split(frame, prediction, columns)
    if predictions and task is None:
        task = _task(predictions)
    made: list[Column] = []
    skipped: list[Skipped] = []
    if task == "classification":
        # Its outputs are labels, or numbers for labels; what has more kinds is a probability or score of one.
        categorical = {*categorical, *(name for name, values in predictions.items() if _few_kinds(values))}
    chosen: list[tuple[Role, dict[str, Any]]] = [("prediction", predictions), ("feature", features)]
    for role, name, values in [(role, name, values) for role, group in chosen for name, values in group.items()]:
        if len(made) == MAX_COLUMNS:
            skipped.append(Skipped(name[:MAX_TEXT], f"a profile has at most {MAX_COLUMNS} columns"))
            continue
        try:
            made.append(_column(name, role, values, name in categorical, bins, categories))
        except Unfit as unfit:
            skipped.append(Skipped(name[:MAX_TEXT], str(unfit)))
    if not made:
        raise ReferenceDataError("no column can be counted: " + _words(skipped))
    _warn(skipped)
    return Profile(len(frame), tuple(made), task, tuple(skipped[:MAX_SKIPPED]))


def _frame(df: Any) -> pandas.DataFrame:
    try:
        frame = df if isinstance(df, pandas.DataFrame) else pandas.DataFrame(df)
    except (TypeError, ValueError) as error:
        raise ReferenceDataError(f"the reference data is no pandas DataFrame and makes none: {error}") from None
    if frame.empty:
        raise ReferenceDataError("the reference data has no rows or no columns")
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ReferenceDataError(f"the reference data has more than one column called {', '.join(twice)}")
    return frame.set_axis(names, axis="columns")


def _split(
    frame: pandas.DataFrame, prediction: Any, columns: Sequence[str] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The features and the predictions by name."""
    predictions: Mapping[str, Any] = {}
    left_out: set[str] = set()
    if isinstance(prediction, str):
        if prediction not in frame.columns:
            raise ReferenceDataError(
                f"prediction={prediction!r} is no column; the columns are {', '.join(frame.columns)}"
            )
        predictions, left_out = {PREDICTION: frame[prediction]}, {prediction}
    elif prediction is not None:
        try:
            predictions, rows = columns_of(prediction, PREDICTION)
        except UncountableError as error:
            raise ReferenceDataError(f"the prediction cannot be counted: {error}") from None
        if rows != len(frame):
            raise ReferenceDataError(f"the prediction has {rows} rows and the reference data {len(frame)}")
    if columns is None:
        return {name: frame[name] for name in frame.columns if name not in left_out}, dict(predictions)
    if unknown := [name for name in columns if name not in frame.columns]:
        raise ReferenceDataError(f"columns names what the reference data does not have: {', '.join(unknown)}")
    if len(set(columns)) + len(predictions) > MAX_COLUMNS:
        most = MAX_COLUMNS - len(predictions)
        raise ReferenceDataError(f"columns names {len(set(columns))} features; at most {most} are possible")
    return {name: frame[name] for name in columns}, dict(predictions)


def _task(predictions: Mapping[str, Any]) -> Task | None:
    """Labels are text, booleans, categories, or whole numbers of few kinds. Several outputs may be anything."""
    (values, *more) = predictions.values()
    if more:
        return None
    series = _series(values)
    if pandas.api.types.is_bool_dtype(series) or not pandas.api.types.is_numeric_dtype(series):
        return "classification"
    return "classification" if pandas.api.types.is_integer_dtype(series) and _few_kinds(series) else "regression"


def _few_kinds(values: Any) -> bool:
    try:
        return len(distinct(_series(values), PREDICTION)) <= MAX_BINS + 1  # one of them stands for missing ones
    except UncountableError:
        return False


def _series(values: Any) -> Any:
    return pandas.Series(values).infer_objects()  # numbers in a list of objects are numbers


def _column(name: str, role: Role, values: Any, categorical: bool, bins: int, categories: int) -> Column:
    if not is_label(name):
        raise Unfit(f"a column's name has 1 to {MAX_TEXT} characters")
    series = _series(values)
    if pandas.api.types.is_datetime64_any_dtype(series) or series.dtype.kind in "mM":
        raise Unfit("dates and times always move on: derive a feature from them")
    if pandas.api.types.is_complex_dtype(series):
        raise Unfit("complex numbers are not counted")
    boolean = pandas.api.types.is_bool_dtype(series)
    if categorical or boolean or not pandas.api.types.is_numeric_dtype(series):
        return categorical_column(name, role, series, categories)
    return numeric_column(name, role, series, bins)


def _words(skipped: Sequence[Skipped]) -> str:
    reasons: dict[str, list[str]] = {}
    for entry in skipped:
        reasons.setdefault(entry.reason, []).append(entry.name)
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())


def _warn(skipped: Sequence[Skipped]) -> None:
    if skipped:
        warnings.warn(f"not in the profile: {_words(skipped)}", ReferenceWarning, stacklevel=4)
