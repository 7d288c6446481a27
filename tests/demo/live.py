"""The view while the demo runs: weights as bars, what users get, the ModelDeployment, and what was decided."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from demo.names import COLOURS
from demo.observe import Observations
from demo.records import Record, Tail
from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.view import EventLine, render_status

WINDOW = 5.0
"""Seconds of requests that the rates are of."""
BAR = 40
LOG_LINES = 6


@dataclass(frozen=True)
class VersionRate:
    """How users were served by one version lately."""

    version: str
    per_second: float
    failed_percent: float
    median_milliseconds: float


def rates(records: Sequence[Record], seconds: float = WINDOW) -> list[VersionRate]:
    """Rates by version of the records of some seconds."""
    found = []
    for version in sorted({record.version for record in records}):
        mine = [record for record in records if record.version == version]
        failed = sum(record.failed for record in mine)
        found.append(
            VersionRate(
                version,
                len(mine) / seconds,
                100 * failed / len(mine),
                1000 * median(record.latency for record in mine),
            )
        )
    return found


class Story:
    """What has happened so far: a log of lines, and the figures beside it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen = Observations()
        self._tail: Tail | None = None
        self._began = time.monotonic()
        self._recent: deque[Record] = deque()
        self._log: deque[tuple[float, str]] = deque(maxlen=LOG_LINES)
        self._live: Live | None = None
        self._weights: dict[str, int] = {}
        self.title = ""
        self.sent = 0
        self.failed = 0

    def observe(self, seen: Observations) -> None:
        """Show what is being observed of the cluster."""
        self._seen = seen

    def follow(self, tail: Tail) -> None:
        """Show the requests in a growing file of records."""
        self._tail = tail

    def say(self, line: str) -> None:
        """Log a line; printed at once where there is no live view."""
        second = time.monotonic() - self._began
        self._log.append((second, line))
        if self._live is None:
            self._console.print(f"[{second:6.1f}] {line}", markup=False, highlight=False, soft_wrap=True)

    def show(self) -> Live:
        """The live view as a context manager; where the output is no terminal it only keeps `update` working."""
        self._live = Live(console=self._console, auto_refresh=False, screen=False, vertical_overflow="crop")
        return self._live

    def end(self) -> None:
        """Lines are printed again from now on."""
        self._live = None

    def update(self, now: float) -> None:
        """Take in what is new and redraw."""
        if self._tail is not None:
            new = self._tail.read()
            self.sent += len(new)
            self.failed += sum(record.failed for record in new)
            self._recent.extend(new)
            while self._recent and self._recent[0].done_at < now - WINDOW:
                self._recent.popleft()
        if self._seen.routes and self._seen.routes[-1].weights != self._weights:
            self._weights = self._seen.routes[-1].weights
            split = ", ".join(f"v{version} {weight} %" for version, weight in sorted(self._weights.items()))
            self.say(f"traffic: {split}")
        if self._live is not None:
            self._live.update(self.render(now), refresh=True)

    def render(self, now: float) -> RenderableType:
        """The whole view."""
        log = Table.grid(padding=(0, 2, 0, 0))
        for second, line in self._log:
            log.add_row(Text(f"{second:6.1f}", style="dim"), Text(line))
        # The status comes last: where the terminal is too low for all, its end is cut off.
        parts: list[RenderableType] = [
            self._traffic(),
            Panel(log, title="what happened", title_align="left", border_style="dim"),
        ]
        if self._seen.latest:
            events = [
                EventLine(event.at, event.kind == "Warning", event.reason, event.message)
                for event in reversed(self._seen.events[-3:])
            ]
            parts.append(Panel(render_status(_deployment(self._seen), now, events), border_style="dim"))
        return Group(*parts)

    def _traffic(self) -> RenderableType:
        table = Table.grid(padding=(0, 2, 0, 0))
        lately = {rate.version: rate for rate in rates(list(self._recent))}
        for version in sorted({*self._weights, *lately} - {""}):
            weight = self._weights.get(version, 0)
            colour = COLOURS.get(version, "white")
            filled = round(weight * BAR / 100)
            rate = lately.get(version)
            table.add_row(
                Text(f"v{version}", style=f"bold {colour}"),
                Text.assemble(("█" * filled, colour), ("░" * (BAR - filled), "dim")),
                Text(f"{weight:3d} %"),
                Text(f"{rate.per_second:5.1f} req/s" if rate else "", style="dim"),
                Text(f"{rate.failed_percent:4.1f} % failed", style="bold red" if rate.failed_percent else "dim")
                if rate
                else "",
                Text(f"median {rate.median_milliseconds:.0f} ms" if rate else "", style="dim"),
            )
        lost = lately.get("")
        if lost:
            table.add_row(
                Text("?", style="bold red"), Text(f"{lost.per_second:.1f} req/s answered by no model", style="bold red")
            )
        head = f"{self.title}   {self.sent:,} requests, {self.failed} failed"
        return Panel(table, title=head, title_align="left")


def _deployment(seen: Observations) -> ModelDeployment:
    return ModelDeployment.model_validate(seen.latest)
