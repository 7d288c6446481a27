"""demo-report.html: one file that explains a run, with the picture inside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from demo.check import Promise
from demo.names import BAD_VERSION, COLOURS


def render_page(
    report: Mapping[str, Any], promises: Sequence[Promise], svg: str, examples: Sequence[Sequence[float]] = ()
) -> str:
    """The page. `examples` are pictures that the bad version could not read, as 64 pixels of 0 to 16 each."""
    environment = page_environment(Path(__file__).parent)
    models = {model["version"]: model for model in report["models"]}
    bad = models.get(BAD_VERSION)
    return environment.get_template("page.html.jinja").render(
        report=report,
        promises=promises,
        passed=all(promise.kept for promise in promises),
        picture=embeddable(
            svg, "Share of traffic by version, failed requests and latency over time, with every decision marked"
        ),
        colours=COLOURS,
        models=models,
        examples=examples,
        bad_share=100 * len(bad["failing_rows"]) / bad["held_out_rows"] if bad else None,
        worst=max((abs(plateau["difference"]) for plateau in report["split"]["plateaus"]), default=None),
    )


def page_environment(*folders: Path) -> jinja2.Environment:
    """For pages whose templates are in these folders."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        digits=_digits, thousands=lambda number: f"{number:,}", seconds=_seconds, duration=_duration, moment=_moment
    )
    return environment


def embeddable(svg: str, label: str) -> str:
    """The svg element alone, scalable and with a name for those who cannot see it."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1)
    return element.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _digits(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B %Y, %H:%M UTC")
