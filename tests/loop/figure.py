"""The picture of the loop: how often the answers were right, how far the data drifted, who answered, and every decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from demo.figure import FAINT, INK, STYLE
from loop.names import COLOURS
from loop.report import accuracy_over_time
from loop.users import Request

BIN = 5.0
"""Seconds."""
ALARM = "#b0003a"
LABELLED = {
    "act": "new instrument",
    "DriftDetected": "drift seen",
    "RetrainingStarted": "retraining",
    "GatesPassed": "gates pass",
    "RolloutStarted": "canary",
    "Promoted": "promoted",
    "DriftEnded": "drift over",
}
SHOWN_COLUMNS = 6


def draw(report: Mapping[str, Any], requests: Sequence[Request], *paths: Path) -> None:
    """Draw into files; their names' ends say the format."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13, 8.6), facecolor="white")
        figure.set_layout_engine(ConstrainedLayoutEngine(h_pad=0.08, hspace=0.06))
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[2.6, 2.2, 1.2])
        end = report["seconds"]
        _accuracy(top, requests, report["startedAt"])
        _scores(middle, report)
        _weights(bottom, report["weights"], end)
        _decisions((top, middle, bottom), report, end)
        bottom.set_xlabel("seconds since the first request")
        bottom.set_xlim(0, end)
        for path in paths:
            figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)


def _accuracy(axes: Axes, requests: Sequence[Request], begin: float) -> None:
    for version, points in accuracy_over_time(requests, begin, BIN).items():
        moments, shares = zip(*points, strict=True)
        colour = COLOURS.get(version, INK)
        axes.plot(moments, [100 * share for share in shares], color=colour, linewidth=2, marker="o", markersize=3)
        axes.annotate(
            f"version {version}",
            (moments[0], 100 * shares[0]),
            xytext=(0, 9),
            textcoords="offset points",
            color=colour,
        )
    axes.set_ylim(top=101)
    axes.set_ylabel("% right")
    axes.set_title("How often the answers were right, once the diagnosis was known", pad=76)
    axes.grid(axis="y", color="#e6e9ee", linewidth=0.8)


def _scores(axes: Axes, report: Mapping[str, Any]) -> None:
    names: dict[str, float] = {}
    for state in report["drift"]:
        for name, score in state["distances"].items():
            names[name] = max(names.get(name, 0.0), score)
    for name in sorted(names, key=lambda each: -names[each])[:SHOWN_COLUMNS]:
        points = [(state["at"], state["distances"][name]) for state in report["drift"] if name in state["distances"]]
        axes.plot(
            [at for at, _ in points], [score for _, score in points], linewidth=1.4, label=name, drawstyle="steps-post"
        )
    drifted = [state for state in report["drift"] if state["condition"] == "DriftDetected"]
    if drifted:
        axes.axvspan(drifted[0]["at"], drifted[-1]["at"], color=ALARM, alpha=0.07, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("distance")
    axes.set_title("How far what users send lies from what stable was trained on: the columns that moved most")
    if names:
        axes.legend(frameon=False, fontsize=8.5, ncols=2, loc="upper left")
    axes.grid(axis="y", color="#e6e9ee", linewidth=0.8)


def _weights(axes: Axes, weights: Sequence[Mapping[str, Any]], end: float) -> None:
    moments = [max(0.0, entry["at"]) for entry in weights]
    versions = sorted({version for entry in weights for version in entry["weights"]})
    shares = [[entry["weights"].get(version, 0) for entry in weights] for version in versions]
    if moments:
        axes.stackplot(
            [*moments, end],
            [[*share, share[-1]] for share in shares],
            colors=[COLOURS.get(version, FAINT) for version in versions],
            step="post",
            alpha=0.88,
            linewidth=0,
        )
    axes.set_ylim(0, 100)
    axes.set_ylabel("% of traffic")
    axes.set_title("Which version the route asked for")


def _decisions(panels: Sequence[Axes], report: Mapping[str, Any], end: float) -> None:
    place = -1.0e9
    for decision in report["decisions"]:
        label = LABELLED.get(decision["kind"])
        if decision["kind"] == "DriftDetected" and decision["text"].startswith("concept"):
            label = "more errors"
        if label is None or not 0 <= decision["at"] <= end:
            continue
        alarming = decision["kind"] in ("act", "DriftDetected")
        colour = ALARM if alarming else INK
        for axes in panels:
            axes.axvline(decision["at"], color=colour, linewidth=1, linestyle=(0, (1, 1.5)), alpha=0.9)
        place = max(decision["at"], place + end / 44)
        panels[0].annotate(
            label,
            xy=(decision["at"], 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(place, 1.06),
            textcoords=("data", "axes fraction"),
            rotation=38,
            rotation_mode="anchor",
            va="bottom",
            ha="left",
            color=colour,
            fontsize=9.5,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
        )
