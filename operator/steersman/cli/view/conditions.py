"""The conditions that are not fine, each with what to do next."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from steersman.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import RolloutPhase
from steersman.cli.view.advice import advice
from steersman.cli.view.drift import DRIFT_TYPES
from steersman.cli.view.text import clean, human_duration, plain

_REST = {
    Reason.ROLLOUT_COMPLETE,
    Reason.PROMOTED,
    Reason.ROLLOUT_CANCELLED,
    Reason.ROLLOUT_SUPERSEDED,
    Reason.NO_ANALYSIS,
    Reason.AWAITING_ANALYSIS,
    Reason.NO_STABLE_REVISION,
    Reason.NO_DRIFT,
    Reason.NOT_ENOUGH_DATA,
    Reason.NOT_RETRAINED,
    Reason.RETRAINING_SUCCEEDED,
    Reason.RETRAINING_CANCELLED,
    Reason.RETRAINING_WAITING,
    Reason.RETRAINING_SUSPENDED,
}
"""Reasons of conditions that are not True although all is well, or that say nothing which the steps do not say."""
PATIENCE = 30.0
"""Seconds that a route may take to carry new weights before it is worth a word."""

_TROUBLE = {Reason.UNSCHEDULABLE, Reason.QUOTA_EXCEEDED, Reason.PODS_FAILING, Reason.DRIFT_DETECTED}
"""Reasons that are no good news although the condition is True: a rollout goes on, but its pods do not come; a model serves, but drifts."""
_SUMS = {ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED, ConditionType.GATES_PASSED}
"""Conditions that say again what others say, or what the table of gates says."""

_SET_BACK = {
    Reason.QUARANTINED,
    Reason.ROLLOUT_ABORTED,
    Reason.ROLLED_BACK,
    Reason.ABORTED_BY_USER,
    Reason.ANALYSIS_FAILED,
    Reason.PROGRESS_DEADLINE_EXCEEDED,
    Reason.CANDIDATE_UNAVAILABLE,
    Reason.INCONCLUSIVE_LIMIT_EXCEEDED,
    Reason.ROLLBACK_REQUESTED,
    Reason.REGRESSION,
}
"""Reasons that say again, once no rollout is under way, what the quarantine or the rollback says."""


def troubles(md: ModelDeployment, now: float) -> list[Condition]:
    """The conditions that say that something is not as it should be, each trouble once.

    Ready only sums up the others: it is left out while another says why, or a rollout, a quarantine or a rollback does.
    """
    status = md.status
    told: set[Reason] = set()
    if status.rollout is not None:
        told = {Reason.ROLLOUT_ABORTED} if status.rollout.phase is RolloutPhase.ABORTING else told
    elif status.quarantine is not None or status.rollback is not None:
        told = _SET_BACK
    wrong: dict[tuple[Reason, str], Condition] = {}
    for condition in status.conditions:
        if condition.type in _SUMS or condition.reason in _REST or condition.reason in told:
            continue
        if condition.reason is Reason.WEIGHTS_PENDING and now < condition.last_transition_time + PATIENCE:
            continue
        if condition.status is not ConditionStatus.TRUE or condition.reason in _TROUBLE:
            wrong.setdefault((condition.reason, condition.message), condition)
    if any(condition.type not in DRIFT_TYPES for condition in wrong.values()) or status.rollout is not None or told:
        return list(wrong.values())
    ready = [
        condition
        for condition in status.conditions
        if condition.type is ConditionType.READY and condition.status is not ConditionStatus.TRUE
    ]
    return [*ready, *wrong.values()]


def render_conditions(md: ModelDeployment, now: float) -> RenderableType | None:
    """The conditions that are not fine; None when all are."""
    blocks: list[RenderableType] = []
    for condition in troubles(md, now):
        blocks.append(_headline(condition, now))
        # The head has shown the status' message already.
        if clean(condition.message) and condition.message != md.status.message:
            blocks.append(Padding(plain(condition.message), (0, 0, 0, 2)))
        hint = advice(condition.reason, md)
        if hint:
            blocks.append(Padding(Text(f"→ {hint}", style="cyan"), (0, 0, 0, 2)))
    return Group(*blocks) if blocks else None


def _headline(condition: Condition, now: float) -> Text:
    if condition.status is ConditionStatus.TRUE:
        # How long it has been True says nothing of how long there has been trouble.
        about = f"{condition.type.value}: " if condition.type in DRIFT_TYPES else ""
        return Text.assemble((f"! {about}", "yellow"), (condition.reason.value, "bold"))
    marker, style = ("✗", "red") if condition.status is ConditionStatus.FALSE else ("?", "yellow")
    return Text.assemble(
        (f"{marker} {condition.type.value} is {condition.status.value}: ", style),
        (condition.reason.value, "bold"),
        (f"  for {human_duration(now - condition.last_transition_time)}", "dim"),
    )
