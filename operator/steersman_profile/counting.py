"""Counting values into the bins of a profile's columns, by numpy and pandas."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy
import pandas

from steersman_profile.format import Categorical, Column, Numeric
from steersman_profile.values import category

Counts = numpy.ndarray[Any, numpy.dtype[numpy.int64]]
"""How many values each of a column's bins got, in the order of `Column.bins`."""


class UncountableError(ValueError):
    """The data cannot be counted into the profile's bins; the message says why and holds no value of it."""


class ColumnCounter:
    """Counts the values of one column."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self._size = len(column.bins)
        if isinstance(column, Numeric):
            self._bounds = numpy.array(column.bounds, dtype=float)
        else:
            self._bins = {name: number for number, name in enumerate(column.categories)}

    def count(self, values: Any) -> Counts:
        """Count `values`, a pandas Series or a one-dimensional array. Raises UncountableError."""
        if isinstance(self.column, Numeric):
            return self._numbers(numbers(values, self.column.name))
        return self._categories(values, self.column)

    def missing(self, rows: int) -> Counts:
        """What so many rows without a value count as."""
        counts = numpy.zeros(self._size, dtype=numpy.int64)
        counts[-1] = rows
        return counts

    def _numbers(self, values: Any) -> Counts:
        bins = numpy.searchsorted(self._bounds, values, side="left")
        bins[numpy.isnan(values)] = self._size - 1
        return numpy.bincount(bins, minlength=self._size)

    def _categories(self, values: Any, column: Categorical) -> Counts:
        counts = numpy.zeros(self._size, dtype=numpy.int64)
        other, missing = self._size - 2, self._size - 1
        for value, times in distinct(values, column.name):
            name = category(value)
            counts[missing if name is None else self._bins.get(name, other)] += times
        return counts


_FEW = 32
"""Values that are counted faster one by one."""


def distinct(values: Any, name: str) -> list[tuple[Any, int]]:
    """The values that are there and how often, in no order; missing ones are None. Raises UncountableError."""
    try:
        if len(values) <= _FEW:
            found: dict[Any, int] = {}
            for value in values.tolist():
                known = None if value is pandas.NA else value
                found[known] = found.get(known, 0) + 1
            return list(found.items())
        codes, kinds = pandas.factorize(values)
    except TypeError:
        raise UncountableError(f"column {name!r} holds lists or other values that are no categories") from None
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
        raise UncountableError(f"column {name!r} holds values that are no numbers") from None


def columns_of(
    data: Any, positional: str | None = None, wanted: Container[str] | None = None
) -> tuple[Mapping[str, Any], int]:
    """The columns of a model's input or output by name, and how many rows they have. Raises UncountableError.

    A frame's are known by their names, a dictionary's of arrays by its keys. The columns of an array or a list are called 0, 1 and so on,
    or, with `positional`, that name if there is one and <positional>_0 and so on if there are several. Of a frame only those `wanted`.
    """
    if isinstance(data, pandas.DataFrame):
        if not data.columns.is_unique:
            raise UncountableError("the data has two columns of one name")
        names = [name for name in data.columns if wanted is None or str(name) in wanted]
        return {str(name): data[name] for name in names}, len(data)
    if isinstance(data, dict) and data:
        arrays = {str(name): numpy.asarray(values) for name, values in data.items()}
        rows = {array.shape[0] if array.ndim == 1 else -1 for array in arrays.values()}
        if len(rows) != 1 or -1 in rows:
            raise UncountableError("the data is a dictionary whose values are not lists of one length")
        return arrays, rows.pop()
    if isinstance(data, pandas.Series):
        return {positional or "0": data}, len(data)
    try:
        array = numpy.asarray(data)
    except ValueError:
        raise UncountableError("the data is a list of rows of different lengths") from None
    if array.ndim == 2 and array.shape[1] != 1:
        prefix = f"{positional}_" if positional else ""
        return {f"{prefix}{number}": array[:, number] for number in range(array.shape[1])}, len(array)
    if array.ndim == 0 or array.ndim > 2 or (array.dtype == object and any(isinstance(v, dict) for v in array.flat)):
        raise UncountableError(f"the data is a {type(data).__name__} that has no columns")
    return {positional or "0": array.reshape(-1)}, len(array)
