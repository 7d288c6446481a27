"""The reference says everything that the operator can say."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import generate_latest

from steersman.api.conditions import ConditionType, Reason
from steersman.api.status import Phase
from steersman.shell.telemetry import Telemetry

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"


@pytest.mark.parametrize("word", [*Reason, *ConditionType, *Phase])
def test_every_reason_condition_and_phase_is_documented(word: str) -> None:
    assert f"`{word}`" in (REFERENCE / "conditions.md").read_text()


def test_every_metric_of_the_operator_is_documented() -> None:
    page = (REFERENCE / "metrics.md").read_text()
    exported = {
        line.split()[2]
        for line in generate_latest(Telemetry().registry).decode().splitlines()
        if line.startswith("# TYPE steersman_") and not line.split()[2].endswith("_created")
    }
    assert len(exported) > 10
    for name in exported:
        assert f"`{name}" in page, name
