"""Columns of a model, counted by bin: out of an answer of the metric server, which may hold anything."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from steersman.api.drift_status import ColumnKind, ColumnRole
from steersman.core.analysis.model import Sample

MISSING: Final = "(missing)"
OTHER: Final = "(other)"
TOLERANCE: Final = 0.02
"""By how much the shares of a reference may miss 1."""
PART: Final = "part"
"""Label that tells the parts of the answer apart."""
OBSERVED, REFERENCE, ROWS = "observed", "reference", "rows"

_Bins = dict[str, float]
_Where = tuple[str, str]
"""Role and name of a column: a prediction may be called like a feature."""


@dataclass(frozen=True)
class Column:
    """One column in the reference and in the window, over the same bins."""

    name: str
    role: ColumnRole
    kind: ColumnKind
    bins: tuple[str, ...]
    """Numeric: in the order of the values, missing ones last."""
    reference: tuple[float, ...]
    """Rows of the reference in each bin."""
    observed: tuple[float, ...]
    """Rows of the window in each bin."""

    @property
    def rows(self) -> float:
        """Of the reference."""
        return math.fsum(self.reference)

    @property
    def samples(self) -> float:
        """Rows of the window."""
        return math.fsum(self.observed)


@dataclass(frozen=True)
class Reading:
    """What an answer holds."""

    columns: tuple[Column, ...] = ()
    unreadable: Mapping[str, str] | None = None
    """Columns that cannot be judged, and why."""


class _Unreadable(Exception):  # noqa: N818
    pass


def read(samples: Sequence[Sample]) -> Reading:
    """The columns of an answer, by role and name."""
    found: dict[_Where, dict[str, list[tuple[Mapping[str, str], float]]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        labels = sample.labels
        if labels.get("column") and labels.get("role") in set(ColumnRole) and PART in labels:
            found[labels["role"], labels["column"]][labels[PART]].append((labels, sample.value))
    columns: list[Column] = []
    unreadable: dict[str, str] = {}
    for (role, name), parts in sorted(found.items()):
        if not parts[REFERENCE]:
            # Counted, but without a reference there is nothing to compare with.
            continue
        try:
            columns.append(_column(name, ColumnRole(role), parts))
        except _Unreadable as error:
            unreadable[name] = str(error)
    return Reading(tuple(columns), unreadable)


def _column(name: str, role: ColumnRole, parts: Mapping[str, list[tuple[Mapping[str, str], float]]]) -> Column:
    kinds = {labels.get("kind", "") for labels, _ in [*parts[REFERENCE], *parts[OBSERVED]]}
    if len(kinds) != 1 or not kinds <= set(ColumnKind):
        raise _Unreadable(f"its kind is {' and '.join(sorted(kinds)) or 'not given'}")
    kind = ColumnKind(kinds.pop())
    rows = max((value for _, value in parts[ROWS] if math.isfinite(value)), default=0.0)
    if rows < 1.0:
        raise _Unreadable("the number of the reference's rows is not known")
    shares = _by_bin(parts[REFERENCE], kind)
    total = math.fsum(shares.values())
    if abs(total - 1.0) > TOLERANCE:
        raise _Unreadable(f"the shares of its reference sum to {total:.3g}, not to 1")
    observed = _by_bin(parts[OBSERVED], kind)
    if kind is ColumnKind.CATEGORICAL:
        observed = _known(observed, shares)
    elif unknown := sorted(observed.keys() - shares.keys() - {MISSING}):
        raise _Unreadable(f"bin {unknown[0]} is not in its reference")
    bins = sorted(shares.keys() | observed.keys(), key=_order if kind is ColumnKind.NUMERIC else str)
    return Column(
        name,
        role,
        kind,
        tuple(bins),
        tuple(shares.get(label, 0.0) / total * rows for label in bins),
        tuple(observed.get(label, 0.0) for label in bins),
    )


def _by_bin(values: Sequence[tuple[Mapping[str, str], float]], kind: ColumnKind) -> _Bins:
    bins: _Bins = defaultdict(float)
    for labels, value in values:
        label = labels.get("bin", "")
        if not math.isfinite(value) or value < 0.0:
            raise _Unreadable(f"bin {label} holds {value:g}")
        bins[_bound(label) if kind is ColumnKind.NUMERIC and label != MISSING else label] += value
    return bins


def _bound(label: str) -> str:
    """A bound in one spelling: 1 and 1.0 are the same."""
    try:
        bound = float(label)
    except ValueError:
        raise _Unreadable(f"bin {label!r} is no number") from None
    if math.isnan(bound):
        raise _Unreadable(f"bin {label!r} is no number")
    return "+Inf" if bound == math.inf else repr(bound)


def _known(observed: _Bins, shares: _Bins) -> _Bins:
    """Categories that the reference has not are one: all others."""
    known: _Bins = defaultdict(float)
    for label, value in observed.items():
        known[label if label in shares or label == MISSING else OTHER] += value
    return known


def _order(label: str) -> tuple[bool, float]:
    return label == MISSING, math.inf if label == MISSING else float(label)
