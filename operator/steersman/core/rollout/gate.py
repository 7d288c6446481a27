"""The gate before a weight is raised: evidence first. And the waits that have a deadline."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.duration import format_duration
from steersman.api.modeldeployment import InconclusiveAction
from steersman.api.status import AnalysisStatus, Outcome
from steersman.core.analysis.model import Assessment, Verdict
from steersman.core.rollout.analyses import background, of_step
from steersman.core.rollout.ending import abort
from steersman.core.rollout.turn import Turn


def pass_gate(turn: Turn, good: Verdict = Verdict.PASSING) -> bool:
    """Whether the rollout may go on; opens the gate when it may, holds or aborts when it may not."""
    rollout = turn.rollout
    if rollout.gate_open:
        return True
    entry = background(turn)
    judged = entry.assess() if entry is not None else None
    # Header routes alone may bring no request at all: that is no reason to wait, and a failure has aborted already.
    optional = good == Verdict.PASSING and turn.candidate_weight == 0 and rollout.mirror == 0
    if (
        entry is None
        or judged is None
        or judged.verdict in (good, Verdict.COMPLETE)
        or optional
        or _waved_through(turn)
    ):
        turn.set_rollout(gate_open=True, step_started_at=turn.now, held=False, promote_requested=False)
        return True
    _wait(turn, judged, entry.analysis, "the analysis has not looked since the weight was set")
    return False


def step_analysis_passed(turn: Turn) -> bool:
    """Whether the current step's analysis has its count of passes; holds or aborts when it has not."""
    entry = of_step(turn)
    if entry is None:
        return True
    judged = entry.assess()
    if judged.verdict == Verdict.COMPLETE or _waved_through(turn):
        turn.set_rollout(held=False)
        return True
    _wait(turn, judged, entry.analysis, "the step's analysis has not looked yet")
    return False


def _waved_through(turn: Turn) -> bool:
    return turn.rollout.promote_requested or turn.rollout.fast


def _wait(turn: Turn, judged: Assessment, analysis: AnalysisStatus, otherwise: str) -> None:
    if judged.verdict == Verdict.INCONCLUSIVE or turn.rollout.held:
        _hold(turn, judged, analysis)
    else:
        turn.wait(judged.message or otherwise, Reason.AWAITING_ANALYSIS)


def _hold(turn: Turn, judged: Assessment, analysis: AnalysisStatus) -> None:
    limit = turn.spec.analysis.inconclusive
    turn.wait(judged.message, Reason.AWAITING_ANALYSIS)
    if turn.rollout.held:
        turn.wait(f"Held for a person: {judged.message}", Reason.INCONCLUSIVE_LIMIT_EXCEEDED)
        return
    if analysis.inconclusive_since is None:
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


def pods_there(turn: Turn, wanted: int) -> bool:
    """Whether the candidate has so many available pods; watches the deadline otherwise."""
    if turn.enough_pods(wanted):
        return True
    deadline(turn)
    return False


def in_force(turn: Turn) -> bool:
    """Whether the route carries what is intended; watches the deadline otherwise."""
    if turn.routed():
        return True
    deadline(turn)
    return False


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
