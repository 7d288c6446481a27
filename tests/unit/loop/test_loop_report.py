"""The report of the loop, from observations that are made up here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loop.figure import draw
from loop.report import accuracy_over_time, as_data, build_report, promises
from loop.scenario import Observations, healthy
from loop.users import Request, read_requests

BEGIN = 1000.0


def status(version: str, drift: str, distance: float, weights: dict[str, int], **more: Any) -> dict[str, Any]:
    return {
        "stable": {"version": version},
        "conditions": [
            {"type": "DataDrift", "status": drift, "reason": "DriftDetected" if drift == "True" else "NoDrift"}
        ],
        "drift": {"data": {"columns": [{"name": "area", "distance": distance}]}},
        "weights": [{"revision": f"tumours-v{each}-ab", "weight": weight} for each, weight in weights.items()],
        **more,
    }


def seen(promoted: bool = True) -> Observations:
    gates = {
        "gates": {"version": "2", "results": [{"name": "accuracy", "phase": "Pass", "expected": "", "found": "1"}]}
    }
    states = [
        {"at": BEGIN + 1, "status": status("1", "False", 0.01, {"1": 100})},
        {"at": BEGIN + 60, "status": status("1", "True", 0.9, {"1": 100})},
        {"at": BEGIN + 80, "status": status("1", "True", 0.9, {"1": 80, "2": 20}, **gates)},
    ]
    if promoted:
        states.append({"at": BEGIN + 100, "status": status("2", "False", 0.02, {"2": 100}, **gates)})
    events = [
        {"at": BEGIN + 60, "reason": "DriftDetected", "message": "data drift of x", "warning": True},
        {"at": BEGIN + 61, "reason": "RolloutStarted", "message": "canary", "warning": False},
        {"at": BEGIN + 61, "reason": "GatesPassed", "message": "all", "warning": False},
    ]
    acts = [{"at": BEGIN + 40, "text": "the clinic has a new instrument"}]
    return Observations(states, events, acts)


def sent(lost: int = 0, after: bool = True) -> list[Request]:
    """Ten a second: right before, one in five wrong with the new instrument, right again by version 2."""
    found = []
    for number in range(1400):
        second = number / 10
        version = "2" if second > 100 else "1"
        correct = version == "2" or second < 40 or number % 5 != 0
        found.append(Request(BEGIN + second, 0.01, 200, version, correct and (after or version == "1"), second >= 40))
    return [Request(r.at, r.latency, 0, "", False, r.shifted) if i < lost else r for i, r in enumerate(found)]


def test_a_loop_that_kept_every_promise() -> None:
    report = build_report(sent(), seen(), 10.0)
    assert [each.found for each in promises(report) if not each.kept] == []
    assert report["accuracy"] == {"before": 1.0, "drifted": pytest.approx(0.8, abs=0.01), "after": 1.0}
    assert (report["shiftAt"], report["detectedAt"], report["promotedAt"]) == (40.0, 60.0, 100.0)
    assert report["samplesToDetection"] == 201
    assert [each["kind"] for each in report["decisions"]] == ["act", "DriftDetected", "GatesPassed", "RolloutStarted"]
    assert report["weights"][1] == {"at": 80.0, "weights": {"1": 80, "2": 20}}


@pytest.mark.parametrize(
    ("requests", "observed", "broken"),
    [
        (sent(lost=3), seen(), "No request is lost"),
        (sent(), seen(promoted=False), "A new version is trained"),
        (sent(after=False), seen(), "Its answers are as good"),
    ],
)
def test_what_was_not_kept_is_said(requests: list[Request], observed: Observations, broken: str) -> None:
    found = as_data(build_report(requests, observed, 10.0))
    assert not found["passed"]
    assert any(each["name"].startswith(broken) and not each["kept"] for each in found["promises"])


def test_drift_before_there_is_any_is_a_false_alarm() -> None:
    observed = seen()
    observed.events.insert(0, {"at": BEGIN + 5, "reason": "DriftDetected", "message": "data drift", "warning": True})
    (promise,) = [
        each for each in promises(build_report(sent(), observed, 10.0)) if "before there is some" in each.name
    ]
    assert not promise.kept


def test_accuracy_is_of_spans_with_enough_requests() -> None:
    found = accuracy_over_time(sent()[:410], BEGIN, 5.0)
    assert [moment for moment, _ in found["1"]] == [2.5 + 5 * number for number in range(8)]


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(build_report(sent(), seen(), 10.0), sent(), tmp_path / "a.png", tmp_path / "a.svg")
    assert (tmp_path / "a.png").stat().st_size > 10_000 and "<svg" in (tmp_path / "a.svg").read_text()


def test_requests_are_read_back(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('[1.0, 0.1, 200, "1", true, false]\n\n')
    assert read_requests(tmp_path / "r") == [Request(1.0, 0.1, 200, "1", True, False)]


def test_healthy_means_that_nothing_is_under_way() -> None:
    assert healthy({"phase": "Healthy", "stable": {"version": "2"}}, "2")
    assert not healthy({"phase": "Healthy", "stable": {"version": "2"}, "rollout": {"step": 1}}, "2")
    assert not healthy({"phase": "Progressing"}, "2")
