"""What the judges that compare two revisions found: rules, numbers and scores, enough to redo the decision by hand."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from steersman.api.judgement_status import ComparisonStatus, MannWhitneyStatus, ScoreClassification, ScoreStatus
from steersman.cli.view.text import clean, human_duration, number, plain

_SCORE_STYLES = {
    ScoreClassification.PASS: ("✓", "green"),
    ScoreClassification.FAIL: ("✗", "red"),
    ScoreClassification.MARGINAL: ("?", "yellow"),
    ScoreClassification.NODATA: ("?", "yellow"),
}


def comparison_lines(judge: ComparisonStatus, sides: tuple[str, str]) -> list[RenderableType]:
    """A comparison's rule, values, ratio and difference."""
    values = (judge.candidate, judge.stable)
    lines: list[RenderableType] = [plain(f"passes while {judge.rule}")] if judge.rule else []
    if judge.candidate is None or judge.stable is None:
        return [*lines, Text(_sides(sides, values))]
    ratio = number(judge.candidate / judge.stable) if judge.stable > 0.0 else "none"
    difference = number(judge.candidate - judge.stable)
    return [*lines, Text(f"{_sides(sides, values)}: ratio {ratio}, difference {difference}")]


def mann_whitney_lines(judge: MannWhitneyStatus, sides: tuple[str, str], now: float) -> list[RenderableType]:
    """The rule of a mannWhitney metric, its values and the shift with its interval."""
    lines: list[RenderableType] = [plain(judge.rule)] if judge.rule else []
    points = (judge.candidate_points, judge.stable_points)
    counted = ", ".join(f"{side} {count}" for side, count in zip(sides, points, strict=True))
    every = f", one every {number(judge.step)} s" if judge.step is not None else ""
    begun = f", the first {human_duration(now - judge.since)} ago" if judge.since is not None else ""
    lines.append(Text(f"values: {counted}{every}{begun}"))
    if judge.candidate_mean is not None and judge.stable_mean is not None:
        effect = number(judge.effect) if judge.effect is not None else "not defined"
        means = _sides(sides, (judge.candidate_mean, judge.stable_mean))
        lines.append(Text(f"means: {means}; effect size {effect}"))
    if judge.estimate is not None and judge.lower is not None and judge.upper is not None:
        interval = f"{number(judge.lower)} to {number(judge.upper)}"
        lines.append(Text(f"shift: estimate {number(judge.estimate)}, interval {interval}{_ranks(judge)}"))
    if judge.classification is not None:
        words = f"{judge.classification.value}{', critical' if judge.critical else ''}"
        lines.append(Text(f"classified {words}"))
    return lines


def _ranks(judge: MannWhitneyStatus) -> str:
    if judge.u is None or judge.p_value is None:
        return ""
    pairs = judge.candidate_points * judge.stable_points
    return f"; U = {judge.u:g} of {pairs} pairs, p = {number(judge.p_value)}"


def _sides(sides: tuple[str, str], values: tuple[float | None, float | None]) -> str:
    return ", ".join(
        f"{side} {number(value) if value is not None else '-'}" for side, value in zip(sides, values, strict=True)
    )


def score_line(score: ScoreStatus) -> Text:
    """A template's score on one line."""
    marker, style = _SCORE_STYLES[score.classification]
    value = f"score {score.score:g}" if score.score is not None else "no score"
    return Text.assemble((f"{marker} ", style), f"{clean(score.template)}  {value}  ", (clean(score.reason), "dim"))


def score_lines(score: ScoreStatus) -> list[RenderableType]:
    """A template's score with what each group adds to it."""
    bounds = f"passes from {score.pass_from:g} on, fails below {score.marginal_from:g}"
    lines: list[RenderableType] = [score_line(score), Text(f"  {bounds}")]
    if score.groups:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
        for header in ("GROUP", "PASSED", "SCORE", "WEIGHT", "ADDS"):
            table.add_column(header, no_wrap=True, justify="left" if header == "GROUP" else "right")
        for group in score.groups:
            share = group.score or 0.0
            table.add_row(
                clean(group.name),
                f"{group.passed}/{group.counted}",
                number(share) if group.score is not None else "-",
                number(group.weight),
                number(share * group.weight / 100.0),
            )
        lines.append(table)
    return lines
