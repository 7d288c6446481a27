"""A forecast for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steersman.api.duration import format_duration
from steersman.cli.view.text import clean, count
from steersman.core.foresight.forecast import Forecast
from steersman.core.foresight.trials import Outlook

BAR = 40
"""Columns of a bar of 100 %."""


def render_forecast(found: Forecast) -> RenderableType:
    """How long it takes, what it sees, and what a bad version costs."""
    return Group(
        _course(found), Text(""), _candidates(found), Text(""), _sight(found), Text(""), _curve(found), *_notes(found)
    )


def _course(found: Forecast) -> Text:
    timeline = found.scenario.timeline
    weights = " → ".join(
        f"{stretch.weight} % for {format_duration(round(stretch.ends - stretch.begins))}"
        for stretch in timeline.stretches
    )
    candidate, stable = found.requests
    lines = [
        f"{clean(found.name)}: {weights} → 100 %",
        f"{format_duration(round(timeline.seconds))} from the first weight to all traffic, and the time that pods need to start",
        f"of {count(candidate + stable)} requests until then the candidate answers {count(candidate)}",
    ]
    if timeline.waits:
        lines.append(f"{timeline.waits} pause(s) without a duration wait for promote, and count as nothing here")
    return Text("\n".join(lines))


def _candidates(found: Forecast) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in ("CANDIDATE FAILS", "ROLLED BACK", "AFTER (MEDIAN)", "FAILED REQUESTS (MEAN)", ""):
        table.add_column(header, no_wrap=True)
    for seen in (found.equal, *found.bad):
        is_equal = seen is found.equal
        table.add_row(
            percent(seen.rate),
            percent(seen.aborted),
            format_duration(round(seen.seconds)) if seen.seconds is not None else "-",
            _few(seen.failed),
            f"as often as stable: false alarms, at most {percent(found.judging.alpha)}" if is_equal else "",
        )
    return table


def _sight(found: Forecast) -> Text:
    lines = []
    for power, rate in found.smallest:
        if rate is None:
            lines.append(f"{percent(power)} of the rollouts find nothing, however bad: too few requests, or too short")
            continue
        times = (
            f" ({rate / found.scenario.stable:.2g} times stable's {percent(found.scenario.stable)})"
            if found.scenario.stable
            else ""
        )
        lines.append(f"{percent(power)} of the rollouts find a candidate that fails {percent(rate)}{times}, or more")
    return Text("\n".join(lines))


def _curve(found: Forecast) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("CANDIDATE FAILS", justify="right", no_wrap=True)
    table.add_column("SHARE OF ROLLOUTS THAT ARE ROLLED BACK", no_wrap=True)
    for seen in found.curve:
        table.add_row(percent(seen.rate), _bar(seen))
    return table


def _bar(seen: Outlook) -> Text:
    filled = round(seen.aborted * BAR)
    return Text.assemble(("█" * filled, "green"), ("·" * (BAR - filled), "dim"), f" {percent(seen.aborted)}")


def _notes(found: Forecast) -> list[Text]:
    judging = found.judging
    notes = [f"{found.equal.trials} rollouts of each candidate were played; judged by {clean(judging.metric)}."]
    if judging.metrics > 1:
        notes.append(
            f"The rollout's {judging.metrics} sequential metrics share a bound of false alarms of {percent(judging.alpha_of_all)}."
        )
    if judging.assumed:
        notes.append(
            f"Not in the files, and taken for the sequential judge with its defaults: {', '.join(map(clean, judging.assumed))}."
        )
    return [Text(""), Text("\n".join(notes), style="dim")]


def percent(share: float) -> str:
    """A share with two significant digits at least: 0.002 -> 0.2 %."""
    return f"{100 * share:.3g} %"


def _few(number: float) -> str:
    return f"{number:.1f}" if number < 10 else count(number)
