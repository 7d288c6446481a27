"""Kubernetes events, whichever API version wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from steersman.cli.view.text import human_duration, plain


@dataclass(frozen=True)
class EventLine:
    """One event as it is shown."""

    at: float | None
    """When it was last seen, seconds since the epoch."""
    warning: bool
    reason: str
    message: str
    count: int = 1


def parse_events(manifests: Sequence[Mapping[str, Any]]) -> list[EventLine]:
    """Events of the API v1 or events.k8s.io/v1, newest first; what is malformed in one is left empty."""
    lines = [_parse(manifest) for manifest in manifests]
    return sorted(lines, key=lambda line: line.at or 0.0, reverse=True)


def _parse(event: Mapping[str, Any]) -> EventLine:
    series = event.get("series")
    series = series if isinstance(series, Mapping) else {}
    metadata = event.get("metadata")
    created = metadata.get("creationTimestamp") if isinstance(metadata, Mapping) else None
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        created,
    )
    counts = (series.get("count"), event.get("count"), event.get("deprecatedCount"))
    return EventLine(
        at=next((moment for moment in map(_moment, times) if moment is not None), None),
        warning=event.get("type") == "Warning",
        reason=str(event.get("reason") or ""),
        message=str(event.get("message") or event.get("note") or ""),
        count=next((amount for amount in counts if isinstance(amount, int) and amount > 0), 1),
    )


def _moment(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        return None


def render_events(events: Sequence[EventLine], now: float, limit: int = 8) -> RenderableType:
    """The newest events."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, justify="right", style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for event in events[:limit]:
        message = plain(event.message)
        if event.count > 1:
            message.append(f" (x{event.count})", style="dim")
        age = human_duration(now - event.at) if event.at is not None else "?"
        table.add_row(age, plain(event.reason, style="yellow" if event.warning else "green"), message)
    return table
