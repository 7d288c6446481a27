"""Drift of one ModelDeployment: what is told of it, and the columns behind it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from steersman.api.conditions import Condition, ConditionStatus, ConditionType
from steersman.api.drift_status import DriftColumn, DriftStatus
from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.view.advice import advice
from steersman.cli.view.text import clean, human_duration, number, plain

DRIFT_TYPES = (ConditionType.DATA_DRIFT, ConditionType.CONCEPT_DRIFT)
_TITLES = {ConditionType.DATA_DRIFT: "Data drift", ConditionType.CONCEPT_DRIFT: "Concept drift"}
_STYLES = {
    ConditionStatus.TRUE: ("✗", "red"),
    ConditionStatus.FALSE: ("✓", "green"),
    ConditionStatus.UNKNOWN: ("?", "yellow"),
}


def drift_conditions(md: ModelDeployment) -> list[Condition]:
    """Those that tell of drift, data before concept."""
    return [condition for kind in DRIFT_TYPES for condition in md.status.conditions if condition.type is kind]


def render_drift(md: ModelDeployment, now: float, *, wide: bool = False) -> list[RenderableType]:
    """Everything that status knows of drift. `now` in seconds since the epoch."""
    drift = md.status.drift
    lines: list[RenderableType] = []
    if drift is not None:
        looked = (
            f"looked at {human_duration(now - drift.last_look_at)} ago" if drift.last_look_at else "not looked at yet"
        )
        lines.append(Text.assemble((clean(drift.revision), "bold"), (f"  {looked}", "dim")))
    for condition in drift_conditions(md):
        lines.append(_headline(condition, now))
        if condition.message:
            lines.append(plain(f"  {condition.message}"))
        hint = advice(condition.reason, md) if condition.status is not ConditionStatus.TRUE else ""
        if hint:
            lines.append(Text(f"  → {hint}", style="cyan"))
    if drift is not None and drift.data.columns:
        lines += [Text(""), _table(drift.data.columns, wide)]
        left_out = drift.data.judged - len(drift.data.columns)
        if left_out > 0:
            lines.append(Text(f"and {left_out} more columns, which drifted less", style="dim"))
    if drift is not None and (fired := _fired(drift)):
        lines += [Text(""), plain(fired)]
    return lines


def _headline(condition: Condition, now: float) -> Text:
    marker, style = _STYLES[condition.status]
    return Text.assemble(
        (f"{marker} {_TITLES[condition.type]}: ", style),
        (condition.reason.value, "bold"),
        (f"  for {human_duration(now - condition.last_transition_time)}", "dim"),
    )


def _table(columns: Sequence[DriftColumn], wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    headers = ["COLUMN", "ROLE", "DRIFTED", "METHOD", "SCORE", "THRESHOLD", *(["DISTANCE", "P-VALUE"] if wide else [])]
    for header in headers:
        table.add_column(header, no_wrap=True)
    for column in columns:
        sign = ">" if column.method.is_distance else "<"
        cells = [
            clean(column.name, 80),
            column.role.value,
            "yes" if column.drifted else "no",
            column.method.value,
            number(column.score),
            f"{sign} {number(column.threshold)}",
        ]
        if wide:
            cells += [f"{column.measure.value} {number(column.distance)}", number(column.p_value)]
        table.add_row(*(Text(cell) for cell in cells), style="red" if column.drifted else "")
    return table


def _fired(drift: DriftStatus) -> str:
    if drift.concept is None or not drift.concept.feedback:
        return ""
    detectors = ", ".join(f"{each.name} {number(each.fired)}" for each in drift.concept.detectors)
    return f"Detectors that fired: {detectors} ({number(drift.concept.feedback)} predictions with feedback)"
