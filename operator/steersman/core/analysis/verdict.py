"""What an analysis as a whole says."""

from __future__ import annotations

from collections.abc import Sequence

from steersman.api.status import AnalysisStage, AnalysisStatus, MeasurementPhase, MetricStatus
from steersman.core.analysis.model import AnalysisContext, Assessment, BoundMetric, Verdict
from steersman.core.analysis.schedule import find, fresh
from steersman.core.analysis.scoring import assess_score, is_scored, scored_templates

_SEVERITY = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PENDING)


def verdict(metrics: Sequence[BoundMetric], status: AnalysisStatus, context: AnalysisContext) -> Assessment:
    """Fold the metrics' states into one verdict; a dry-run metric has no say.

    Metrics that are scored together count as one. The worst decides: failed, then inconclusive (an error before a mere lack of data), then pending.
    """
    background = context.stage in (AnalysisStage.BACKGROUND, AnalysisStage.WATCH)
    assess = _background if background else _counted
    assessments = [
        assess(bound, find(status, bound.name) or fresh(bound, 0.0), context)
        for bound in metrics
        if not bound.metric.dry_run and not is_scored(bound)
    ]
    assessments += [
        assess_score(template, context, background=background) for template in scored_templates(metrics, status)
    ]
    for severity in _SEVERITY:
        matching = [assessment for assessment in assessments if assessment.verdict is severity]
        if matching:
            return next((assessment for assessment in matching if assessment.error), matching[0])
    return Assessment(Verdict.PASSING if background else Verdict.COMPLETE, _summary(assessments))


def _background(bound: BoundMetric, metric: MetricStatus, context: AnalysisContext) -> Assessment:
    trouble = _trouble(bound, metric)
    if trouble is not None:
        return trouble
    reached, looked = context.weight_reached_at, metric.last_conclusive_at
    if metric.phase is MeasurementPhase.PASS and reached is not None and looked is not None and looked > reached:
        return Assessment(Verdict.PASSING, metric.message, bound.name)
    return _pending(bound, metric, "not yet looked at since the weight was reached")


def _counted(bound: BoundMetric, metric: MetricStatus, _: AnalysisContext) -> Assessment:
    needed = bound.metric.count
    done = metric.passes >= needed
    trouble = _trouble(bound, metric)
    if trouble is not None and (not done or trouble.verdict is Verdict.FAILED):
        return trouble
    if done:
        return Assessment(Verdict.COMPLETE, metric.message, bound.name)
    return _pending(bound, metric, f"{metric.passes} of {needed} passes")


def _trouble(bound: BoundMetric, metric: MetricStatus) -> Assessment | None:
    # A sequential failure is final: the evidence against the candidate already bounds the chance of a false alarm.
    limit = bound.metric.failure_limit if bound.metric.sequential is None else 0
    critical = metric.mann_whitney is not None and metric.mann_whitney.critical
    if metric.failures > limit or critical:
        return Assessment(Verdict.FAILED, f"{bound.name}: {metric.message}", bound.name)
    if metric.last_attempt_at is None:
        return None
    if metric.phase is MeasurementPhase.ERROR:
        return Assessment(Verdict.INCONCLUSIVE, f"{bound.name}: {metric.message}", bound.name, error=True)
    if metric.phase is MeasurementPhase.INCONCLUSIVE:
        return Assessment(Verdict.INCONCLUSIVE, f"{bound.name}: {metric.message}", bound.name)
    return None


def _pending(bound: BoundMetric, metric: MetricStatus, why: str) -> Assessment:
    if metric.phase is MeasurementPhase.FAIL:
        why = f"failed {metric.failures} times, {bound.metric.failure_limit} are tolerated; {metric.message}"
    return Assessment(Verdict.PENDING, f"{bound.name}: {why}", bound.name)


def _summary(assessments: Sequence[Assessment]) -> str:
    return "; ".join(f"{assessment.metric}: {assessment.message}" for assessment in assessments)
