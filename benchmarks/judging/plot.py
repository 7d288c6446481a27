"""The results as a picture: false rollbacks of good versions above, failed requests of bad ones below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.judging.scenarios import Scenario
from benchmarks.judging.trials import Score

KINDS = ("equal", "both in an outage", "both drift to 10 x", "bursts of 20", "slow start")
SHOWN = {
    "Steersman": "tab:green",
    "Kayenta": "tab:purple",
    "Flagger, threshold 5": "tab:blue",
    "Argo Rollouts, failureLimit 3": "tab:orange",
    "Argo Rollouts, failureLimit 0": "tab:red",
}
LEAST = 0.1
"""Below this many failed requests a bar cannot be seen on the logarithmic scale."""


def save(results: Sequence[tuple[Scenario, Mapping[str, Score]]], path: Path) -> None:
    """Draw it; the same results give the same file."""
    figure = Figure(figsize=(9.0, 7.5), layout="constrained")
    above, below = figure.subplots(2, 1)
    width = 0.8 / len(SHOWN)
    for number, (name, colour) in enumerate(SHOWN.items()):
        worst = [
            max(
                (scores[name].ended for scenario, scores in results if scenario.name.endswith(f": {kind}")), default=0.0
            )
            for kind in KINDS
        ]
        places = [place + width * (number - (len(SHOWN) - 1) / 2) for place in range(len(KINDS))]
        above.bar(places, [100.0 * share for share in worst], width, color=colour, label=name)
        for place, share in zip(places, worst, strict=True):
            above.annotate(f"{100 * share:.3g}", (place, 100 * share), ha="center", va="bottom", fontsize=6)
    above.set_xticks(range(len(KINDS)), KINDS)
    above.set(ylabel="% rolled back, worst scenario", title="Versions as good as stable that are rolled back")
    figure.legend(loc="outside upper center", ncols=len(SHOWN), fontsize=8)
    tenfold = [(scenario, scores) for scenario, scores in results if scenario.ratio == 10]
    for number, (name, colour) in enumerate(SHOWN.items()):
        places = [place + width * (number - (len(SHOWN) - 1) / 2) for place in range(len(tenfold))]
        below.bar(places, [max(LEAST, scores[name].failed) for _, scores in tenfold], width, color=colour)
    labels = [
        scenario.name.partition(":")[0].replace(", stable", "\nstable").replace("stable fails", "stable")
        for scenario, _ in tenfold
    ]
    below.set_xticks(range(len(tenfold)), labels, fontsize=7)
    below.set(
        yscale="log",
        ylabel="failed requests (mean)",
        title="What a version costs that fails ten times as often as stable",
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
