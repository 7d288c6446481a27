"""Moments of schedules, where clocks are changed too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pydantic import ValidationError

from steersman.api.retraining import ScheduleTrigger
from steersman.core.retraining.moments import following, latest


def schedule(cron: str, zone: str = "Etc/UTC") -> ScheduleTrigger:
    return ScheduleTrigger.model_validate({"cron": cron, "timeZone": zone})


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_moment_is_the_latest_from_its_second_on() -> None:
    daily = schedule("0 3 * * *", "Europe/Berlin")
    moment = utc("2026-01-15T02:00:00")
    assert latest(daily, moment - 0.5) == moment - 86400
    assert latest(daily, moment) == latest(daily, moment + 86399) == moment
    assert following(daily, moment - 0.5) == moment
    assert following(daily, moment) == moment + 86400


@pytest.mark.parametrize(
    ("cron", "zone", "begin"),
    [
        # Put forward: 02:30 is left out.
        ("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00"),
        ("30 2 * * *", "America/New_York", "2026-03-06T12:00:00"),
        # Put back: 01:30 and 02:30 come twice by the clock on the wall.
        ("30 2 * * *", "Europe/Berlin", "2026-10-23T12:00:00"),
        ("30 1 * * *", "America/New_York", "2026-10-30T12:00:00"),
        # By half an hour only.
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-03T00:00:00"),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T00:00:00"),
    ],
)
def test_once_a_day_is_once_a_day_whatever_the_clocks_do(cron: str, zone: str, begin: str) -> None:
    wanted, start = schedule(cron, zone), utc(begin)
    seen = sorted({latest(wanted, start + 60.0 * minute) or 0.0 for minute in range(4 * 1440)})
    inside = [moment for moment in seen if moment > start]
    assert len(inside) == 4
    gaps = [after - before for before, after in pairwise(inside)]
    assert all(22 * 3600 <= gap <= 26 * 3600 for gap in gaps)
    # Whoever walks forward meets the same ones.
    walked, at = [], start
    for _ in range(4):
        found = following(wanted, at)
        assert found is not None
        walked.append(found)
        at = found
    assert walked == inside


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
@pytest.mark.parametrize("cron", ["*/15 * * * *", "0 * * * *", "30 1-3 * * *", "0 0 1 * *", "0 6 * * MON-FRI"])
def test_the_latest_never_goes_back_and_is_never_ahead(cron: str, zone: str) -> None:
    wanted = schedule(cron, zone)
    for begin in ("2026-03-28T20:00:00", "2026-10-24T20:00:00", "2026-03-07T20:00:00", "2026-10-31T20:00:00"):
        before = float("-inf")
        for minute in range(0, 24 * 60, 5):
            now = utc(begin) + minute * 60
            found, coming = latest(wanted, now), following(wanted, now)
            assert found is not None and coming is not None
            assert before <= found <= now < coming
            before = found


def test_a_yearly_moment_is_found() -> None:
    leap = schedule("0 12 29 2 *")
    assert latest(leap, utc("2026-06-01T00:00:00")) == utc("2024-02-29T12:00:00")
    assert following(leap, utc("2026-06-01T00:00:00")) == utc("2028-02-29T12:00:00")


def test_months_of_a_schedule_cost_little() -> None:
    wanted = schedule("* * * * *", "Europe/Berlin")
    begin = utc("2026-01-01T00:00:00")
    assert latest(wanted, begin + timedelta(days=300).total_seconds()) == begin + 300 * 86400


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cron": "10 13 * *"}, "five fields"),
        ({"cron": "0 0 3 * * *"}, "five fields"),
        ({"cron": "61 3 * * *"}, "not a cron expression: Bad minute"),
        ({"cron": "0 0 30 2 *"}, "not a cron expression: Bad day-of-month"),
        ({"cron": "0 3 * * *", "timeZone": "Mars/Olympus"}, "not a time zone"),
        ({"cron": "0 3 * * *", "timeZone": "../../etc/passwd"}, "timeZone"),
    ],
)
def test_what_is_no_schedule_is_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ScheduleTrigger.model_validate(settings)
