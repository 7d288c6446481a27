"""Planning: one pure function from a snapshot to what should be.

Every decision is a function of the recorded status and of what is observed; what is applied follows from the new status
alone. So a crash between any two writes changes nothing but time.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from steersman.api.conditions import ConditionStatus, ConditionType, Reason, next_condition
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.status import (
    AnalysisStage,
    ModelDeploymentStatus,
    Outcome,
    Phase,
    RolloutPhase,
    StrategyName,
)
from steersman.api.traffic import Traffic
from steersman.core.analysis.assess import advance as advance_analysis
from steersman.core.analysis.model import Assessment, MetricQuery, Verdict
from steersman.core.analysis.schedule import due
from steersman.core.conditions import summarize
from steersman.core.render import render
from steersman.core.revision import Revision
from steersman.core.rollout import blue_green, canary
from steersman.core.rollout.actions import handle
from steersman.core.rollout.ending import abort, finish_abort, retire_expired
from steersman.core.rollout.gate import assessment, context
from steersman.core.rollout.target import bind_analyses, desired_revision, follow
from steersman.core.rollout.turn import Turn
from steersman.core.rollout.weights import goal_weight
from steersman.core.snapshot import EventIntent, Plan, Problem, Snapshot
from steersman.core.traffic import TrafficProvider

MAX_TRANSITIONS = 20
"""Transitions of one turn; far above what the longest chain without a new observation can have."""

_ANALYSED_PHASES = {
    AnalysisStage.BACKGROUND: frozenset({RolloutPhase.STEPPING, RolloutPhase.PROMOTING}),
    AnalysisStage.PRE_PROMOTION: frozenset({RolloutPhase.PRE_PROMOTION}),
    AnalysisStage.POST_PROMOTION: frozenset({RolloutPhase.POST_PROMOTION}),
}


def plan(snapshot: Snapshot, provider_for: Callable[[Traffic], TrafficProvider]) -> Plan:
    """Decide what to do for one ModelDeployment. Pure; never raises for anything that a user can write."""
    status = ModelDeploymentStatus.model_validate(snapshot.manifest.get("status") or {})
    try:
        spec = ModelDeploymentSpec.model_validate(snapshot.manifest.get("spec") or {})
    except ValidationError as error:
        return _invalid(snapshot, status, error)
    turn = Turn(snapshot, spec, status, provider_for(spec.traffic))
    _observe(turn)
    desired = desired_revision(turn)
    bind_analyses(turn)
    _forgive_pause(turn)
    clear_action = handle(turn)
    _fold_results(turn)
    for _ in range(MAX_TRANSITIONS):
        before = turn.status
        _transition(turn, desired)
        if turn.status == before:
            break
    _scale(turn)
    queries = _due_queries(turn)
    summarize(turn, _judged(turn), _at_target(turn, desired))
    apply, delete = render(turn, desired)
    return Plan(
        status=turn.status,
        apply=apply,
        delete=delete,
        events=tuple(turn.events),
        queries=queries,
        requeue_at=min(turn.wake_times, default=None),
        clear_action=clear_action,
    )


def _observe(turn: Turn) -> None:
    for field in ("stable", "candidate"):
        revision = getattr(turn.status, field)
        if revision is not None:
            seen = revision.model_copy(update={"available_replicas": turn.available(revision.name)})
            turn.set(**{field: seen})


def _forgive_pause(turn: Turn) -> None:
    """Time spent paused does not count towards the deadline."""
    rollout = turn.status.rollout
    waits = rollout is not None and (rollout.phase != RolloutPhase.STEPPING or rollout.gate_open)
    if waits and turn.was_paused and not turn.paused:
        turn.set_rollout(step_started_at=turn.now)


def _fold_results(turn: Turn) -> None:
    if not _analysing(turn):
        return
    analysis = turn.rollout.analysis
    assert analysis is not None  # noqa: S101  held by _analysing
    metrics = turn.metrics.get(analysis.stage, ())
    turn.set_rollout(analysis=advance_analysis(metrics, analysis, context(turn), turn.snapshot.results, turn.now))


def _analysing(turn: Turn) -> bool:
    rollout = turn.status.rollout
    if rollout is None or rollout.analysis is None or turn.problem is not None:
        return False
    if rollout.phase not in _ANALYSED_PHASES[rollout.analysis.stage]:
        return False
    # A canary at 100 % has no stable beside it to be compared with, and is about to be stable itself.
    return rollout.analysis.stage != AnalysisStage.BACKGROUND or turn.candidate_weight < 100


def _judged(turn: Turn) -> Assessment | None:
    return assessment(turn) if _analysing(turn) else None


def _transition(turn: Turn, desired: Revision | None) -> None:
    turn.wait("")
    follow(turn, desired)
    rollout = turn.status.rollout
    if rollout is not None:
        if rollout.phase == RolloutPhase.ABORTING:
            finish_abort(turn)
        else:
            _advance(turn)
    retire_expired(turn)


def _advance(turn: Turn) -> None:
    rollout = turn.rollout
    judged = _judged(turn)
    if judged is not None and judged.verdict == Verdict.FAILED:
        abort(turn, Outcome.ABORTED, Reason.ANALYSIS_FAILED, judged.message)
    elif turn.candidate_weight > 0 and turn.status.stable is not None and turn.available(rollout.revision) == 0:
        abort(
            turn, Outcome.ABORTED, Reason.CANDIDATE_UNAVAILABLE, f"no pod of {rollout.revision} is available any more"
        )
    elif turn.paused:
        turn.wait(f"Paused at {turn.candidate_weight} %", Reason.PAUSED)
    elif rollout.strategy == StrategyName.BLUE_GREEN:
        blue_green.advance(turn)
    else:
        canary.advance(turn)


def _scale(turn: Turn) -> None:
    """Pods follow from weights: recorded as intent, rendered from there."""
    rollout, stable, candidate = turn.status.rollout, turn.status.stable, turn.status.candidate
    replicas = turn.spec.replicas
    split = rollout is not None and 0 < turn.candidate_weight < 100
    if stable is not None:
        wanted = turn.provider.scale(replicas, turn.candidate_weight).stable if split else replicas
        if rollout is not None and turn.candidate_weight == 100 and turn.provider.exclusive_pods:
            wanted = stable.replicas
        turn.set(stable=stable.model_copy(update={"replicas": wanted}))
    if rollout is not None and candidate is not None and rollout.phase != RolloutPhase.ABORTING:
        wanted = turn.provider.scale(replicas, goal_weight(turn)).candidate
        turn.set(candidate=candidate.model_copy(update={"replicas": wanted}))


def _due_queries(turn: Turn) -> tuple[MetricQuery, ...]:
    if not _analysing(turn):
        return ()
    analysis = turn.rollout.analysis
    assert analysis is not None  # noqa: S101  held by _analysing
    queries, next_look = due(turn.metrics.get(analysis.stage, ()), analysis, context(turn), turn.now)
    turn.wake(next_look)
    return queries


def _at_target(turn: Turn, desired: Revision | None) -> bool:
    stable = turn.status.stable
    return turn.status.rollout is None and stable is not None and desired is not None and desired.name == stable.name


def _invalid(snapshot: Snapshot, status: ModelDeploymentStatus, error: ValidationError) -> Plan:
    """A spec that the models refuse, although the API server let it pass: nothing that runs is touched."""
    details = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:5])
    problem = Problem(Reason.INVALID_SPEC, f"the spec is not valid: {details}"[:1024])
    old = next((c for c in status.conditions if c.type == ConditionType.ACCEPTED), None)
    generation = int(snapshot.manifest["metadata"].get("generation", 0))
    changed = old is None or old.status != ConditionStatus.FALSE
    conditions = [c for c in status.conditions if c.type not in (ConditionType.ACCEPTED, ConditionType.READY)]
    for kind in (ConditionType.READY, ConditionType.ACCEPTED):
        finding = (ConditionStatus.FALSE, problem.reason, problem.message)
        conditions.append(next_condition(status.conditions, kind, *finding, generation=generation, now=snapshot.now))
    phase = Phase.DEGRADED if status.stable is not None else Phase.PENDING
    update = {"observed_generation": generation, "phase": phase, "message": problem.message, "conditions": conditions}
    events = (EventIntent(problem.reason, problem.message, warning=True),) if changed else ()
    return Plan(status=status.model_copy(update=update), events=events)
