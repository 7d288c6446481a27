"""Rare categories are judged as one, together with all others.

Which categories have a bin of their own was decided by what the reference happened to hold. Of many rare ones it holds only some: the rest
comes up in any window, and would look new. By Good (1953) the categories with up to k rows in the reference, the unseen ones included,
have a true share of what those with 1 to k + 1 rows have there: the error is what those with just k + 1 have, and none when there are none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from steersman.api.drift_status import ColumnKind
from steersman.core.drift.columns import MISSING, OTHER, Column

LEAST_ROWS: Final = 5
"""A category with fewer rows in the reference is rare in any case."""


def pooled(column: Column) -> Column:
    """A categorical column with its rare categories in `(other)`; a numeric one as it is."""
    if column.kind is not ColumnKind.CATEGORICAL:
        return column
    limit = _limit([round(rows) for rows in column.reference])
    reference: dict[str, float] = {}
    observed: dict[str, float] = {}
    for label, rows, samples in zip(column.bins, column.reference, column.observed, strict=True):
        kept = label if label == MISSING or round(rows) >= limit else OTHER
        reference[kept] = reference.get(kept, 0.0) + rows
        observed[kept] = observed.get(kept, 0.0) + samples
    return replace(
        column, bins=tuple(reference), reference=tuple(reference.values()), observed=tuple(observed.values())
    )


def _limit(rows: list[int]) -> int:
    """The least number, from `LEAST_ROWS` on, of which no category has just so many rows."""
    there = set(rows)
    limit = LEAST_ROWS
    while limit in there:
        limit += 1
    return limit
