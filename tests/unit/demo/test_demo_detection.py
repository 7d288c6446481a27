"""When the bad version could first be told from the good one."""

from __future__ import annotations

import random

from demo.detection import detectable_at, looks, suspected_at
from demo.records import Cause, Record
from steersman.api.analysis import SequentialJudge

JUDGE = SequentialJudge(requests="requests", failures="failures")


def traffic(failing: float, seconds: float = 60, seed: int = 3) -> list[Record]:
    chance = random.Random(seed)
    records = []
    for number in range(int(80 * seconds)):
        version = "3" if chance.random() < 0.1 else "2"
        fails = version == "3" and chance.random() < failing
        cause = Cause.MODEL if fails else Cause.NONE
        records.append(Record(1001.3 + number / 80, 0.01, 500 if fails else 200, version, cause, not fails))
    return records


def test_a_version_that_fails_often_is_detectable_on_the_grid() -> None:
    found = looks(traffic(0.05), "3", "2", JUDGE, 5, 1001.3, 1061.3)
    moment, suspicion = detectable_at(found), suspected_at(found)
    assert moment is not None
    assert suspicion is not None
    assert suspicion <= moment
    assert moment % 5 == 0
    assert 1005 <= moment <= 1045
    assert found[-1].at == moment
    assert "> 100" in found[-1].message


def test_a_version_that_fails_more_is_detectable_no_later() -> None:
    moments = [detectable_at(looks(traffic(rate), "3", "2", JUDGE, 5, 1001.3, 1061.3)) or 0 for rate in (0.05, 0.5)]
    assert 0 < moments[1] <= moments[0]


def test_a_version_that_does_not_fail_is_never_detectable() -> None:
    found = looks(traffic(0.0), "3", "2", JUDGE, 5, 1001.3, 1061.3)
    assert len(found) == 12
    assert detectable_at(found) is None
    assert suspected_at(found) is None


def test_failures_that_hit_both_alike_are_no_evidence() -> None:
    chance = random.Random(1)
    records = [
        Record(record.at, 0.01, 500, record.version, Cause.MODEL, False) if chance.random() < 0.3 else record
        for record in traffic(0.0)
    ]
    assert detectable_at(looks(records, "3", "2", JUDGE, 5, 1001.3, 1061.3)) is None


def test_counts_are_of_the_time_since_the_look_before() -> None:
    found = looks(traffic(0.0), "3", "2", JUDGE, 5, 1001.3, 1061.3)
    assert sum(look.candidate.requests + look.stable.requests for look in found) == sum(
        record.done_at <= 1060 for record in traffic(0.0)
    )
