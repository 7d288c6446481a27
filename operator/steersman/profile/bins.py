"""The bins of one column of reference data."""

from __future__ import annotations

from typing import Any

import numpy

from steersman_profile.counting import ColumnCounter, UncountableError, distinct, numbers
from steersman_profile.format import GREATEST, Categorical, Numeric, Role
from steersman_profile.values import RESERVED, category, is_label

DEFAULT_BINS = 10
DEFAULT_CATEGORIES = 20
RARE_ROWS = 5
"""A category of fewer rows than this is counted as (other): it may name a person."""
NAMED_SHARE = 0.5
"""A column whose named categories have a smaller share of its rows than this is free text, or of identifiers."""


class Unfit(Exception):  # noqa: N818 - no error of the caller's
    """The column has no place in a profile; the message says why."""


def numeric_column(name: str, role: Role, values: Any, bins: int) -> Numeric:
    """A column of numbers, in bins of about equally many rows; in one for each value when there are no more of these than bins.

    The first and the last bin are open: they take what is below and above all that the reference has. Raises Unfit.
    """
    try:
        floats = numbers(values, name)
    except UncountableError as error:
        raise Unfit(str(error)) from None
    present = floats[numpy.abs(floats) < GREATEST]  # neither missing nor infinite
    if not len(present):
        raise Unfit("it has no finite value")
    kinds = numpy.unique(present)
    if len(kinds) <= bins:
        bounds = kinds[:-1]
    else:
        shares = numpy.arange(1, bins) / bins
        # Bounds that are values of the data: between two neighbours none is found by rounding.
        bounds = numpy.unique(numpy.quantile(present, shares, method="inverted_cdf"))
        bounds = bounds[bounds < kinds[-1]]
    empty = Numeric(name, role, tuple(float(bound) for bound in bounds), (0,) * (len(bounds) + 1), 0)
    *counts, missing = ColumnCounter(empty).count(floats).tolist()
    return Numeric(name, role, empty.bounds, tuple(counts), missing)


def categorical_column(name: str, role: Role, values: Any, categories: int) -> Categorical:
    """A column of categories: the commonest by name, the others together. Raises Unfit."""
    found: dict[str | None, int] = {}
    try:
        for value, times in distinct(values, name):
            kind = category(value)
            found[kind] = found.get(kind, 0) + times
    except UncountableError as error:
        raise Unfit(str(error)) from None
    missing = found.pop(None, 0)
    rows = sum(found.values())
    if not rows:
        raise Unfit("it has no value")
    few = len(found) <= categories
    common = sorted(found, key=lambda kind: (-found[kind], kind or ""))  # ties by name
    named = [kind for kind in common if kind is not None and kind not in RESERVED and is_label(kind)]
    named = [kind for kind in named if found[kind] >= RARE_ROWS or (few and role == "prediction")][:categories]
    counts = [found[kind] for kind in named]
    if sum(counts) < NAMED_SHARE * rows:
        raise Unfit(
            f"free text or identifiers: it has {len(found)} different values, and the {len(named)} commonest "
            f"are {sum(counts)} of {rows} rows"
        )
    return Categorical(name, role, tuple(named), tuple(counts), rows - sum(counts), missing)
