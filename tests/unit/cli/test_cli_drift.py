from __future__ import annotations

import json
from typing import Any

from unit.cli import samples
from unit.cli.conftest import Run
from unit.cli.in_memory import InMemoryClient


def column(name: str, drifted: bool = True, **changes: Any) -> dict[str, Any]:
    judged = {"method": "PSI", "threshold": 0.2, "measure": "PSI", "distance": 0.43, "pValue": 1e-12}
    return {"name": name, "role": "feature", "kind": "numeric", "drifted": drifted, **judged, **changes}


COLUMNS = [
    column("amount"),
    column("score\x1b[2J", role="prediction", method="KolmogorovSmirnov", threshold=0.001, pValue=0.0002),
    column("age", drifted=False, distance=0.01, pValue=0.7),
]


def drifting(**status: Any) -> dict[str, Any]:
    message = "2 of 53 columns drifted in 3000 rows: amount (PSI 0.43), score (Kolmogorov-Smirnov p 0.0002)"
    drift = {
        "revision": "fraud-v7-1a2b3c4d",
        "startedAt": samples.ago(9000),
        "lastLookAt": samples.ago(30),
        "data": {"samples": 3000, "judged": 53, "drifted": 2, "columns": COLUMNS, "detectedAt": samples.ago(100)},
        "concept": {
            "feedback": 120,
            "detectors": [{"name": "adwin", "fired": 0}, {"name": "page_hinkley", "fired": 1}],
        },
    }
    conditions = [
        *samples.healthy()["status"]["conditions"],
        samples.condition("DataDrift", "True", "DriftDetected", message),
        samples.condition("ConceptDrift", "Unknown", "NotEnoughData", "no feedback"),
    ]
    return samples.healthy(spec={"drift": {}}, status={"drift": drift, "conditions": conditions, **status})


def test_drift_shows_the_columns_and_what_is_told(run: Run) -> None:
    result = run(InMemoryClient(drifting()), "drift", "fraud")
    assert result.code == 0
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert lines[0] == "fraud-v7-1a2b3c4d looked at 30s ago"
    assert "✗ Data drift: DriftDetected for 100s" in lines and "? Concept drift: NotEnoughData for 100s" in lines
    assert "COLUMN ROLE DRIFTED METHOD SCORE THRESHOLD" in lines
    assert "amount feature yes PSI 0.43 > 0.2" in lines
    assert "score prediction yes KolmogorovSmirnov 0.0002 < 0.001" in lines
    assert "age feature no PSI 0.01 > 0.2" in lines
    assert "and 50 more columns, which drifted less" in lines
    assert "Detectors that fired: adwin 0, page_hinkley 1 (120 predictions with feedback)" in lines
    wide = run(InMemoryClient(drifting()), "drift", "fraud", "-o", "wide").out
    assert "P-VALUE" in wide and "1e-12" in wide


def test_drift_as_json_is_what_status_holds(run: Run) -> None:
    found = json.loads(run(InMemoryClient(drifting()), "drift", "fraud", "-o", "json").out)
    assert found["drift"]["data"]["columns"] == COLUMNS
    assert [condition["type"] for condition in found["conditions"]] == ["DataDrift", "ConceptDrift"]


def test_one_that_does_not_look_for_drift_says_how_to(run: Run) -> None:
    result = run(InMemoryClient(samples.healthy()), "drift", "fraud")
    assert (result.code, result.out) == (0, "") and "set spec.drift" in result.err


def test_drift_needs_attention_in_status_and_no_drift_does_not(run: Run) -> None:
    out = run(InMemoryClient(drifting()), "status", "fraud").out
    assert "! DataDrift: DriftDetected" in out and "steersman drift fraud -n risk" in out
    assert "ConceptDrift" not in out
    calm = samples.healthy(spec={"drift": {}})
    calm["status"]["conditions"] += [
        samples.condition("DataDrift", "False", "NoDrift", "0 of 3 columns drifted"),
        samples.condition("ConceptDrift", "Unknown", "NotEnoughData", "no feedback"),
    ]
    assert "Needs attention" not in run(InMemoryClient(calm), "status", "fraud").out


def test_drift_does_not_hide_why_it_is_not_ready(run: Run) -> None:
    manifest = drifting()
    manifest["status"]["conditions"][0] = samples.condition(
        "Ready", "False", "MinimumReplicasUnavailable", "1 of 3 pods"
    )
    out = run(InMemoryClient(manifest), "status", "fraud").out
    assert "Ready is False: MinimumReplicasUnavailable" in out and "DriftDetected" in out
    assert run(InMemoryClient(drifting()), "status", "fraud", "--exit-code").code == 0


def test_a_reference_that_is_not_there_is_told_with_what_to_do(run: Run) -> None:
    manifest = drifting()
    manifest["status"]["conditions"][-2] = samples.condition("DataDrift", "Unknown", "NoReference", "no profile")
    for command in ("drift", "status"):
        assert "log_reference" in run(InMemoryClient(manifest), command, "fraud").out
