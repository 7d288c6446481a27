"""The scores of the templates that have a scoring: their mannWhitney metrics folded into one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steersman.api.comparison_judges import Scoring
from steersman.api.judgement_status import ScoreClassification, ScoreStatus
from steersman.api.status import AnalysisStatus, MeasurementPhase, MetricStatus
from steersman.core.analysis.kayenta.score import Scored, score
from steersman.core.analysis.model import AnalysisContext, Assessment, BoundMetric, Verdict


@dataclass(frozen=True)
class ScoredTemplate:
    """A template's metrics that are scored together, and where they stand."""

    name: str
    scoring: Scoring
    metrics: tuple[tuple[BoundMetric, MetricStatus | None], ...]

    def status(self) -> ScoreStatus:
        """The score of the latest looks."""
        found, waiting = [], []
        for bound, metric in self.metrics:
            judge, state = bound.metric.mann_whitney, metric.mann_whitney if metric is not None else None
            if judge is None or state is None or state.classification is None:
                waiting.append(bound.metric.name)
            else:
                found.append(Scored(bound.metric.name, judge.group, state.classification, state.critical))
        if waiting and not any(metric.critical for metric in found):
            reason = f"not enough values yet: {', '.join(waiting)}"
            return self._status(ScoreClassification.NODATA, reason=reason)
        total = score(self.scoring, found)
        return self._status(total.classification, score=total.value, reason=total.reason, groups=list(total.groups))

    def _status(self, classification: ScoreClassification, **fields: object) -> ScoreStatus:
        bounds = {"pass_from": self.scoring.pass_, "marginal_from": self.scoring.marginal}
        return ScoreStatus.model_validate({"template": self.name, "classification": classification, **bounds, **fields})


def is_scored(bound: BoundMetric) -> bool:
    """Whether a metric is judged with others by a score; a dry run is only reported."""
    return bound.scoring is not None and bound.metric.mann_whitney is not None and not bound.metric.dry_run


def scored_templates(metrics: Sequence[BoundMetric], status: AnalysisStatus) -> list[ScoredTemplate]:
    """The templates with a scoring and metrics for it, in order."""
    known = {metric.name: metric for metric in status.metrics}
    found: dict[str, list[BoundMetric]] = {}
    for bound in metrics:
        if is_scored(bound):
            found.setdefault(bound.template, []).append(bound)
    return [
        ScoredTemplate(name, scoring, tuple((bound, known.get(bound.name)) for bound in group))
        for name, group in found.items()
        if (scoring := group[0].scoring) is not None
    ]


def assess_score(template: ScoredTemplate, context: AnalysisContext, *, background: bool) -> Assessment:
    """What a template's score says of the analysis.

    Fail ends it. A query that failed, a score that is not known and a marginal one hold the step. In the background the score passes once
    every metric was looked at after the present weight was reached; otherwise once each has its count of looks.
    """
    found = template.status()
    words = f"{template.name}: {found.reason}"
    if found.classification is ScoreClassification.FAIL:
        return Assessment(Verdict.FAILED, words, template.name)
    for bound, metric in template.metrics:
        if metric is not None and metric.phase is MeasurementPhase.ERROR:
            return Assessment(Verdict.INCONCLUSIVE, f"{bound.name}: {metric.message}", bound.name, error=True)
    if any(metric is None or metric.last_attempt_at is None for _, metric in template.metrics):
        return Assessment(Verdict.PENDING, words, template.name)
    if found.classification is not ScoreClassification.PASS:
        return Assessment(Verdict.INCONCLUSIVE, words, template.name)
    if any(not _looked(bound, metric, context, background) for bound, metric in template.metrics):
        why = "not yet looked at since the weight was reached" if background else "more looks are wanted"
        return Assessment(Verdict.PENDING, f"{template.name}: {why}", template.name)
    return Assessment(Verdict.PASSING if background else Verdict.COMPLETE, found.reason, template.name)


def _looked(bound: BoundMetric, metric: MetricStatus | None, context: AnalysisContext, background: bool) -> bool:
    if metric is None or metric.last_attempt_at is None:
        return False
    if background:
        return context.weight_reached_at is not None and metric.last_attempt_at > context.weight_reached_at
    return metric.passes + metric.failures + metric.inconclusive >= bound.metric.count
