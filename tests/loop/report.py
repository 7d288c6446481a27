"""From what was seen to the figures of the report, and what was promised of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loop.scenario import Observations, condition
from loop.users import Request

TOLERANCE = 0.02
"""How far the accuracy after the loop may lie below the accuracy before the drift."""
REASONS = (
    "DriftDetected",
    "DriftEnded",
    "RetrainingStarted",
    "RetrainingSucceeded",
    "RetrainingFailed",
    "GatesPassed",
    "GateFailed",
    "RolloutStarted",
    "Promoted",
    "RolloutAborted",
)
"""Events that are decisions of the loop."""


@dataclass(frozen=True)
class Promise:
    """Something that the loop must keep."""

    name: str
    kept: bool
    found: str


def build_report(requests: Sequence[Request], seen: Observations, rate: float) -> dict[str, Any]:
    """Everything with times in seconds since the first request."""
    begin = min(request.at for request in requests)
    shift = next((act["at"] for act in seen.acts if "instrument" in act["text"] and "new" in act["text"]), None)
    detected = _true_since(seen, "DataDrift", shift or 0.0)
    concept = _true_since(seen, "ConceptDrift", shift or 0.0)
    promoted = promoted_at(seen, "2")
    before = [r for r in requests if not r.shifted and r.status == 200]
    suffering = [r for r in requests if r.shifted and r.version == "1"]
    after = [r for r in requests if promoted is not None and r.at > promoted and r.status == 200]
    return {
        "startedAt": begin,
        "seconds": max(request.at for request in requests) - begin,
        "rate": rate,
        "requests": {"sent": len(requests), "failed": sum(request.status != 200 for request in requests)},
        "accuracy": {
            "before": _accuracy(before),
            "drifted": _accuracy(suffering),
            "after": _accuracy(after),
        },
        "shiftAt": _since(shift, begin),
        "detectedAt": _since(detected, begin),
        "conceptDriftAt": _since(concept, begin),
        "trainedAt": _since(seen.first("RetrainingSucceeded"), begin),
        "promotedAt": _since(promoted, begin),
        "samplesToDetection": sum(r.shifted and detected is not None and r.at <= detected for r in requests),
        "falseAlarms": sum(
            e["reason"] == "DriftDetected" and shift is not None and begin <= e["at"] < shift for e in seen.events
        ),
        "drift": list(_drift(seen, begin)),
        "weights": list(_weights(seen, begin)),
        "decisions": _decisions(seen, begin),
        "gates": _gates(seen),
        "retraining": (seen.states[-1]["status"].get("retraining") or {}) if seen.states else {},
    }


def _true_since(seen: Observations, kind: str, after: float) -> float | None:
    """When a condition was first True at or after a moment."""
    found = (s["at"] for s in seen.states if s["at"] >= after and condition(s["status"], kind)[0] == "True")
    return min(found, default=None)


def promoted_at(seen: Observations, version: str) -> float | None:
    """When the version was first stable."""
    found = (s["at"] for s in seen.states if (s["status"].get("stable") or {}).get("version") == version)
    return min(found, default=None)


def promises(report: dict[str, Any]) -> list[Promise]:
    """What must hold of every run."""
    accuracy, gates = report["accuracy"], report["gates"]
    passed = [gate["name"] for gate in gates if gate["phase"] == "Pass"]
    took = None if report["promotedAt"] is None else report["promotedAt"] - report["shiftAt"]
    detection = None if report["detectedAt"] is None else report["detectedAt"] - report["shiftAt"]
    lost = report["requests"]["failed"]
    back = accuracy["after"] is not None and accuracy["after"] >= accuracy["before"] - TOLERANCE
    return [
        Promise("No request is lost", lost == 0, f"{lost} of {report['requests']['sent']} failed"),
        Promise("No drift is seen before there is some", report["falseAlarms"] == 0, f"{report['falseAlarms']} times"),
        Promise(
            "The drift is seen",
            detection is not None,
            _detection(report) if detection is not None else "never",
        ),
        Promise(
            "A new version is trained, passes its gates and is promoted, without a person",
            took is not None and bool(gates) and len(passed) == len(gates),
            f"{took:.0f} s after the new instrument; {len(passed)} of {len(gates)} gates pass"
            if took
            else "it was not",
        ),
        Promise(
            "Its answers are as good as before",
            back,
            f"accuracy {_percent(accuracy['before'])}, {_percent(accuracy['drifted'])} with the new instrument, "
            f"{_percent(accuracy['after'])} after the retraining",
        ),
    ]


def _detection(report: dict[str, Any]) -> str:
    took = report["detectedAt"] - report["shiftAt"]
    by_feedback = report["conceptDriftAt"]
    early = f"; by feedback on wrong answers after {by_feedback - report['shiftAt']:.0f} s" if by_feedback else ""
    return f"in the data after {took:.0f} s and {report['samplesToDetection']} requests{early}"


def as_data(report: dict[str, Any]) -> dict[str, Any]:
    """The report with its promises, for programs."""
    kept = promises(report)
    return {**report, "promises": [asdict(each) for each in kept], "passed": all(each.kept for each in kept)}


def accuracy_over_time(requests: Sequence[Request], begin: float, width: float) -> dict[str, list[tuple[float, float]]]:
    """Per version: the middle of each span of some seconds and the share of right answers in it; spans of few requests are left out."""
    spans: dict[tuple[str, int], list[Request]] = defaultdict(list)
    for request in requests:
        if request.status == 200:
            spans[request.version, int((request.at - begin) // width)].append(request)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (version, number), group in sorted(spans.items()):
        if len(group) >= 20:
            found[version].append(((number + 0.5) * width, _accuracy(group) or 0.0))
    return dict(found)


def _accuracy(requests: Iterable[Request]) -> float | None:
    found = [request.correct for request in requests]
    return sum(found) / len(found) if found else None


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _since(at: float | None, begin: float) -> float | None:
    return None if at is None else at - begin


def _drift(seen: Observations, begin: float) -> Iterable[dict[str, Any]]:
    """The share of columns that had drifted, and what the condition said, at each change."""
    for state in seen.states:
        columns = ((state["status"].get("drift") or {}).get("data") or {}).get("columns") or []
        yield {
            "at": state["at"] - begin,
            "condition": condition(state["status"], "DataDrift")[1],
            "distances": {each["name"]: each["distance"] for each in columns if each.get("distance") is not None},
        }


def _weights(seen: Observations, begin: float) -> Iterable[dict[str, Any]]:
    previous: dict[str, int] = {}
    for state in seen.states:
        weights: dict[str, int] = {}
        for entry in state["status"].get("weights", []):
            version = entry["revision"].rsplit("-v", 1)[1].split("-")[0]
            weights[version] = weights.get(version, 0) + entry["weight"]
        if weights and weights != previous:
            yield {"at": state["at"] - begin, "weights": weights}
            previous = weights


def _decisions(seen: Observations, begin: float) -> list[dict[str, Any]]:
    found = [{"at": act["at"] - begin, "by": "people", "kind": "act", "text": act["text"]} for act in seen.acts]
    found += [
        {"at": event["at"] - begin, "by": "Steersman", "kind": event["reason"], "text": event["message"]}
        for event in seen.events
        if event["reason"] in REASONS
    ]
    # What was seen in one look stands in the order in which it follows on one another.
    order = ("act", *REASONS)
    return sorted(found, key=lambda each: (each["at"], order.index(each["kind"])))


def _gates(seen: Observations) -> list[dict[str, Any]]:
    """Of version 2, as they stood last."""
    of_second = [s["status"]["gates"] for s in seen.states if (s["status"].get("gates") or {}).get("version") == "2"]
    return list(of_second[-1]["results"]) if of_second else []
