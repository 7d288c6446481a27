"""Moments of a cron expression in a time zone."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from steersman.api.retraining import ScheduleTrigger

LOOK_BACK: Final = 3 * 3600
"""Seconds; no clock is put back by more."""


def latest(schedule: ScheduleTrigger, now: float) -> float | None:
    """The latest moment that is not after now; None when there is none in 50 years. Seconds since the epoch."""
    # Moments are whole minutes: within one the answer is the same.
    return _found(schedule.cron, schedule.time_zone, math.floor(now / 60) * 60 + 1, reverse=True)


def following(schedule: ScheduleTrigger, now: float) -> float | None:
    """The first moment after now."""
    return _found(schedule.cron, schedule.time_zone, math.floor(now / 60) * 60, reverse=False)


@lru_cache(maxsize=4096)
def _found(cron: str, zone: str, seconds: int, *, reverse: bool) -> float | None:
    place = ZoneInfo(zone)
    start = seconds
    if reverse and _offset(seconds, place) < _offset(seconds - LOOK_BACK, place):
        # The clock was just put back: what was before may be later by the clock on the wall.
        start += LOOK_BACK
    begin = datetime.fromtimestamp(start, UTC).astimezone(place)
    for moment in CronSim(cron, begin, reverse=reverse):
        at = moment.astimezone(UTC).timestamp()
        if (at < seconds) if reverse else (at > seconds):
            return at
    return None


def _offset(seconds: int, place: ZoneInfo) -> timedelta:
    return datetime.fromtimestamp(seconds, UTC).astimezone(place).utcoffset() or timedelta()
