"""Why an analysis says what it says: the rule, the numbers, and the evidence over time, enough to redo the decision by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import AnalysisStage, AnalysisStatus, Measurement, MetricStatus, SequentialStatus
from steersman.cli.view.analysis import RESULT_STYLES, STAGE_NAMES, rates, sides_of
from steersman.cli.view.judgements import comparison_lines, mann_whitney_lines, score_lines
from steersman.cli.view.text import clean, human_duration, number, plain
from steersman.core.analysis.caution import Memory
from steersman.core.analysis.evidence import CAP, ODDS, start
from steersman.core.analysis.means import BETS

BAR = 30
"""Columns of a bar that reaches the bound."""
_AGAINST_THE_PAST = (AnalysisStage.POST_PROMOTION, AnalysisStage.WATCH)


def render_explanation(md: ModelDeployment, now: float) -> RenderableType | None:
    """Every analysis that status holds; None without one."""
    found = analyses(md)
    if not found:
        return None
    parts: list[RenderableType] = [_decision(md, now)]
    for what, analysis in found:
        parts += [
            Text(""),
            Text.assemble((what, "bold"), (f"  since {human_duration(now - analysis.started_at)} ago", "dim")),
        ]
        parts += [Padding(_metric(metric, analysis.stage, now), (0, 0, 0, 2)) for metric in analysis.metrics]
        for score in analysis.scores:
            parts.append(Padding(Group(*score_lines(score)), (0, 0, 1, 2)))
        if not analysis.metrics:
            parts.append(Text("  no metric has been looked at yet", style="dim"))
    return Group(*parts)


def analyses(md: ModelDeployment) -> list[tuple[str, AnalysisStatus]]:
    """The analyses under way with their names or, without any, the one of the last rollout."""
    rollout, watch = md.status.rollout, md.status.watch
    running = [rollout.analysis, rollout.step_analysis] if rollout is not None else []
    running.append(watch.analysis if watch is not None else None)
    found = [(f"Analysis {STAGE_NAMES[analysis.stage]}", analysis) for analysis in running if analysis is not None]
    if not found and md.status.last_analysis is not None:
        return [("Analysis of the last rollout", md.status.last_analysis)]
    return found


def _decision(md: ModelDeployment, now: float) -> Text:
    """What was decided last, or that nothing is."""
    name, status = clean(md.metadata.get("name", "")), md.status
    if status.rollout is not None and status.rollout.outcome is None:
        return Text.assemble((name, "bold"), f": {clean(status.rollout.revision)} is on trial; {clean(status.message)}")
    if status.history:
        last = status.history[0]
        ago = human_duration(now - last.ended_at)
        said = f": {clean(last.revision)} {last.outcome.value} {ago} ago ({clean(last.reason)}); {clean(last.message)}"
        return Text.assemble((name, "bold"), said)
    return Text.assemble((name, "bold"), f": {clean(status.message)}")


def _metric(metric: MetricStatus, stage: AnalysisStage, now: float) -> RenderableType:
    marker, style = RESULT_STYLES[metric.phase]
    lines: list[RenderableType] = [
        Text.assemble((f"{marker} ", style), (clean(metric.name), "bold"), f"  {metric.phase.value}")
    ]
    if metric.first_look_at is not None:
        lines.append(Text(f"counts since {human_duration(now - metric.first_look_at)} ago", style="dim"))
    if metric.message:
        lines.append(plain(metric.message))
    bound = None
    if metric.sequential is not None:
        bound = bound_of(metric.sequential, stage)
        lines += _evidence(metric.sequential, stage, bound)
    if metric.comparison is not None:
        lines += comparison_lines(metric.comparison, sides_of(stage))
    if metric.mann_whitney is not None:
        lines += mann_whitney_lines(metric.mann_whitney, sides_of(stage), now)
    if metric.measurements:
        lines.append(_looks(metric.measurements, bound, now))
    return Padding(Group(*lines), (0, 0, 1, 0))


def bound_of(judge: SequentialStatus, stage: AnalysisStage) -> float | None:
    """The evidence above which the rollout is aborted; None when the operator did not say what the metric may spend."""
    if not judge.alpha or not 0.0 < judge.alpha < 1.0:
        return None
    return (2.0 if stage in _AGAINST_THE_PAST else 1.0) / judge.alpha


def _evidence(judge: SequentialStatus, stage: AnalysisStage, bound: float | None) -> list[RenderableType]:
    lines: list[RenderableType] = []
    counted = rates(judge, sides_of(stage))
    if counted:
        lines.append(Text(counted))
    if bound is not None:
        formula = f"{2 if stage in _AGAINST_THE_PAST else 1}/{number(judge.alpha or 0.0)}"
        lines.append(Text(f"evidence {number(judge.evidence)}; rolled back above {number(bound)} = {formula}"))
    logs = judge.log_likelihood_ratios
    # Of means the alternatives are bets, of failures odds.
    symbol, alternatives = ("b", BETS) if judge.means is not None else ("r", ODDS)
    if len(logs) == len(alternatives):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for header in ("", *(f"{symbol} = {each:g}" for each in alternatives), "mean"):
            table.add_column(header, justify="right", no_wrap=True)
        ratios = [math.exp(min(log, 700.0)) for log in logs]
        what = "E(b)" if judge.means is not None else "LR(r)"
        table.add_row(f"{what} of all looks", *map(number, (*ratios, math.fsum(ratios) / len(ratios))))
        lines.append(table)
        lines.append(Text(_doubt(judge)))
    if judge.detectable is not None:
        lines.append(
            Text(f"by now four of five candidates that fail {number(100 * judge.detectable)} % would have been found")
        )
    return lines


def _doubt(judge: SequentialStatus) -> str:
    """What is left of the evidence when the worst looks and the time after new weights are doubted."""
    memory = Memory(
        judge.log_likelihood_ratios,
        judge.greatest_looks,
        judge.unsettled if len(judge.unsettled) == len(ODDS) else start(),
    )
    outliers = len(judge.greatest_looks) - 1
    left = [f"{_told(memory.settled())} without the time after new weights"]
    if outliers > 0:
        left.insert(0, f"{_told(memory.winsorized(outliers))} with the worst {outliers} looks lowered to the next")
    counted = [f"{number(judge.burst)} failures count as one"] if judge.burst > 1.0 else []
    return "; ".join([f"of the mean is left: {', '.join(left)}", *counted])


def _told(evidence: float) -> str:
    return f"over {number(CAP)}" if evidence >= CAP * (1.0 - 1e-9) else number(evidence)


def _looks(measurements: Sequence[Measurement], bound: float | None, now: float) -> RenderableType:
    """The latest looks, oldest first; evidence as a bar on a logarithmic scale up to the bound."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for header in ("LOOKED", "RESULT", "EVIDENCE" if bound is not None else "VALUE", ""):
        table.add_column(header, no_wrap=True)
    for look in measurements:
        value = number(look.value) if look.value is not None else "-"
        said = (
            _bar(look.value, bound)
            if bound is not None and look.value is not None
            else plain(look.message, style="dim")
        )
        table.add_row(f"{human_duration(now - look.at)} ago", look.phase.value, value, said)
    return table


def _bar(value: float, bound: float) -> Text:
    share = math.log(value) / math.log(bound) if value > 1.0 and bound > 1.0 else 0.0
    filled = min(BAR, max(0, round(share * BAR))) if math.isfinite(share) else BAR
    return Text.assemble(("█" * filled, "red" if value > bound else "yellow"), ("·" * (BAR - filled), "dim"), "│")
