"""Retraining: what is under way, what the triggers last said, and the retrainings that ended."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.retraining_status import (
    RetrainingEntry,
    RetrainingOutcome,
    RetrainingPhase,
    RetrainingRun,
    TriggerStatus,
)
from steersman.cli.view.text import LONGEST_CELL, clean, countdown, human_duration, number, plain

_OUTCOMES = {
    RetrainingOutcome.SUCCEEDED: "green",
    RetrainingOutcome.FAILED: "red",
    RetrainingOutcome.CANCELLED: "yellow",
}
_SHOWN = 5
"""Retrainings that ended; -o json has all."""


def render_retraining(md: ModelDeployment, now: float) -> RenderableType | None:
    """The section; None without spec.retraining and without a history of it."""
    status = md.status.retraining
    if status is None or (md.spec.retraining is None and not status.history):
        return None
    body: list[RenderableType] = []
    if status.current is not None:
        body += _current(status.current, now)
    if status.problem:
        body.append(plain(f"nothing can begin: {status.problem}", "red"))
    elif status.waiting:
        body.append(plain(status.waiting, "yellow"))
    if md.spec.retraining is not None and md.spec.retraining.suspend:
        body.append(Text("suspended: only a person can begin one", style="yellow"))
    body += [plain(f"trigger {each.name}: {said}", "dim") for each in status.triggers if (said := _trigger(each, now))]
    if status.history:
        body.append(_history(status.history[:_SHOWN], now))
    return Group(*body) if body else Text("none has begun yet", style="dim")


def _current(run: RetrainingRun, now: float) -> list[RenderableType]:
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    words = run.phase.value
    if run.phase is RetrainingPhase.BACK_OFF:
        words = f"{words}, again in {countdown(run.attempt_at - now)}"
    lines: list[RenderableType] = [
        Text.assemble(
            (clean(run.id), "bold"),
            f"  {clean(run.target)}{attempt}  ",
            (words, "cyan"),
            (f"  for {human_duration(now - run.started_at)}", "dim"),
        ),
        plain(f"{run.trigger}: {run.reason}"),
    ]
    if run.message:
        lines.append(plain(run.message))
    if run.url:
        lines.append(plain(run.url, "cyan"))
    return lines


def _trigger(memory: TriggerStatus, now: float) -> str:
    if memory.error:
        return memory.error
    if memory.value is not None:
        base = f", {number(memory.baseline)} at the last training" if memory.baseline is not None else ""
        return f"{number(memory.value)}{base}" + (
            f", outside {memory.outside} times in a row" if memory.outside else ""
        )
    if memory.seen is not None:
        return memory.seen if memory.seen == memory.trained else f"{memory.seen} is new"
    return ""


def _history(entries: list[RetrainingEntry], now: float) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in ("RETRAINING", "TRIGGER", "OUTCOME", "VERSION", "STARTED", "DURATION", "MESSAGE"):
        table.add_column(header, no_wrap=True)
    for entry in entries:
        table.add_row(
            plain(entry.id),
            plain(entry.trigger),
            Text(entry.outcome.value, style=_OUTCOMES[entry.outcome]),
            plain(entry.version or "-"),
            f"{human_duration(now - entry.started_at)} ago",
            human_duration(entry.ended_at - entry.started_at),
            Text(clean(entry.message, LONGEST_CELL)),
        )
    return table
