"""Counting values into the bins of a profile's columns, by numpy and pandas."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy
import pandas

from steersman_profile.format import Column, Numeric
from steersman_profile.values import category

Counts = numpy.ndarray[Any, numpy.dtype[numpy.int64]]
"""How many values each of a column's bins got, in the order of `Column.bins`."""


class UncountableError(ValueError):
    """The data cannot be counted into the profile's bins; the message says why and holds no value of it."""


class ColumnCounter:
    """Counts the values of one column."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.size = len(column.bins)
        self._missing = self.size - 1
        if isinstance(column, Numeric):
            self._bounds = numpy.array(column.bounds, dtype=float)
        else:
            self._bins = {name: number for number, name in enumerate(column.categories)}

    def count(self, values: Any) -> Counts:
        """Count `values`, a pandas Series or a one-dimensional array. Raises UncountableError."""
        if isinstance(self.column, Numeric):
            return self._numbers(numbers(values, self.column.name))
        return self._categories(values)

    def missing(self, rows: int) -> Counts:
        """What so many rows without a value count as."""
        counts = numpy.zeros(self.size, dtype=numpy.int64)
        counts[self._missing] = rows
        return counts

    def bin_of(self, value: Any) -> int:
        """The bin of a single value, as `count` has it. Raises UncountableError."""
        if value is None or value is pandas.NA:
            return self._missing
        if type(value).__hash__ is None:
            raise UncountableError(_NO_CATEGORIES.format(self.column.name))
        if isinstance(self.column, Numeric):
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise UncountableError(_NO_NUMBERS.format(self.column.name)) from None
            return self._missing if math.isnan(number) else bisect_left(self.column.bounds, number)
        name = category(value)
        return self._missing if name is None else self._bins.get(name, self.size - 2)

    def _numbers(self, values: Any) -> Counts:
        bins = numpy.searchsorted(self._bounds, values, side="left")
        bins[numpy.isnan(values)] = self._missing
        return numpy.bincount(bins, minlength=self.size)

    def _categories(self, values: Any) -> Counts:
        counts = numpy.zeros(self.size, dtype=numpy.int64)
        for value, times in distinct(values, self.column.name):
            counts[self.bin_of(value)] += times
        return counts


_NO_NUMBERS = "column {!r} holds values that are no numbers"
_NO_CATEGORIES = "column {!r} holds lists or other values that are no categories"


def distinct(values: Any, name: str) -> list[tuple[Any, int]]:
    """The values that are there and how often, in no order; missing ones are None. Raises UncountableError."""
    try:
        codes, kinds = pandas.factorize(values)
    except TypeError:
        raise UncountableError(_NO_CATEGORIES.format(name)) from None
    counts = numpy.bincount(codes + 1, minlength=len(kinds) + 1).tolist()
    return [(None, counts[0]), *zip(kinds.tolist(), counts[1:], strict=True)]


def numbers(values: Any, name: str) -> Any:
    """Values as floats, NaN where they are missing. Raises UncountableError."""
    try:
        if isinstance(values, pandas.Series):
            plain = isinstance(values.dtype, numpy.dtype) and values.dtype.kind in "fiub"
            return values.to_numpy(dtype=float) if plain else values.to_numpy(dtype=float, na_value=numpy.nan)
        return numpy.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise UncountableError(_NO_NUMBERS.format(name)) from None


def columns_of(
    data: Any, positional: str | None = None, wanted: Container[str] | None = None
) -> tuple[Mapping[str, Any], int]:
    """The columns of a model's input or output by name, and how many rows they have. Raises UncountableError.

    A frame's are known by their names, a dictionary's of arrays by its keys. The columns of an array or a list are called 0, 1 and so on,
    or, with `positional`, that name if there is one and <positional>_0 and so on if there are several. Of a frame only those `wanted`.
    """
    if isinstance(data, pandas.DataFrame):
        if not data.columns.is_unique:
            raise UncountableError(_TWICE)
        names = [name for name in data.columns if wanted is None or str(name) in wanted]
        return {str(name): data[name] for name in names}, len(data)
    if isinstance(data, dict) and data:
        arrays = {str(name): _array(values) for name, values in data.items()}
        rows = {array.shape[0] if array.ndim == 1 else -1 for array in arrays.values()}
        if len(rows) != 1 or -1 in rows:
            raise UncountableError("the data is a dictionary whose values are not lists of one length")
        return arrays, rows.pop()
    if isinstance(data, pandas.Series):
        return {positional or "0": data}, len(data)
    array = _array(data)
    if array.ndim == 2 and array.shape[1] != 1:
        prefix = f"{positional}_" if positional else ""
        return {f"{prefix}{number}": array[:, number] for number in range(array.shape[1])}, len(array)
    if (
        array.ndim == 0
        or array.ndim > 2
        or (array.dtype == object and any(isinstance(value, dict | list) for value in array.flat))
    ):
        raise UncountableError(f"the data is a {type(data).__name__} that has no columns")
    return {positional or "0": array.reshape(-1)}, len(array)


def _array(values: Any) -> Any:
    # As objects: of text and NaN, or of text and numbers, numpy would make text.
    return values if isinstance(values, numpy.ndarray) else numpy.asarray(values, dtype=object)


FEW = 32
"""Rows that are counted faster value by value: a request's latency is most often that of one row."""


class GroupCounter:
    """Counts the values of several columns at once, one after the other in the result."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._counters = [ColumnCounter(column) for column in columns]
        self._offsets = numpy.cumsum([0, *(counter.size for counter in self._counters)]).tolist()
        self._names = frozenset(column.name for column in columns)

    def count(self, data: Any, positional: str | None = None) -> Counts | None:
        """Count a model's input, or with `positional` (see `columns_of`) its output; None when there are no columns to count.

        A column that is not there is missing in all rows. Raises UncountableError, and whatever pandas raises.
        """
        if not self._counters:
            return None
        if isinstance(data, pandas.DataFrame) and len(data) <= FEW:
            # One conversion for all columns: taking each by itself costs more than counting it.
            values: Mapping[str, Any] = _lists(data)
            rows = len(data)
        else:
            values, rows = columns_of(data, positional, None if positional else self._names)
        if positional and len(self._counters) == 1 and len(values) == 1:  # the only output, whatever it is called
            values = {self._counters[0].column.name: next(iter(values.values()))}
        if self._names.isdisjoint(values):
            raise UncountableError("the data has none of the profile's columns")
        return self._few(values, rows) if rows <= FEW else self._many(values, rows)

    def _few(self, values: Mapping[str, Any], rows: int) -> Counts:
        bins: list[int] = []
        for counter, offset in zip(self._counters, self._offsets[:-1], strict=True):
            column = values.get(counter.column.name)
            if column is None:
                column = [None] * rows
            elif not isinstance(column, list):
                column = column.tolist()
            bins += [offset + counter.bin_of(value) for value in column]
        return numpy.bincount(numpy.array(bins, dtype=numpy.int64), minlength=self._offsets[-1])

    def _many(self, values: Mapping[str, Any], rows: int) -> Counts:
        return numpy.concatenate(
            [
                counter.count(values[counter.column.name]) if counter.column.name in values else counter.missing(rows)
                for counter in self._counters
            ]
        )


def _lists(frame: pandas.DataFrame) -> dict[str, list[Any]]:
    if not frame.columns.is_unique:
        raise UncountableError(_TWICE)
    return dict(zip(map(str, frame.columns), frame.to_numpy(dtype=object).T.tolist(), strict=True))


_TWICE = "the data has two columns of one name"
