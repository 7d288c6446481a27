"""The gate before a weight is raised: evidence first. And the waits that have a deadline."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.duration import format_duration
from steersman.api.modeldeployment import InconclusiveAction
from steersman.api.status import Outcome
from steersman.core.analysis.model import AnalysisContext, Assessment, Verdict
from steersman.core.analysis.verdict import verdict
from steersman.core.rollout.ending import abort
from steersman.core.rollout.turn import Turn


def assessment(turn: Turn) -> Assessment | None:
    """What the rollout's analysis says; None when none runs."""
    analysis = turn.rollout.analysis
    if analysis is None:
        return None
    return verdict(turn.metrics.get(analysis.stage, ()), analysis, context(turn))


def context(turn: Turn) -> AnalysisContext:
    """What the analysis has to know of the rollout."""
    rollout = turn.rollout
    if rollout.analysis is None:
        raise ValueError("no analysis is under way")
    return AnalysisContext(
        namespace=turn.namespace,
        deployment=turn.name,
        stable=turn.status.stable.name if turn.status.stable else "",
        candidate=rollout.revision,
        stage=rollout.analysis.stage,
        weight_reached_at=rollout.weight_reached_at,
    )


def pass_gate(turn: Turn, good: Verdict = Verdict.PASSING) -> bool:
    """Whether the rollout may go on; opens the gate when it may, holds or aborts when it may not."""
    rollout = turn.rollout
    if rollout.gate_open:
        return True
    judged = assessment(turn)
    if judged is None or judged.verdict in (good, Verdict.COMPLETE) or rollout.promote_requested:
        turn.set_rollout(gate_open=True, step_started_at=turn.now, held=False, promote_requested=False)
        return True
    if judged.verdict == Verdict.INCONCLUSIVE or rollout.held:
        _hold(turn, judged)
    else:
        turn.wait(judged.message or "the analysis has not looked since the weight was set", Reason.AWAITING_ANALYSIS)
    return False


def _hold(turn: Turn, judged: Assessment) -> None:
    analysis = turn.rollout.analysis
    limit = turn.spec.analysis.inconclusive
    turn.wait(judged.message, Reason.AWAITING_ANALYSIS)
    if turn.rollout.held:
        turn.wait(f"Held for a person: {judged.message}", Reason.INCONCLUSIVE_LIMIT_EXCEEDED)
        return
    if analysis is None or analysis.inconclusive_since is None:
        return
    # Evidence may have been missing long before anybody asked for it: the limit counts from when the rollout began to wait.
    due = max(analysis.inconclusive_since, turn.rollout.step_started_at) + limit.after
    if turn.now < due:
        turn.wake(due)
        return
    message = f"the analysis was inconclusive for {format_duration(limit.after)}: {judged.message}"
    if limit.action == InconclusiveAction.ABORT:
        abort(turn, Outcome.ABORTED, Reason.INCONCLUSIVE_LIMIT_EXCEEDED, message)
    else:
        turn.set_rollout(held=True)
        turn.wait(f"Held for a person: {judged.message}", Reason.INCONCLUSIVE_LIMIT_EXCEEDED)
        turn.event(Reason.INCONCLUSIVE_LIMIT_EXCEEDED, f"Waiting for promote or abort: {message}", warning=True)


def deadline(turn: Turn) -> None:
    """Abort when the present wait for pods or the route has lasted longer than progressDeadline."""
    due = turn.rollout.step_started_at + turn.spec.progress_deadline
    if turn.now < due:
        turn.wake(due)
        return
    message = f"no progress for {format_duration(turn.spec.progress_deadline)}: {turn.waiting_for}"
    if turn.status.stable is not None:
        abort(turn, Outcome.ABORTED, Reason.PROGRESS_DEADLINE_EXCEEDED, message)
    else:
        # Nothing to return to: keep trying, and say so.
        turn.wait(message, Reason.PROGRESS_DEADLINE_EXCEEDED)
