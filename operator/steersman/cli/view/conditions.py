"""The conditions that are not fine, each with what to do next."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from steersman.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.view.advice import advice
from steersman.cli.view.text import clean, human_duration, plain

_REST = {
    Reason.ROLLOUT_COMPLETE,
    Reason.PROMOTED,
    Reason.ROLLOUT_CANCELLED,
    Reason.ROLLOUT_SUPERSEDED,
    Reason.NO_ANALYSIS,
}
"""Reasons of conditions that are not True although all is well."""


_QUARANTINED = {
    Reason.QUARANTINED,
    Reason.ROLLOUT_ABORTED,
    Reason.ROLLED_BACK,
    Reason.ABORTED_BY_USER,
    Reason.ANALYSIS_FAILED,
    Reason.PROGRESS_DEADLINE_EXCEEDED,
    Reason.CANDIDATE_UNAVAILABLE,
    Reason.INCONCLUSIVE_LIMIT_EXCEEDED,
}
"""Reasons that say again, once no rollout is under way, what the quarantine says."""


def troubles(md: ModelDeployment) -> list[Condition]:
    """The conditions that say that something is not as it should be.

    Ready only sums up the others: it is left out while another says why, or a rollout or a quarantine does.
    """
    told = _QUARANTINED if md.status.quarantine is not None and md.status.rollout is None else set()
    wrong = [
        condition
        for condition in md.status.conditions
        if condition.status is not ConditionStatus.TRUE
        and condition.reason not in _REST
        and condition.reason not in told
        and condition.type is not ConditionType.READY
    ]
    if wrong or md.status.rollout is not None or told:
        return wrong
    return [
        condition
        for condition in md.status.conditions
        if condition.type is ConditionType.READY and condition.status is not ConditionStatus.TRUE
    ]


def render_conditions(md: ModelDeployment, now: float) -> RenderableType | None:
    """The conditions that are not fine; None when all are."""
    blocks: list[RenderableType] = []
    for condition in troubles(md):
        marker, style = ("✗", "red") if condition.status is ConditionStatus.FALSE else ("?", "yellow")
        since = human_duration(now - condition.last_transition_time)
        blocks.append(
            Text.assemble(
                (f"{marker} {condition.type.value} is {condition.status.value}: ", style),
                (condition.reason.value, "bold"),
                (f"  for {since}", "dim"),
            )
        )
        if clean(condition.message):
            blocks.append(Padding(plain(condition.message), (0, 0, 0, 2)))
        hint = advice(condition.reason, md)
        if hint:
            blocks.append(Padding(Text(f"→ {hint}", style="cyan"), (0, 0, 0, 2)))
    return Group(*blocks) if blocks else None
