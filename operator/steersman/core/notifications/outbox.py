"""The outbox: what is to be told is written down in the same write as the decision that it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import ValidationError

from steersman.api.notification_status import MAX_PENDING, MESSAGE_LENGTH, PendingNotification
from steersman.api.status import ModelDeploymentStatus
from steersman.core.snapshot import EventIntent, Plan, Snapshot


def noted(snapshot: Snapshot, decided: Plan) -> Plan:
    """The plan with its notable events in the status, and without those that were sent meanwhile."""
    before = decided.before.notifications
    wanted = set(snapshot.told)
    if not isinstance(snapshot.spec, ValidationError):
        wanted |= {reason for target in snapshot.spec.notifications for reason in target.events}
    fresh = [event for event in decided.events if event.reason in wanted]
    if not before and not fresh:
        return decided
    kept = [each for each in before if each.id not in snapshot.sent]
    pending = _bounded([*kept, *_written(fresh, decided, snapshot.now, {each.id for each in before})])
    return replace(decided, status=decided.status.model_copy(update={"notifications": pending}))


def _written(events: Sequence[EventIntent], decided: Plan, now: float, taken: set[str]) -> list[PendingNotification]:
    written: list[PendingNotification] = []
    number = 0
    for event in events:
        while (made := f"{round(now * 1000)}-{number}") in taken:
            number += 1
        number += 1
        message = event.message
        if len(message) > MESSAGE_LENGTH:
            message = message[: MESSAGE_LENGTH - 1] + "…"
        about = _revision(decided.before) if decided.before.rollout is not None else _revision(decided.status)
        written.append(
            PendingNotification(
                id=made, at=now, reason=event.reason, message=message, warning=event.warning, revision=about
            )
        )
    return written


def _revision(status: ModelDeploymentStatus) -> str:
    if status.rollout is not None:
        return status.rollout.revision
    return status.stable.name if status.stable is not None else ""


def _bounded(pending: list[PendingNotification]) -> list[PendingNotification]:
    """The newest; the oldest of them says how many are missing before it."""
    gone, kept = pending[:-MAX_PENDING], pending[-MAX_PENDING:]
    missing = sum(1 + each.left_out for each in gone)
    if missing:
        kept[0] = kept[0].model_copy(update={"left_out": kept[0].left_out + missing})
    return kept
