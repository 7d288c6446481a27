"""Records of requests: naming outcomes, writing, reading, and following a growing file."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.records import Cause, Record, Tail, cause_of, parse_line, parse_lines, read_records

GOOD = Record(100.0, 0.01, 200, "2", Cause.NONE, True)
RAISED = Record(101.0, 0.02, 500, "3", Cause.MODEL, False)


@pytest.mark.parametrize(
    ("status", "version", "cause"),
    [
        (200, "2", Cause.NONE),
        (500, "3", Cause.MODEL),
        (503, "3", Cause.SERVER),
        (503, "", Cause.GATEWAY),
        (500, "", Cause.GATEWAY),
        (404, "", Cause.REFUSED),
        (400, "2", Cause.REFUSED),
        (302, "", Cause.REFUSED),
    ],
)
def test_an_answer_without_a_version_is_not_the_models(status: int, version: str, cause: Cause) -> None:
    assert cause_of(status, version) is cause


def test_only_the_bad_versions_own_exceptions_are_excused() -> None:
    assert RAISED.failed
    assert RAISED.excused
    assert not Record(1.0, 0.1, 500, "2", Cause.MODEL, False).excused
    assert not Record(1.0, 0.1, 503, "3", Cause.SERVER, False).excused
    assert not Record(1.0, 0.1, 503, "", Cause.GATEWAY, False).excused
    assert not Record(1.0, 0.1, 0, "", Cause.TIMEOUT, False).excused
    assert not GOOD.failed


def test_a_record_comes_back_from_its_line() -> None:
    assert parse_line(RAISED.to_line()) == RAISED
    assert RAISED.done_at == pytest.approx(101.02)


@pytest.mark.parametrize("line", ["", "{}\n", "[1,2]\n", '[1,2,200,"2","unheard of",true]\n', "nonsense\n"])
def test_what_is_not_a_record_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a record"):
        parse_line(line)


def test_an_unfinished_line_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "records"
    tail = Tail(path)
    assert tail.read() == []
    second = RAISED.to_line()
    path.write_text(GOOD.to_line() + second[:10])
    assert list(parse_lines([GOOD.to_line(), second[:10]])) == [GOOD]
    assert tail.read() == [GOOD]
    with path.open("a") as file:
        file.write(second[10:])
    assert tail.read() == [RAISED]
    assert tail.read() == []


def test_records_are_read_in_the_order_in_which_they_were_due(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_text(RAISED.to_line() + GOOD.to_line())
    assert read_records(path) == [GOOD, RAISED]
