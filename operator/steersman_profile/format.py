"""The file ``steersman/profile.json`` of a model: its reference profile, version 1.

A profile says of each column how the values of the reference data are spread over a few bins. It holds counts and the bounds
or names of bins, and no row of the data. docs/reference/profile.md describes the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from steersman_profile.values import MAX_TEXT, MISSING, OTHER, RESERVED, bound, is_label

VERSION = 1
PATH = "steersman/profile.json"
"""Where the file is in a model's artifact directory, beside MLmodel."""
MAX_COLUMNS = 50
"""Columns of a profile, predictions among them: each is up to 22 time series of each pod, twice."""
MAX_BINS = 20
"""Numeric bins, or named categories, of a column."""
MAX_BYTES = 1024 * 1024
GREATEST = 1e300
"""Bounds are smaller than this, on either side of zero."""

Role = Literal["feature", "prediction"]
Task = Literal["classification", "regression"]


class ProfileError(ValueError):
    """The text is no profile that this version can read; the message says what is wrong with it, and where."""


@dataclass(frozen=True, slots=True)
class Numeric:
    """A column of numbers. A value belongs to the first bin whose bound it does not exceed."""

    name: str
    role: Role
    bounds: tuple[float, ...]
    """Upper bounds of the bins, ascending and finite; one more bin without a bound follows."""
    counts: tuple[int, ...]
    """Rows of the reference in each bin: one more than bounds."""
    missing: int
    """Rows of the reference without a value."""
    kind: Literal["numeric"] = "numeric"

    @property
    def bins(self) -> tuple[str, ...]:
        """The names of all bins, as the label ``bin`` of the metrics has them."""
        return (*map(bound, self.bounds), bound(math.inf), MISSING)

    @property
    def reference(self) -> tuple[int, ...]:
        """Rows of the reference in each of `bins`."""
        return (*self.counts, self.missing)


@dataclass(frozen=True, slots=True)
class Categorical:
    """A column of categories: text, booleans, or numbers that stand for something."""

    name: str
    role: Role
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    """Rows of the reference in each category."""
    other: int
    """Rows of the reference in categories that are not named."""
    missing: int
    """Rows of the reference without a value."""
    kind: Literal["categorical"] = "categorical"

    @property
    def bins(self) -> tuple[str, ...]:
        """The names of all bins, as the label ``bin`` of the metrics has them."""
        return (*self.categories, OTHER, MISSING)

    @property
    def reference(self) -> tuple[int, ...]:
        """Rows of the reference in each of `bins`."""
        return (*self.counts, self.other, self.missing)


Column = Numeric | Categorical


@dataclass(frozen=True, slots=True)
class Skipped:
    """A column of the reference data that is not in the profile."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Profile:
    """The reference profile of a model."""

    rows: int
    """Rows of the reference data."""
    columns: tuple[Column, ...]
    task: Task | None = None
    """What the model does, which says how feedback is judged; None when there was no prediction to tell it by."""
    skipped: tuple[Skipped, ...] = ()

    def with_role(self, role: Role) -> tuple[Column, ...]:
        """The columns of one role, in order."""
        return tuple(column for column in self.columns if column.role == role)


def dump(profile: Profile) -> str:
    """The file's text: JSON, a column a line."""
    columns = ",\n  ".join(json.dumps(_column_content(column), allow_nan=False) for column in profile.columns)
    skipped = json.dumps([{"name": skipped.name, "reason": skipped.reason} for skipped in profile.skipped])
    head = f'"version": {VERSION}, "rows": {profile.rows}, "task": {json.dumps(profile.task)}'
    return f'{{{head},\n "columns": [\n  {columns}],\n "skipped": {skipped}}}\n'


def _column_content(column: Column) -> dict[str, object]:
    content: dict[str, object] = {"name": column.name, "role": column.role, "kind": column.kind}
    if isinstance(column, Numeric):
        return content | {"bounds": column.bounds, "counts": column.counts, "missing": column.missing}
    named = {"categories": column.categories, "counts": column.counts}
    return content | named | {"other": column.other, "missing": column.missing}


