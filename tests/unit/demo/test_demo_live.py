"""The view while the demo runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from demo import manifests
from demo.live import Story, rates
from demo.observe import EventObservation, Observations, RouteObservation
from demo.records import Cause, Record, Tail
from steersman.api.modeldeployment import ModelDeployment

RECORDS = [Record(100.0 + at, 0.02, 200, "2", Cause.NONE, True) for at in range(4)] + [
    Record(103.0, 0.04, 500, "3", Cause.MODEL, False)
]


def test_rates_are_by_version() -> None:
    good, bad = rates(RECORDS, seconds=4)
    assert (good.version, good.per_second, good.failed_percent) == ("2", 1.0, 0.0)
    assert (bad.version, bad.per_second, bad.failed_percent) == ("3", 0.25, 100.0)
    assert bad.median_milliseconds == pytest.approx(40)


def test_the_view_shows_traffic_failures_status_and_log(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_text("".join(record.to_line() for record in RECORDS))
    output = io.StringIO()
    console = Console(file=output, width=110)
    seen = Observations(latest=manifests.model_deployment(manifests.CANARY))
    seen.routes.append(RouteObservation(99.0, 1, {"2": 90, "3": 10}, True))
    seen.events.append(EventObservation(99.0, "Normal", "WeightSet", "10 %"))
    story = Story(console)
    story.observe(seen)
    story.follow(Tail(path))
    story.update(104.0)
    assert "traffic: v2 90 %, v3 10 %" in output.getvalue()
    console.print(story.render(104.0))
    text = output.getvalue()
    for expected in ("90 %", "100.0 % failed", "5 requests, 1 failed", "WeightSet", "digits"):
        assert expected in text


@pytest.mark.parametrize("strategy", [manifests.CANARY, manifests.BLUE_GREEN])
def test_what_the_demo_applies_is_valid(strategy: dict[str, object]) -> None:
    deployment = ModelDeployment.model_validate(manifests.model_deployment(strategy))
    assert deployment.spec.model.alias == "champion"
    steps = deployment.spec.strategy.canary.steps if deployment.spec.strategy.canary else []
    assert {step.set_weight for step in steps if step.set_weight} <= manifests.PLANNED_WEIGHTS
