"""The rollouts that ended."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import Outcome
from steersman.cli.earlier import ways_back
from steersman.cli.view.text import LONGEST_CELL, clean, human_duration, plain

OUTCOME_STYLES = {
    Outcome.PROMOTED: "green",
    Outcome.ABORTED: "red",
    Outcome.REFUSED: "red",
    Outcome.SUPERSEDED: "yellow",
    Outcome.CANCELLED: "yellow",
}


def render_history(md: ModelDeployment, now: float) -> Table:
    """One line per rollout, newest first; of each revision the latest promotion says how to roll back to it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in (
        "REVISION",
        "VERSION",
        "STRATEGY",
        "OUTCOME",
        "REASON",
        "STARTED",
        "DURATION",
        "ROLLBACK",
        "MESSAGE",
    ):
        table.add_column(header, no_wrap=True)
    back = {revision: Text(f"--to {clean(word)}", style="cyan") for revision, word in ways_back(md.status).items()}
    if md.status.stable is not None:
        back[md.status.stable.name] = Text("serves now", style="green")
    for entry in md.status.history:
        promoted = entry.outcome is Outcome.PROMOTED
        table.add_row(
            plain(entry.revision),
            plain(entry.version),
            plain(entry.strategy.value),
            Text(entry.outcome.value, style=OUTCOME_STYLES[entry.outcome]),
            plain(entry.reason),
            f"{human_duration(now - entry.started_at)} ago",
            human_duration(entry.ended_at - entry.started_at),
            back.pop(entry.revision, Text("-", style="dim")) if promoted else Text("-", style="dim"),
            # Of a promotion the other columns have said everything.
            Text("" if promoted else clean(entry.message, LONGEST_CELL)),
        )
    return table