def parse(text: str | bytes) -> Profile:
    """Read the file's text. What it does not know it passes over. Raises ProfileError."""
    if len(text) > MAX_BYTES:
        raise ProfileError(f"the profile is larger than {MAX_BYTES} bytes")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"the profile is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ProfileError("the profile is not a JSON object")
    if content.get("version") != VERSION:
        raise ProfileError(f"the profile has version {content.get('version')!r}; this reads version {VERSION}")
    rows = _count(content, "rows", "the profile")
    task = content.get("task")
    if task not in (None, "classification", "regression"):
        raise ProfileError(f"the task is {task!r}; it must be classification, regression or null")
    columns = tuple(_column(entry, number) for number, entry in enumerate(_list(content, "columns", "the profile")))
    if not 1 <= len(columns) <= MAX_COLUMNS:
        raise ProfileError(f"the profile has {len(columns)} columns; 1 to {MAX_COLUMNS} are possible")
    seen: set[tuple[str, str]] = set()
    for column in columns:
        if (column.name, column.role) in seen:
            raise ProfileError(f"there are two columns {column.name!r} with the role {column.role}")
        seen.add((column.name, column.role))
        if sum(column.reference) != rows:
            raise ProfileError(f"the counts of column {column.name!r} are {sum(column.reference)} rows, not {rows}")
    skipped = tuple(
        Skipped(_text(entry, "name", "skipped"), _text(entry, "reason", "skipped", 1000))
        for entry in _objects(content.get("skipped", []), "skipped")
    )
    return Profile(rows, columns, cast("Task | None", task), skipped)


def _column(entry: object, number: int) -> Column:
    where = f"columns[{number}]"
    if not isinstance(entry, dict):
        raise ProfileError(f"{where} is not an object")
    name, role, kind = _text(entry, "name", where), entry.get("role"), entry.get("kind")
    if not is_label(name):
        raise ProfileError(f"{where} has a name that is no UTF-8")
    where = f"column {name!r}"
    if role not in ("feature", "prediction"):
        raise ProfileError(f"{where} has role {role!r}; it must be feature or prediction")
    counts = tuple(_whole(count, f"a count of {where}") for count in _list(entry, "counts", where))
    missing = _count(entry, "missing", where)
    if kind == "numeric":
        bounds = _bounds(_list(entry, "bounds", where), where)
        if len(counts) != len(bounds) + 1:
            raise ProfileError(f"{where} has {len(bounds)} bounds and {len(counts)} counts: one more is needed")
        return Numeric(name, cast("Role", role), bounds, counts, missing)
    if kind == "categorical":
        categories = _categories(_list(entry, "categories", where), where)
        if len(counts) != len(categories):
            raise ProfileError(f"{where} has {len(categories)} categories and {len(counts)} counts")
        return Categorical(name, cast("Role", role), categories, counts, _count(entry, "other", where), missing)
    raise ProfileError(f"{where} has kind {kind!r}; it must be numeric or categorical")


def _bounds(values: Sequence[object], where: str) -> tuple[float, ...]:
    if len(values) >= MAX_BINS:
        raise ProfileError(f"{where} has {len(values) + 1} bins; at most {MAX_BINS} are possible")
    bounds: list[float] = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < GREATEST:
            raise ProfileError(f"a bound of {where} is {value!r}; it must be a finite number")
        if bounds and value <= bounds[-1]:
            raise ProfileError(f"the bounds of {where} are not ascending at {value!r}")
        bounds.append(float(value))
    return tuple(bounds)


def _categories(values: Sequence[object], where: str) -> tuple[str, ...]:
    if len(values) > MAX_BINS:
        raise ProfileError(f"{where} has {len(values)} categories; at most {MAX_BINS} are possible")
    for value in values:
        if not isinstance(value, str) or not is_label(value) or value in RESERVED:
            raise ProfileError(f"a category of {where} is {value!r}; it must be 1 to {MAX_TEXT} characters of text")
    if len(set(values)) != len(values):
        raise ProfileError(f"{where} has a category twice")
    return tuple(cast("Sequence[str]", values))


def _list(entry: Mapping[str, Any], key: str, where: str) -> list[object]:
    value = entry.get(key)
    if not isinstance(value, list):
        raise ProfileError(f"{where} has no list {key!r}")
    return value


def _objects(value: object, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ProfileError(f"{where} is not a list of objects")
    return value


def _text(entry: Mapping[str, Any], key: str, where: str, longest: int = MAX_TEXT) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise ProfileError(f"{where} has no {key!r} of 1 to {longest} characters")
    return value


def _count(entry: Mapping[str, Any], key: str, where: str) -> int:
    return _whole(entry.get(key), f"{key!r} of {where}")


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ProfileError(f"{what} is {value!r}; it must be a whole number of at least 0")
    return value
