"""The rollouts that ended."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import Outcome
from steersman.cli.view.text import LONGEST_CELL, clean, human_duration, plain

OUTCOME_STYLES = {
    Outcome.PROMOTED: "green",
    Outcome.ABORTED: "red",
    Outcome.SUPERSEDED: "yellow",
    Outcome.CANCELLED: "yellow",
}


def render_history(md: ModelDeployment, now: float) -> Table:
    """One line per rollout, newest first."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in ("REVISION", "VERSION", "STRATEGY", "OUTCOME", "REASON", "STARTED", "DURATION", "MESSAGE"):
        table.add_column(header, no_wrap=True)
    for entry in md.status.history:
        table.add_row(
            plain(entry.revision),
            plain(entry.version),
            plain(entry.strategy.value),
            Text(entry.outcome.value, style=OUTCOME_STYLES[entry.outcome]),
            plain(entry.reason),
            f"{human_duration(now - entry.started_at)} ago",
            human_duration(entry.ended_at - entry.started_at),
            Text(clean(entry.message, LONGEST_CELL)),
        )
    return table
