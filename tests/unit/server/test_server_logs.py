"""Structured logs and the limit on exceptions."""

import json
import logging
import sys

import pytest

from steersman_server.logs import ExceptionLog, JsonFormatter


def test_a_record_is_one_line_of_json() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("a.b", logging.ERROR, "f.py", 1, "got %s", ("x\ny",), sys.exc_info())
    record.fields = {"code": 500}
    line = JsonFormatter().format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["message"], entry["code"]) == ("ERROR", "a.b", "got x\ny", 500)
    assert "ValueError: two\nlines" in entry["exception"]
    assert entry["time"].endswith("Z")


def raised(kind: type[Exception], text: str = "") -> Exception:
    try:
        raise kind(text)
    except Exception as error:
        return error


def test_each_kind_of_exception_is_logged_once_an_interval(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = ExceptionLog(logging.getLogger("test"), interval=60, clock=lambda: now)
    for number in range(5):
        log.error("failed", raised(ValueError, f"request {number}"))
    log.error("failed", raised(KeyError))
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError, KeyError]
    now = 61.0
    log.error("failed", raised(ValueError))
    assert caplog.records[-1].__dict__["fields"] == {"exception_type": "ValueError", "repeats_not_logged": 4}


def test_kinds_beyond_the_limit_share_one_budget(caplog: pytest.LogCaptureFixture) -> None:
    log = ExceptionLog(logging.getLogger("test"), kinds=2, clock=lambda: 0.0)
    for kind in (ValueError, KeyError, TypeError, OSError):
        log.error("failed", raised(kind))
    assert len(caplog.records) == 3
