"""The report's figures and the promises that are checked on them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo import check as checking
from demo.figure import draw
from demo.page import render_page
from demo.records import Cause, Record
from demo.report import Run, build_report


@pytest.fixture(scope="module")
def report(run: Run) -> dict[str, Any]:
    return build_report(run)


def unkept(report: dict[str, Any]) -> list[str]:
    return [promise.name for promise in checking.check(report) if not promise.kept]


def test_a_good_run_keeps_every_promise(report: dict[str, Any]) -> None:
    assert unkept(report) == []


def test_requests_are_counted_by_cause(run: Run, report: dict[str, Any]) -> None:
    counted = report["requests"]
    failures = sum(record.failed for record in run.records)
    assert counted["sent"] == len(run.records) == counted["succeeded"] + counted["failed"]
    assert counted["failedByCause"] == {"model": failures}
    assert counted["failedByBadVersion"] == failures > 0
    assert counted["failedOtherwise"] == 0


def test_the_time_to_stable_counts_from_the_first_bad_response(run: Run, report: dict[str, Any]) -> None:
    first = min(record.done_at for record in run.records if record.failed) - report["startedAt"]
    rollback = report["rollback"]
    assert rollback["firstBadResponseAt"] == pytest.approx(first)
    assert rollback["stableAllTrafficAt"] == pytest.approx(153.1, abs=0.01)
    assert rollback["secondsFromFirstBadResponse"] == pytest.approx(153.1 - first, abs=0.01)
    assert rollback["intervalsFromDetectable"] == pytest.approx((153.1 - rollback["detectableAt"]) / 5, abs=0.01)


def test_decisions_are_in_order_and_name_who_decided(report: dict[str, Any]) -> None:
    moments = [decision["at"] for decision in report["decisions"]]
    assert moments == sorted(moments)
    aborted = next(decision for decision in report["decisions"] if decision["kind"] == "aborted")
    assert aborted["by"] == "operator"
    assert aborted["at"] == pytest.approx(152.8, abs=0.01)
    assert aborted["reason"].startswith("AnalysisFailed: candidate failed")


def test_each_versions_accuracy_is_what_clients_got(report: dict[str, Any]) -> None:
    assert report["versions"]["1"]["accuracy"] == pytest.approx(0.84, abs=0.03)
    assert report["versions"]["3"]["failed"] == report["requests"]["failedByBadVersion"]


def test_a_run_without_requests_is_no_run(run: Run) -> None:
    with pytest.raises(ValueError, match="no request"):
        build_report(replace(run, records=[]))


def test_a_run_whose_bad_version_never_failed_has_no_rollback(run: Run) -> None:
    records = [record for record in run.records if not record.failed]
    report = build_report(replace(run, records=records))
    assert report["rollback"] is None
    assert any("being detectable" in name for name in unkept(report))


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for key in parents:
            report = report[int(key)] if isinstance(report, list) else report[key]
        report[int(last) if isinstance(report, list) else last] = value

    return change


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (_set("rollouts.1.outcome", "Aborted"), "v2: canary promoted"),
        (_set("rollouts.1.strategy", "blueGreen"), "v2: canary promoted"),
        (_set("rollouts.2.outcome", "Promoted"), "v3: canary aborted"),
        (_set("rollouts.2.reason", "ProgressDeadlineExceeded"), "v3 was ended by its analysis"),
        (_set("rollouts", []), "v4: blueGreen promoted"),
        (_set("quarantined", []), "v3 alone is quarantined"),
        (_set("quarantined", ["2", "3"]), "v3 alone is quarantined"),
        (_set("rollback.intervalsFromDetectable", 2.01), "2 analysis intervals"),
        (_set("rollback.intervalsFromDetectable", None), "2 analysis intervals"),
        (_set("requests.failedOtherwise", 1), "no request failed"),
        (_set("requests.sent", 0), "no request failed"),
        (_set("split.plateaus.1.within", False), "within 3 points"),
        (_set("split.plateaus", []), "within 3 points"),
        (_set("weights.1.weights", {"1": 80, "2": 20}), "never left the plan"),
        (_set("weights.1.weights", {"1": 90, "2": 5}), "never left the plan"),
        (_set("weights.1.weights", {"1": 40, "2": 50, "3": 10}), "never left the plan"),
        (_set("weights", []), "never left the plan"),
    ],
)
def test_each_broken_promise_is_named(
    report: dict[str, Any], change: Callable[[dict[str, Any]], None], broken: str
) -> None:
    changed = copy.deepcopy(report)
    change(changed)
    assert any(broken in name for name in unkept(changed))


def test_a_failure_of_the_gateway_is_not_excused(run: Run) -> None:
    lost = Record(run.records[50].at, 0.1, 503, "", Cause.GATEWAY, False)
    report = build_report(replace(run, records=[*run.records[:50], lost, *run.records[51:]]))
    assert report["requests"]["failedOtherwise"] == 1
    assert unkept(report) == ["no request failed apart from v3's own exceptions"]


def test_the_check_exits_with_1_and_names_what_is_not_met(
    report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "demo-report.json"
    path.write_text(json.dumps(report))
    assert checking.main([str(path)]) == 0
    path.write_text(json.dumps({**report, "quarantined": []}))
    assert checking.main([str(path)]) == 1
    assert "NOT KEPT: v3 alone is quarantined: nothing is" in capsys.readouterr().out


def test_the_page_holds_the_picture_and_escapes_what_it_quotes(
    run: Run, report: dict[str, Any], tmp_path: Path
) -> None:
    draw(report, run.records, tmp_path / "picture.svg", tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    changed = copy.deepcopy(report)
    changed["rollouts"][2]["message"] = changed["decisions"][-1]["reason"] = "<script>alert(1)</script>"
    svg = (tmp_path / "picture.svg").read_text()
    page = render_page(changed, checking.check(report), svg, [[0.0, 16.0] * 32])
    assert page.count("<svg") == 2
    assert "Every promise kept" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_says_when_a_promise_is_not_kept(report: dict[str, Any]) -> None:
    broken = {**report, "quarantined": []}
    page = render_page(broken, checking.check(broken), "<svg></svg>")
    assert "Not every promise kept" in page
