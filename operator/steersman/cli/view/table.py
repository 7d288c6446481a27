"""The table of ModelDeployments, as kubectl would show it, with colours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.view.health import PHASE_STYLES
from steersman.cli.view.text import LONGEST_CELL, clean, human_duration, plain


def render_table(
    models: Sequence[ModelDeployment], now: float, *, namespaces: bool = False, wide: bool = False
) -> Table:
    """One line per ModelDeployment; `namespaces` adds that column, `wide` the revisions, strategy, runtime and message."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    headers = ["NAMESPACE"] if namespaces else []
    headers += ["NAME", "MODEL", "VERSION", "CANDIDATE", "PHASE", "WEIGHT", "STEP", "READY", "AGE"]
    if wide:
        headers += ["STRATEGY", "RUNTIME", "STABLE REVISION", "CANDIDATE REVISION", "MESSAGE"]
    for header in headers:
        # Where width is short (the live view) models are cut and names wrapped, as they are needed to act on.
        table.add_column(
            header, no_wrap=header not in ("NAME", "MODEL"), overflow="fold" if header == "NAME" else "ellipsis"
        )
    for md in models:
        table.add_row(*_cells(md, now, namespaces, wide))
    return table


def _cells(md: ModelDeployment, now: float, namespaces: bool, wide: bool) -> list[Text]:
    status = md.status
    stable, candidate = status.stable, status.candidate
    cells = [plain(md.metadata.get("namespace", ""))] if namespaces else []
    cells += [
        plain(md.metadata.get("name", "")),
        plain(md.spec.model.title, style="dim"),
        plain(stable.version if stable else "-"),
        plain(candidate.version if candidate else "-"),
        Text(status.phase.value, style=PHASE_STYLES[status.phase]),
        plain(f"{status.candidate_weight} %" if candidate else "-"),
        plain(status.step or "-"),
        plain(status.ready or "-"),
        Text(_age(md, now)),
    ]
    if wide:
        cells += [
            Text("canary" if md.spec.strategy.canary else "blueGreen"),
            plain(md.spec.runtime.name),
            plain(stable.name if stable else "-"),
            plain(candidate.name if candidate else "-"),
            Text(clean(status.message or "-", LONGEST_CELL)),
        ]
    return cells


def _age(md: ModelDeployment, now: float) -> str:
    created = clean(md.metadata.get("creationTimestamp") or "")
    try:
        return human_duration(now - datetime.fromisoformat(created).timestamp())
    except ValueError:
        return "?"
