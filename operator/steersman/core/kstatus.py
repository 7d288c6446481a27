"""The conditions Reconciling and Stalled: what kstatus, and with it Flux, reads off the status.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md: each is there only while it is True. Without
either, Ready decides: Current when True, InProgress when not. Exactly one of four holds: Ready, Reconciling, Stalled, or the
phase Paused, in which nobody but a person can go on and nothing has failed.
"""

from __future__ import annotations

from steersman.api.conditions import ConditionType, Reason
from steersman.api.status import Phase
from steersman.core.rollout.turn import Turn

COMES_BY_ITSELF = frozenset({Reason.RESOLVING, Reason.REGISTRY_UNREACHABLE, Reason.REGISTRY_ERROR})
"""Trouble with a registry that may pass without anybody changing anything here."""


def abnormal(turn: Turn, phase: Phase, at_target: bool) -> ConditionType | None:
    """Which of the two holds for an object that is not Ready; None while it waits for a person."""
    if phase == Phase.PAUSED:
        return None
    return ConditionType.STALLED if _needs_change(turn, at_target) else ConditionType.RECONCILING


def _needs_change(turn: Turn, at_target: bool) -> bool:
    """Whether what the spec asks for will not be served until somebody changes something or says retry."""
    status = turn.status
    if status.rollout is not None:
        # Only a first revision outlives its deadline: there is nothing to go back to.
        return turn.waiting_reason == Reason.PROGRESS_DEADLINE_EXCEEDED
    if status.quarantine is not None or status.rollback is not None:
        return True
    if turn.waiting_reason == Reason.GATE_FAILED:
        return True
    trouble = turn.problem or (None if at_target else turn.unresolved)
    return trouble is not None and trouble.reason not in COMES_BY_ITSELF
