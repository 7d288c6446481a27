"""Kayenta's score of many metrics: a weighted sum of the groups' shares of metrics that pass (WeightedSumScorer).

Two things differ from Kayenta, which counts a group without data as 100 % and fails when half of the metrics have none: here such a
group's weight is shared out among the others, and lack of data is no failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steersman.api.comparison_judges import Scoring
from steersman.api.judgement_status import Classification, GroupScore, ScoreClassification

NODATA_SHARE = 0.5
"""From this share of metrics without data on nothing can be said of the whole."""

_COUNTED = (Classification.PASS, Classification.HIGH, Classification.LOW, Classification.NODATA_FAIL_METRIC)


@dataclass(frozen=True)
class Scored:
    """One metric's part in the score."""

    name: str
    group: str
    classification: Classification
    critical: bool = False
    """It failed critically."""


@dataclass(frozen=True)
class Score:
    """The score of all metrics."""

    classification: ScoreClassification
    value: float | None
    reason: str
    groups: tuple[GroupScore, ...]


def score(scoring: Scoring, metrics: Sequence[Scored]) -> Score:
    """Score at least one metric."""
    weights = _weights({group.name: group.weight for group in scoring.groups}, metrics)
    groups = tuple(_group(name, weight, metrics) for name, weight in weights.items())
    critical = [metric.name for metric in metrics if metric.critical]
    if critical:
        return Score(ScoreClassification.FAIL, 0.0, f"{', '.join(critical)} failed critically", groups)
    without = sum(metric.classification not in _COUNTED for metric in metrics)
    if without >= NODATA_SHARE * len(metrics):
        reason = f"{without} of {len(metrics)} metrics have no data"
        return Score(ScoreClassification.NODATA, None, reason, groups)
    shared = sum(group.weight for group in groups if group.score is not None)
    if shared <= 0.0:
        return Score(ScoreClassification.NODATA, None, "no group with a weight has data", groups)
    groups = tuple(_reweighted(group, shared) for group in groups)
    value = round(sum((group.score or 0.0) * group.weight / 100.0 for group in groups), 2)
    return _classified(scoring, value, groups)


def _classified(scoring: Scoring, value: float, groups: tuple[GroupScore, ...]) -> Score:
    if value >= scoring.pass_:
        return Score(ScoreClassification.PASS, value, f"score {value:g} passes from {scoring.pass_:g} on", groups)
    if value >= scoring.marginal:
        reason = (
            f"score {value:g} is marginal: it fails below {scoring.marginal:g} and passes from {scoring.pass_:g} on"
        )
        return Score(ScoreClassification.MARGINAL, value, reason, groups)
    return Score(ScoreClassification.FAIL, value, f"score {value:g} is below {scoring.marginal:g}", groups)


def _weights(given: Mapping[str, float], metrics: Sequence[Scored]) -> dict[str, float]:
    """Each group's weight; those without one share equally what the others leave of 100."""
    names = sorted({metric.group for metric in metrics})
    others = [name for name in names if name not in given]
    left = max(0.0, 100.0 - sum(given.values()))
    return {name: given[name] if name in given else left / len(others) for name in names}


def _group(name: str, weight: float, metrics: Sequence[Scored]) -> GroupScore:
    counted = [metric for metric in metrics if metric.group == name and metric.classification in _COUNTED]
    passed = sum(metric.classification is Classification.PASS for metric in counted)
    share = 100.0 * passed / len(counted) if counted else None
    return GroupScore(name=name, weight=weight, score=share, passed=passed, counted=len(counted))


def _reweighted(group: GroupScore, shared: float) -> GroupScore:
    """With the weights of the groups that have data summing to 100."""
    weight = 100.0 * group.weight / shared if group.score is not None else 0.0
    return group.model_copy(update={"weight": weight})
