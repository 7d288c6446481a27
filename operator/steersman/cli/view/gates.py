"""The results of gates, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from steersman.api.gate_status import GatePhase, GateResult
from steersman.cli.view.text import clean

_STYLES = {
    GatePhase.PASS: ("✓", "green"),
    GatePhase.FAIL: ("✗", "red"),
    GatePhase.ERROR: ("!", "yellow"),
    GatePhase.PENDING: ("·", "dim"),
}


def render_gates(model: str, version: str, against: str | None, results: Sequence[GateResult]) -> list[RenderableType]:
    """What was judged, a line for each gate, and the sum."""
    compared = f", against version {clean(against)}" if against is not None else ""
    return [
        Text(f"{clean(model)} version {clean(version)}{compared}\n"),
        gates_table(results),
        Text(f"\n{_sum(results)}"),
    ]


def gates_table(results: Sequence[GateResult], *, wraps: bool = False) -> Table:
    """A line for each gate; `wraps` breaks long cells where the screen ends."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    messages = any(result.message for result in results)
    for header in ("GATE", "RESULT", "EXPECTED", "FOUND", *(["WHY"] if messages else [])):
        table.add_column(header, no_wrap=not wraps or header in ("GATE", "RESULT"), overflow="fold")
    for result in results:
        marker, style = _STYLES[result.phase]
        cells = [
            Text(clean(result.name)),
            Text(f"{marker} {result.phase.value}", style=style),
            Text(clean(result.expected) or "-"),
            Text(clean(result.found) or "-"),
        ]
        table.add_row(*cells, *([Text(clean(result.message))] if messages else []))
    return table


def gate_line(result: GateResult) -> Text:
    """One gate in a line."""
    marker, style = _STYLES[result.phase]
    found = f", found {result.found}" if result.found else ""
    why = f" ({result.message})" if result.message else ""
    return Text.assemble((f"{marker} ", style), clean(f"{result.name}: expected {result.expected or '-'}{found}{why}"))


def _sum(results: Sequence[GateResult]) -> str:
    """`5 gates: 3 pass, 1 fails, 1 could not be judged`."""
    counts = [sum(result.phase is phase for result in results) for phase in GatePhase]
    words = (
        "pass" if counts[0] != 1 else "passes",
        "fail" if counts[1] != 1 else "fails",
        "could not be judged",
        "left to the cluster",
    )
    parts = [f"{count} {word}" for count, word in zip(counts, words, strict=True) if count]
    return f"{len(results)} {'gates' if len(results) != 1 else 'gate'}: {', '.join(parts)}"
