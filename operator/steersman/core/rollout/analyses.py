"""The analyses that run now: of the rollout, of its current step, and of the watch after a promotion."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from steersman.api.status import AnalysisStage, AnalysisStatus, RolloutPhase
from steersman.core.analysis.assess import advance
from steersman.core.analysis.model import AnalysisContext, Assessment, BoundMetric, MetricQuery, Verdict
from steersman.core.analysis.schedule import due
from steersman.core.analysis.verdict import verdict
from steersman.core.pod.template import RegistryAccess
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Problem

_PHASES = {
    AnalysisStage.BACKGROUND: frozenset({RolloutPhase.STEPPING, RolloutPhase.PROMOTING}),
    AnalysisStage.PRE_PROMOTION: frozenset({RolloutPhase.PRE_PROMOTION}),
    AnalysisStage.POST_PROMOTION: frozenset({RolloutPhase.POST_PROMOTION}),
    AnalysisStage.STEP: frozenset({RolloutPhase.STEPPING}),
    AnalysisStage.EXPERIMENT: frozenset({RolloutPhase.STEPPING}),
}
_SEVERITY = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PENDING, Verdict.PASSING, Verdict.COMPLETE)


@dataclass(frozen=True)
class Running:
    """An analysis under way, what it measures and what it compares."""

    analysis: AnalysisStatus
    metrics: tuple[BoundMetric, ...]
    context: AnalysisContext
    store: Callable[[AnalysisStatus], None]

    def assess(self) -> Assessment:
        """What it says now."""
        return verdict(self.metrics, self.analysis, self.context)


def running(turn: Turn) -> list[Running]:
    """Every analysis under way; none while the spec is not valid."""
    if turn.problem is not None:
        return []
    return [entry for entry in (background(turn), of_step(turn), of_watch(turn)) if entry is not None]


def background(turn: Turn) -> Running | None:
    """The rollout's own: in the background of a canary, or before or after a blue-green switch."""
    rollout = turn.status.rollout
    if rollout is None or rollout.analysis is None or rollout.phase not in _PHASES[rollout.analysis.stage]:
        return None
    # A canary at 100 % has no stable beside it to be compared with, and is about to be stable itself.
    if rollout.analysis.stage == AnalysisStage.BACKGROUND and turn.candidate_weight == 100:
        return None
    stable = turn.status.stable.name if turn.status.stable else ""
    return Running(
        rollout.analysis,
        turn.metrics.get(rollout.analysis.stage, ()),
        context(turn, rollout.analysis.stage, stable, rollout.revision, rollout.weight_reached_at),
        lambda analysis: turn.set_rollout(analysis=analysis),
    )


def of_step(turn: Turn) -> Running | None:
    """Of an analysis or experiment step."""
    rollout = turn.status.rollout
    if rollout is None or rollout.step_analysis is None or rollout.phase != RolloutPhase.STEPPING:
        return None
    stage = rollout.step_analysis.stage
    beside = turn.status.stable.name if turn.status.stable else ""
    if rollout.experiment is not None:
        beside = rollout.experiment.baseline.name
    return Running(
        rollout.step_analysis,
        tuple(turn.step_metrics.get(rollout.step, ())),
        context(turn, stage, beside, rollout.revision, rollout.step_analysis.started_at),
        lambda analysis: turn.set_rollout(step_analysis=analysis),
    )


def of_watch(turn: Turn) -> Running | None:
    """Of the watch after a promotion."""
    watch = turn.status.watch
    if watch is None or turn.status.rollout is not None:
        return None
    return Running(
        watch.analysis,
        turn.metrics.get(AnalysisStage.WATCH, ()),
        context(turn, AnalysisStage.WATCH, watch.previous, watch.revision, watch.analysis.started_at),
        lambda analysis: turn.set(watch=watch.model_copy(update={"analysis": analysis})),
    )


def fold_results(turn: Turn) -> None:
    """Take the answers to earlier queries into the analyses."""
    for entry in running(turn):
        results = turn.snapshot.results
        entry.store(advance(entry.metrics, entry.analysis, entry.context, results, turn.now))


def due_queries(turn: Turn) -> tuple[MetricQuery, ...]:
    """The queries to send now; notes when to look again."""
    queries: dict[MetricQuery, None] = {}
    for entry in running(turn):
        asked, next_look = due(entry.metrics, entry.analysis, entry.context, turn.now)
        queries.update(dict.fromkeys(asked))
        turn.wake(next_look)
    return tuple(queries)


def judged(turn: Turn) -> Assessment | None:
    """The worst of what the analyses say; None when none runs."""
    assessments = [entry.assess() for entry in running(turn)]
    return min(assessments, key=lambda found: _SEVERITY.index(found.verdict), default=None)


def context(turn: Turn, stage: AnalysisStage, stable: str, candidate: str, reached_at: float | None) -> AnalysisContext:
    """What an analysis of these revisions has to know."""
    registry = turn.snapshot.registry
    access = RegistryAccess("") if isinstance(registry, Problem) else registry
    return AnalysisContext(
        turn.namespace,
        turn.name,
        stable,
        candidate,
        stage,
        reached_at,
        run_id=_run_id(turn, candidate),
        registry_url=access.url,
        registry_secret=access.secret_name,
    )


def _run_id(turn: Turn, candidate: str) -> str:
    """The run of the candidate's version, as far as the pinned version is the candidate's; nothing but a plain id."""
    model = turn.status.model
    beside = (turn.status.candidate, turn.status.stable)
    version = next((revision.version for revision in beside if revision and revision.name == candidate), None)
    if model is None or model.run_id is None or model.version != version:
        return ""
    return model.run_id if re.fullmatch(r"[A-Za-z0-9_-]{1,128}", model.run_id) else ""
