"""The analysis: each metric's latest look, the evidence that it stands on, and what it says."""

from __future__ import annotations

import math

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from steersman.api.status import AnalysisStage, AnalysisStatus, MeasurementPhase, MetricStatus, SequentialStatus
from steersman.cli.view.judgements import score_line
from steersman.cli.view.text import clean, count, human_duration, number, percent, plain
from steersman.core.analysis.judging_means import sides as means_of

STAGE_NAMES = {
    AnalysisStage.BACKGROUND: "in the background",
    AnalysisStage.PRE_PROMOTION: "before promotion",
    AnalysisStage.POST_PROMOTION: "after promotion",
    AnalysisStage.STEP: "of this step",
    AnalysisStage.EXPERIMENT: "of the experiment",
    AnalysisStage.WATCH: "of the watch",
}
_SIDES = {
    AnalysisStage.POST_PROMOTION: ("candidate", "stable before the switch"),
    AnalysisStage.EXPERIMENT: ("candidate", "baseline"),
    AnalysisStage.WATCH: ("since the promotion", "the old revision before"),
}
"""What the numbers of a judge are of, where it is not the candidate and stable at the same time."""
RESULT_STYLES = {
    MeasurementPhase.PASS: ("✓", "green"),
    MeasurementPhase.FAIL: ("✗", "red"),
    MeasurementPhase.INCONCLUSIVE: ("?", "yellow"),
    MeasurementPhase.ERROR: ("!", "yellow"),
}
LONGEST_NAME = 40


def render_analysis(analysis: AnalysisStatus, now: float) -> RenderableType:
    """All metrics of an analysis."""
    if not analysis.metrics:
        return Text("no metric has been looked at yet", style="dim")
    width = max(len(clean(metric.name, LONGEST_NAME)) for metric in analysis.metrics)
    sides = sides_of(analysis.stage)
    metrics = [_metric(metric, sides, width, now) for metric in analysis.metrics]
    return Group(*metrics, *map(score_line, analysis.scores))


def sides_of(stage: AnalysisStage) -> tuple[str, str]:
    """What the two numbers of a judge are of."""
    return _SIDES.get(stage, ("candidate", "stable"))


def _metric(metric: MetricStatus, sides: tuple[str, str], width: int, now: float) -> RenderableType:
    marker, style = RESULT_STYLES[metric.phase]
    value = _value(metric)
    looked = f", last {human_duration(now - metric.last_look_at)} ago" if metric.last_look_at else ""
    head = Table.grid()
    for columns in (2, width + 2, 13, 16):
        head.add_column(width=columns, no_wrap=True)
    head.add_column(style="dim", overflow="fold")
    head.add_row(
        Text(marker, style=style),
        plain(metric.name),
        Text(metric.phase.value, style=style),
        Text(value),
        _looks(metric) + looked,
    )
    lines: list[RenderableType] = [head]
    counted = rates(metric.sequential, sides) if metric.sequential is not None else ""
    if counted:
        lines.append(Padding(Text(counted), (0, 0, 0, 2)))
    # What a sequential judge says of a look that passed are the numbers above.
    if metric.message and not (metric.sequential is not None and metric.phase is MeasurementPhase.PASS):
        lines.append(Padding(plain(metric.message, style="dim"), (0, 0, 0, 2)))
    return Group(*lines)


def _looks(metric: MetricStatus) -> str:
    """How the looks so far came out."""
    counts = (
        (metric.passes, "passed"),
        (metric.failures, "failed"),
        (metric.inconclusive, "inconclusive"),
        (metric.errors, "errors" if metric.errors != 1 else "error"),
    )
    return ", ".join(f"{amount} {word}" for amount, word in counts if amount) or "not looked yet"


def _value(metric: MetricStatus) -> str:
    """The latest value; of the sequential judge the likelihood ratio of `the candidate is worse` to `no worse`."""
    if metric.sequential is not None:
        return f"evidence {number(metric.sequential.evidence)}"
    latest = metric.measurements[-1] if metric.measurements else None
    if latest is None or latest.value is None or not math.isfinite(latest.value):
        return ""
    return f"value {number(latest.value)}"


def rates(judge: SequentialStatus, sides: tuple[str, str]) -> str:
    """The numbers behind the evidence; empty while there are none."""
    here, there = sides
    if judge.means is not None:
        of_here, of_there = means_of(judge)
        return f"mean: {here} {_mean(*of_here)}, {there} {_mean(*of_there)}" if of_here[1] or of_there[1] else ""
    failures, requests = judge.stable_failures, judge.stable_requests
    if judge.reference_requests is not None:
        failures, requests = judge.reference_failures or 0.0, judge.reference_requests
    if not judge.candidate_requests and not requests:
        return ""
    ours = _failures(judge.candidate_failures, judge.candidate_requests)
    return f"failed: {here} {ours}, {there} {_failures(failures, requests)}"


def _mean(value: float, requests: float) -> str:
    return f"{number(value)} of {count(requests)} requests"


def _failures(failures: float, requests: float) -> str:
    return f"{count(failures)}/{count(requests)} ({percent(failures, requests)})"
