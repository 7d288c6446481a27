"""What is said of drift to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steersman.api.drift import Drift
from steersman.api.drift_status import ColumnRole, DriftColumn, DriftMethod
from steersman.api.duration import format_duration
from steersman.core.drift.judge import Judgement

NAMED: Final = 3
"""Columns that a message names."""
_LABELS = {
    DriftMethod.PSI: "PSI",
    DriftMethod.JENSEN_SHANNON: "Jensen-Shannon distance",
    DriftMethod.KOLMOGOROV_SMIRNOV: "Kolmogorov-Smirnov p",
    DriftMethod.CHI_SQUARE: "chi-square p",
}


def summary(found: Judgement, unreadable: str) -> str:
    """`2 of 12 columns drifted: amount (PSI 0.43), prediction score (PSI 0.25)`."""
    drifted = found.drifted
    words = f"{len(drifted)} of {_columns(len(found.columns))} drifted in {found.samples:.0f} rows"
    if drifted:
        words += f": {', '.join(_named(column) for column in drifted[:NAMED])}"
        if len(drifted) > NAMED:
            words += f" and {len(drifted) - NAMED} more"
    return words + unreadable


def _named(column: DriftColumn) -> str:
    name = f"prediction {column.name}" if column.role is ColumnRole.PREDICTION else column.name
    return f"{name} ({_LABELS[column.method]} {column.score:.3g})"


def too_few(samples: float, settings: Drift) -> str:
    """Why a window was not judged."""
    window = format_duration(settings.window)
    return f"{samples:.0f} rows in the last {window}, and {settings.min_samples} are needed (spec.drift.minSamples)"


def no_reference(revision: str, excluded: bool, unreadable: str) -> str:
    """Why there is nothing to compare with, and what to do."""
    if unreadable:
        return f"no column of {revision} can be judged{unreadable}"
    if excluded:
        return f"spec.drift.columns and predictions leave no column of {revision}"
    return (
        f"Prometheus knows no reference profile of {revision}: store one with the model "
        "(steersman.profile.log_reference), and see that its pods are scraped"
    )


def unreadable_columns(found: Mapping[str, str]) -> str:
    """`; not judged: age (its kind is not given)`; empty when all were readable."""
    if not found:
        return ""
    named = [f"{name[:64]} ({why[:128]})" for name, why in sorted(found.items())[:NAMED]]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"; not judged: {', '.join(named)}{more}"


def _columns(number: int) -> str:
    return f"{number} column" if number == 1 else f"{number} columns"
