"""Conditions and events of drift. They say what is seen and change nothing: Ready, phase and rollout go on without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from steersman.api.conditions import ConditionStatus, ConditionType, Reason
from steersman.api.drift import Drift
from steersman.api.drift_status import DriftStatus
from steersman.api.duration import format_duration
from steersman.api.meta import format_timestamp
from steersman.core.drift.looks import PATIENCE
from steersman.core.snapshot import EventIntent

Finding = tuple[ConditionStatus, Reason, str]
_TRUE, _FALSE, _UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def findings(settings: Drift, status: DriftStatus | None) -> Mapping[ConditionType, Finding]:
    """The conditions as they stand."""
    found = {ConditionType.DATA_DRIFT: _data(settings, status)}
    if settings.concept.enabled:
        found[ConditionType.CONCEPT_DRIFT] = _concept(settings, status)
    return found


def _blind(settings: Drift, status: DriftStatus | None) -> Finding | None:
    """Why nothing at all is known, if so."""
    if status is None:
        return _UNKNOWN, Reason.NOT_ENOUGH_DATA, "no revision serves yet"
    if status.error and (status.last_attempt_at or 0.0) - (status.last_look_at or status.started_at) >= (
        PATIENCE * settings.interval
    ):
        return _UNKNOWN, Reason.DRIFT_UNKNOWN, f"the last {PATIENCE} looks or more failed: {status.error}"
    if status.last_look_at is None:
        return _UNKNOWN, Reason.NOT_ENOUGH_DATA, f"{status.revision} was not looked at yet"
    return None


def _data(settings: Drift, status: DriftStatus | None) -> Finding:
    blind = _blind(settings, status)
    if blind is not None or status is None:
        return blind or (_UNKNOWN, Reason.DRIFT_UNKNOWN, "")
    data = status.data
    if data.not_judged:
        return _UNKNOWN, Reason(data.not_judged), data.message
    if data.detected_at is not None:
        return _TRUE, Reason.DRIFT_DETECTED, data.message
    if data.seen_since is not None:
        since = format_timestamp(data.seen_since)
        waits = format_duration((settings.consecutive - 1) * settings.window)
        return _FALSE, Reason.NO_DRIFT, f"{data.message}; seen since {since}, told when it lasts for {waits}"
    return _FALSE, Reason.NO_DRIFT, data.message


def _concept(settings: Drift, status: DriftStatus | None) -> Finding:
    blind = _blind(settings, status)
    if blind is not None or status is None or status.concept is None:
        return blind or (_UNKNOWN, Reason.NOT_ENOUGH_DATA, "the detectors were not looked at yet")
    concept, window = status.concept, format_duration(settings.concept.window)
    if concept.detected_at is not None:
        fired = ", ".join(each.name for each in concept.detectors if each.fired)
        return (
            _TRUE,
            Reason.DRIFT_DETECTED,
            f"fired within {window}: {fired}; {concept.feedback:.0f} predictions have feedback",
        )
    if not concept.feedback:
        why = f"no feedback on predictions of {status.revision} within {window}: send ground truth to its feedback endpoint"
        return _UNKNOWN, Reason.NOT_ENOUGH_DATA, why
    return (
        _FALSE,
        Reason.NO_DRIFT,
        f"no detector fired on {concept.feedback:.0f} predictions with feedback within {window}",
    )


def events(before: DriftStatus | None, after: DriftStatus) -> Iterator[EventIntent]:
    """What began or ended between two statuses of one revision."""
    was = before if before is not None and before.revision == after.revision else None
    for kind, earlier, now, message in (
        ("data drift", was.data.detected_at if was else None, after.data.detected_at, after.data.message),
        ("concept drift", _detected(was), _detected(after), _fired(after)),
    ):
        if earlier is None and now is not None:
            yield EventIntent(Reason.DRIFT_DETECTED, f"{kind} of {after.revision}: {message}", warning=True)
        elif earlier is not None and now is None:
            yield EventIntent(Reason.DRIFT_ENDED, f"{kind} of {after.revision} is over")


def _detected(status: DriftStatus | None) -> float | None:
    return status.concept.detected_at if status is not None and status.concept is not None else None


def _fired(status: DriftStatus) -> str:
    detectors = status.concept.detectors if status.concept is not None else []
    return f"{', '.join(each.name for each in detectors if each.fired)} fired"
