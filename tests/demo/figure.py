"""The picture of a run: who served the users, what failed, how long it took, and every decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from demo.names import COLOURS
from demo.records import Record

OTHER = "#b0003a"
INK, FAINT = "#1f2733", "#9aa4b2"
SHARE_BIN, LATENCY_BIN = 2.0, 5.0
"""Seconds."""
LABELLED = {
    "release": "alias to v{version}",
    "strategy": "blue-green set",
    "promoted": "v{version} promoted",
    "aborted": "v{version} aborted",
}
"""Decisions that get a line and a label; each new weight is shown by the weights' own line."""

STYLE: Any = {
    "font.size": 10,
    "font.family": ["DejaVu Sans"],
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "steersman",
    "svg.fonttype": "path",
}


def draw(report: Mapping[str, Any], records: Sequence[Record], *paths: Path) -> None:
    """Draw the picture into files; their names' ends say the format."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13, 9.2), facecolor="white")
        figure.set_layout_engine(ConstrainedLayoutEngine(h_pad=0.08, hspace=0.06))
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[3.2, 1.3, 1.9])
        begin = report["startedAt"]
        end = report["seconds"]
        versions = sorted(report["versions"])
        _shares(top, records, begin, end, versions)
        _weights(top, report["weights"], end)
        _failures(middle, records, begin, end)
        _latencies(bottom, records, begin, end, versions)
        _decisions((top, middle, bottom), report["decisions"], end)
        bottom.set_xlabel("seconds since the first request")
        bottom.set_xlim(0, end)
        _legend(figure, versions)
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=130, metadata=metadata)


def _bins(end: float, width: float) -> np.ndarray:
    return np.arange(0, end + width, width)


def _shares(axes: Axes, records: Sequence[Record], begin: float, end: float, versions: Sequence[str]) -> None:
    edges = _bins(end, SHARE_BIN)
    counts = np.array(
        [
            np.histogram([record.at - begin for record in records if record.version == version], edges)[0]
            for version in versions
        ],
        dtype=float,
    )
    total = counts.sum(axis=0)
    shares = 100 * np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    axes.stackplot(
        edges,
        np.column_stack([shares, shares[:, -1]]),
        colors=[COLOURS.get(version, OTHER) for version in versions],
        step="post",
        alpha=0.88,
        linewidth=0,
    )
    axes.set_ylim(0, 100)
    axes.set_ylabel("% of requests")
    axes.set_title("Which version answered the users", pad=78)


def _weights(axes: Axes, weights: Sequence[Mapping[str, Any]], end: float) -> None:
    """The older version's share that the route asked for: where its area should end."""
    moments = [max(0.0, entry["at"]) for entry in weights if entry["weights"]]
    older = [
        entry["weights"][min(entry["weights"], key=int)] if len(entry["weights"]) > 1 else 100
        for entry in weights
        if entry["weights"]
    ]
    if moments:
        axes.step([*moments, end], [*older, older[-1]], where="post", color=INK, linewidth=1.3)
    for moment, weight, entry in zip(moments, older, (e for e in weights if e["weights"]), strict=True):
        if weight < 100:
            axes.annotate(
                f"{entry['weights'][max(entry['weights'], key=int)]} %",
                (moment, weight),
                xytext=(4, -4),
                textcoords="offset points",
                va="top",
                color="white",
                fontsize=9,
                fontweight="bold",
            )


def _failures(axes: Axes, records: Sequence[Record], begin: float, end: float) -> None:
    edges = _bins(end, SHARE_BIN)
    groups = {
        COLOURS["3"]: [record.at - begin for record in records if record.excused],
        OTHER: [record.at - begin for record in records if record.failed and not record.excused],
    }
    heights = [np.histogram(moments, edges)[0] for moments in groups.values()]
    bottom = np.zeros(len(edges) - 1)
    for colour, height in zip(groups, heights, strict=True):
        axes.bar(edges[:-1], height, SHARE_BIN, bottom=bottom, align="edge", color=colour, linewidth=0)
        bottom += height
    axes.set_ylim(0, max(3.0, 1.25 * bottom.max(initial=0)))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_ylabel(f"in {SHARE_BIN:g} s")
    axes.set_title("Failed requests")
    axes.grid(axis="y", color="#e6e9ee", linewidth=0.8)
    axes.set_axisbelow(True)


def _latencies(axes: Axes, records: Sequence[Record], begin: float, end: float, versions: Sequence[str]) -> None:
    edges = _bins(end, LATENCY_BIN)
    for version in versions:
        moments, medians, tails = [], [], []
        mine = [(record.at - begin, 1000 * record.latency) for record in records if record.version == version]
        for left in edges[:-1]:
            values = [latency for at, latency in mine if left <= at < left + LATENCY_BIN]
            enough = len(values) >= 10
            moments.append(left + LATENCY_BIN / 2)
            medians.append(np.percentile(values, 50) if enough else np.nan)
            tails.append(np.percentile(values, 99) if enough else np.nan)
        colour = COLOURS.get(version, OTHER)
        axes.plot(moments, medians, color=colour, linewidth=2.2, marker="o", markersize=2.5)
        axes.plot(moments, tails, color=colour, linewidth=1.2, linestyle=(0, (3, 2)), marker="o", markersize=1.8)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("milliseconds")
    axes.set_title("Latency")
    axes.grid(axis="y", color="#e6e9ee", linewidth=0.8)
    axes.set_axisbelow(True)


def _decisions(panels: Sequence[Axes], decisions: Sequence[Mapping[str, Any]], end: float) -> None:
    shown = [decision for decision in decisions if decision["kind"] in LABELLED and 0 <= decision["at"] <= end]
    place = -np.inf
    for decision in shown:
        colour = OTHER if decision["kind"] == "aborted" else INK
        for axes in panels:
            axes.axvline(decision["at"], color=colour, linewidth=1, linestyle=(0, (1, 1.5)), alpha=0.9)
        # Slanted labels need this much room; a crowded one moves right and a thin line leads to its moment.
        place = max(decision["at"], place + end / 44)
        panels[0].annotate(
            LABELLED[decision["kind"]].format(version=decision["version"]),
            xy=(decision["at"], 100),
            xytext=(place, 109),
            rotation=38,
            rotation_mode="anchor",
            va="bottom",
            ha="left",
            color=colour,
            fontsize=9.5,
            fontweight="bold" if decision["kind"] in ("promoted", "aborted") else "normal",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
        )


def _legend(figure: Figure, versions: Sequence[str]) -> None:
    handles: list[Patch | Line2D] = [
        Patch(color=COLOURS.get(version, OTHER), label=f"v{version}") for version in versions
    ]
    handles += [
        Line2D([], [], color=INK, linewidth=1.3, label="weights of the route"),
        Patch(color=OTHER, label="failed for another reason"),
        Line2D([], [], color=FAINT, linewidth=2.2, label="median latency"),
        Line2D([], [], color=FAINT, linewidth=1.2, linestyle=(0, (3, 2)), label="99th percentile"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9.5)
