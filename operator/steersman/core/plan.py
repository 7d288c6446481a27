"""Planning: one pure function from a snapshot to what should be.

Every decision is a function of the recorded status and of what is observed; what is applied follows from the new status
alone. So a crash between any two writes changes nothing but time.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from steersman.api.conditions import ConditionStatus, ConditionType, Reason, next_condition
from steersman.api.faults import faults
from steersman.api.status import (
    ModelDeploymentStatus,
    Outcome,
    Phase,
    RevisionStatus,
    RolloutPhase,
    StrategyName,
)
from steersman.api.traffic import Traffic
from steersman.core.analysis.model import MetricQuery, Verdict
from steersman.core.conditions import summarize
from steersman.core.drift import Subject, look_for_drift
from steersman.core.lineage import follow_lineage
from steersman.core.notifications.outbox import noted
from steersman.core.render import render
from steersman.core.retraining.turn import advance as advance_retraining
from steersman.core.revision import Revision
from steersman.core.rollout import blue_green, canary, gate_jobs, rollback, watch
from steersman.core.rollout.actions import handle
from steersman.core.rollout.analyses import due_queries, fold_results, judged
from steersman.core.rollout.ending import abort, finish_abort, retire_expired
from steersman.core.rollout.scaling import check_surge, scale
from steersman.core.rollout.target import bind_analyses, desired_revision, follow, lift_quarantine
from steersman.core.rollout.turn import Turn
from steersman.core.rollout.validity import unsupported
from steersman.core.snapshot import EventIntent, Plan, Problem, Snapshot
from steersman.core.traffic import TrafficProvider
from steersman.core.write_back import write_back

MAX_TRANSITIONS = 20
"""Transitions of one turn; far above what the longest chain without a new observation can have."""


def plan(snapshot: Snapshot, provider_for: Callable[[Traffic], TrafficProvider]) -> Plan:
    """Decide what to do for one ModelDeployment. Pure; never raises for anything that a user can write."""
    return noted(snapshot, _plan(snapshot, provider_for))


def _plan(snapshot: Snapshot, provider_for: Callable[[Traffic], TrafficProvider]) -> Plan:
    status = ModelDeploymentStatus.model_validate(snapshot.manifest.get("status") or {})
    if isinstance(snapshot.spec, ValidationError):
        return _invalid(snapshot, status, snapshot.spec)
    turn = Turn(snapshot, snapshot.spec, status, provider_for(snapshot.spec.traffic))
    _observe(turn)
    desired = desired_revision(turn)
    bind_analyses(turn)
    turn.problem = turn.problem or unsupported(turn) or check_surge(turn) or gate_jobs.unusable(turn)
    clear_action = handle(turn)
    _forgive_pause(turn)
    fold_results(turn)
    for _ in range(MAX_TRANSITIONS):
        before = turn.status
        lift_quarantine(turn, desired)
        _transition(turn, rollback.target(turn, desired))
        if turn.status == before:
            break
    scale(turn)
    writes = write_back(turn, desired)
    follow_lineage(turn, desired)
    trained = advance_retraining(turn)
    queries = (*due_queries(turn), *dict.fromkeys(turn.queries), *_look_for_drift(turn), *trained.queries)
    summarize(turn, judged(turn), _at_target(turn, desired))
    apply, patch, delete = render(turn, desired, trained)
    return Plan(
        before=status,
        status=turn.status,
        apply=apply,
        patch=patch,
        delete=delete,
        events=tuple(turn.events),
        queries=queries,
        questions=tuple(dict.fromkeys(turn.questions)),
        writes=writes,
        errands=trained.errands,
        requeue_at=min(turn.wake_times, default=None),
        clear_action=clear_action,
    )


def _observe(turn: Turn) -> None:
    for field in ("stable", "candidate"):
        revision = getattr(turn.status, field)
        if revision is not None:
            turn.set(**{field: _seen(turn, revision)})
    experiment = turn.status.rollout.experiment if turn.status.rollout is not None else None
    if experiment is not None:
        turn.set_rollout(experiment=experiment.model_copy(update={"baseline": _seen(turn, experiment.baseline)}))


def _seen(turn: Turn, revision: RevisionStatus) -> RevisionStatus:
    return revision.model_copy(update={"available_replicas": turn.available(revision.name)})


def _forgive_pause(turn: Turn) -> None:
    """Time spent paused does not count towards the deadline; a pause of the steps goes on meanwhile."""
    rollout = turn.status.rollout
    if rollout is None or not turn.was_paused or turn.paused:
        return
    step = turn.steps[rollout.step] if rollout.step < len(turn.steps) else None
    if rollout.phase != RolloutPhase.STEPPING or step is None or step.pause is None:
        turn.set_rollout(step_started_at=turn.now)


def _transition(turn: Turn, target: Revision | None) -> None:
    turn.wait("")
    rollback.after_regression(turn)
    follow(turn, target)
    watch.end_if_over(turn)
    rollout = turn.status.rollout
    if rollout is not None:
        if rollout.phase == RolloutPhase.ABORTING:
            finish_abort(turn)
        else:
            _advance(turn)
    retire_expired(turn)


def _advance(turn: Turn) -> None:
    rollout = turn.rollout
    verdict = judged(turn)
    if verdict is not None and verdict.verdict == Verdict.FAILED:
        abort(turn, Outcome.ABORTED, Reason.ANALYSIS_FAILED, verdict.message)
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


def _look_for_drift(turn: Turn) -> tuple[MetricQuery, ...]:
    """Look for drift of stable, beside everything else."""
    stable = turn.status.stable
    subject = Subject(turn.namespace, turn.name, stable.name if stable is not None else "")
    looked = look_for_drift(turn.spec.drift, turn.status.drift, subject, turn.snapshot.results, turn.now)
    turn.set(drift=looked.status)
    turn.events.extend(looked.events)
    turn.wake(looked.next_look)
    return looked.queries


def _at_target(turn: Turn, desired: Revision | None) -> bool:
    stable = turn.status.stable
    return turn.status.rollout is None and stable is not None and desired is not None and desired.name == stable.name


def _invalid(snapshot: Snapshot, status: ModelDeploymentStatus, error: ValidationError) -> Plan:
    """A spec that the models refuse, although the API server let it pass: nothing that runs is touched."""
    problem = Problem(Reason.INVALID_SPEC, f"the spec is not valid: {faults(error, 5)}"[:1024])
    old = next((c for c in status.conditions if c.type == ConditionType.ACCEPTED), None)
    generation = int(snapshot.manifest["metadata"].get("generation", 0))
    changed = old is None or old.status != ConditionStatus.FALSE
    found = {
        ConditionType.READY: ConditionStatus.FALSE,
        ConditionType.ACCEPTED: ConditionStatus.FALSE,
        ConditionType.STALLED: ConditionStatus.TRUE,
    }
    conditions = [c for c in status.conditions if c.type not in (*found, ConditionType.RECONCILING)]
    for kind, value in found.items():
        finding = (value, problem.reason, problem.message)
        conditions.append(next_condition(status.conditions, kind, *finding, generation=generation, now=snapshot.now))
    phase = Phase.DEGRADED if status.stable is not None else Phase.PENDING
    update = {
        "observed_generation": generation,
        "phase": phase,
        "message": problem.message,
        "actions": [],
        "conditions": conditions,
    }
    events = (EventIntent(problem.reason, problem.message, warning=True),) if changed else ()
    return Plan(before=status, status=status.model_copy(update=update), events=events)
