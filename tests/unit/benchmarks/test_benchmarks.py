"""What the benchmark counts, judges and writes down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.audit import AuditLog, by_verb_and_kind, parse
from benchmarks.report import ENGINE, markdown, number, write
from benchmarks.results import Figure, Result


def event(
    verb: str, resource: str = "", subresource: str = "", stage: str = "ResponseComplete", code: int = 200
) -> str:
    said: dict[str, Any] = {
        "stage": stage,
        "verb": verb,
        "responseStatus": {"code": code},
        "stageTimestamp": "2026-01-01T00:00:00Z",
    }
    if resource:
        said["objectRef"] = {"resource": resource, **({"subresource": subresource} if subresource else {})}
    return json.dumps(said) + "\n"


def test_requests_are_told_apart() -> None:
    requests = parse(
        [
            event("get", "modeldeployments"),
            event("list", "services"),
            event("get"),
            event("watch", "services"),
            event("get", "leases"),
            event("update", "leases"),
            event("update", "modeldeployments", "status"),
            event("patch", "deployments"),
            event("delete", "services", code=404),
            event("create", "events"),
            event("patch", "events"),
            event("create", "services", stage="RequestReceived"),
        ]
    )
    assert [(r.verb, r.resource) for r in requests if r.is_read] == [
        ("get", "modeldeployments"),
        ("list", "services"),
        ("get", "discovery"),
    ]
    assert [(r.verb, r.resource) for r in requests if r.is_write] == [
        ("update", "modeldeployments/status"),
        ("patch", "deployments"),
        ("delete", "services"),
    ]
    assert sum(r.is_event for r in requests) == 2
    assert by_verb_and_kind(requests)["create", "events"] == 1
    assert not any(resource == "leases" or verb == "watch" for verb, resource in by_verb_and_kind(requests))


def test_a_log_is_read_from_a_mark_on_and_only_whole_lines(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, "system:serviceaccount:default:steersman")
    assert log.mark() == 0
    log.path.write_text(event("get", "pods"))
    mark = log.mark()
    with log.path.open("a") as more:
        more.write(event("list", "pods") + event("get", "pods")[:20])
    assert [request.verb for request in log.since(mark)] == ["list"]


def test_only_the_one_user_is_written_down(tmp_path: Path) -> None:
    AuditLog(tmp_path, "operator")
    policy = json.loads((tmp_path / "audit-policy.yaml").read_text())
    assert policy["rules"] == [{"level": "Metadata", "users": ["operator"]}, {"level": "None"}]


@pytest.mark.parametrize(
    ("value", "limit", "judged", "verdict"),
    [(5, 5, True, "kept"), (5.1, 5, True, "missed"), (5.1, 5, False, "not judged"), (5.1, None, True, "")],
)
def test_a_target_is_kept_up_to_its_limit(value: float, limit: float | None, judged: bool, verdict: str) -> None:
    figure = Figure("reads", value, "", limit, judged=judged)
    assert figure.verdict == verdict
    assert figure.missed is (verdict == "missed")


def test_figures_are_written_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n\n<!-- begin {ENGINE} -->\nold\n<!-- end {ENGINE} -->\n\nafter\n")
    text = markdown([Result("Idle", "How.", [Figure("CPU", 1.234, "%", 2, "0.5", "10.6")], ["More."])])
    write(text, document)
    written = document.read_text()
    assert written.startswith("before\n\n") and written.endswith("\n\nafter\n") and "old" not in written
    assert "| CPU | 1.23 % | ≤ 2 | kept | 0.5 | 10.6 |" in written
    write(text, document)
    assert document.read_text() == written
    document.write_text("no markers")
    with pytest.raises(ValueError, match="markers"):
        write(text, document)


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (9520, "9520"), (33.333, "33.3"), (0.12345, "0.123")])
def test_numbers_have_three_figures(value: float, shown: str) -> None:
    assert number(value) == shown
