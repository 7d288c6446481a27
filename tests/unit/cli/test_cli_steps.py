from typing import Any

import pytest

from steersman.cli.reading import read_model
from steersman.cli.view.steps import StepLine, StepState, step_lines
from unit.cli import samples
from unit.cli.samples import NOW, ago


def lines(manifest: samples.Manifest) -> list[StepLine]:
    return step_lines(read_model(manifest)[0], NOW)


def current(manifest: samples.Manifest) -> StepLine:
    return next(line for line in lines(manifest) if line.state in (StepState.CURRENT, StepState.FAILED))


def test_no_rollout_no_steps() -> None:
    assert lines(samples.healthy()) == []


def test_a_canary_shows_every_step_once_with_one_current() -> None:
    assert [(line.state.value, line.label, line.detail) for line in lines(samples.canary())] == [
        ("✓", "start the candidate", ""),
        ("✓", "set weight 10 %", ""),
        ("▶", "pause 5m", "3m45s left"),
        ("○", "set weight 50 %", ""),
        ("○", "pause until promoted", ""),
        ("○", "promote: weight 100 %", ""),
    ]


@pytest.mark.parametrize(
    ("rollout", "label", "detail"),
    [
        (
            {"phase": "Starting", "step": 0},
            "start the candidate",
            "waits for pods (1/1 available), 8m45s to the deadline",
        ),
        ({"step": 0, "weightReachedAt": None}, "set weight 10 %", "waits for the route to carry 10 %, 8m45s"),
        ({"step": 2}, "set weight 50 %", "waits for the analysis"),
        ({"step": 2, "gateOpen": True}, "set weight 50 %", "waits for pods (1/1 available), 8m45s to the deadline"),
        ({"step": 2, "held": True}, "set weight 50 %", "held, the evidence is inconclusive: promote or abort"),
        ({"step": 3}, "pause until promoted", "waits for promote"),
        ({"step": 3, "promoteRequested": True}, "pause until promoted", "promotion was asked for"),
        ({"step": 4}, "promote: weight 100 %", "waits for the analysis"),
        ({"phase": "Promoting", "step": 4, "gateOpen": True}, "promote: weight 100 %", "waits for pods"),
        ({"step": 1, "stepStartedAt": ago(900)}, "pause 5m", "0s left"),
        (
            {"phase": "Starting", "step": 0, "stepStartedAt": ago(601)},
            "start the candidate",
            "waits for pods (1/1 available), past its deadline",
        ),
    ],
)
def test_the_current_step_says_what_it_waits_for(rollout: dict[str, Any], label: str, detail: str) -> None:
    line = current(samples.in_rollout(**rollout))
    assert line.label == label
    assert line.detail.startswith(detail)


def test_missing_evidence_counts_down_from_when_the_rollout_began_to_wait() -> None:
    manifest = samples.in_rollout(step=2, stepStartedAt=ago(75), analysis={"inconclusiveSince": ago(90)})
    assert current(manifest).detail == "inconclusive for 90s, 8m45s until it waits for a person"
    manifest["spec"]["analysis"]["inconclusive"] = {"after": "2m", "action": "Abort"}
    assert current(manifest).detail == "inconclusive for 90s, 45s until it is aborted"


def test_a_pause_by_hand_and_one_by_the_spec_are_told_apart() -> None:
    assert current(samples.canary(status={"paused": True})).detail == "paused by hand until resumed; 3m45s left"
    assert current(samples.canary(spec={"paused": True})).detail == "paused by spec.paused; 3m45s left"


def test_an_abort_shows_its_reason() -> None:
    line = current(samples.in_rollout(phase="Aborting", reason="AnalysisFailed", message="too many errors"))
    assert line == StepLine(StepState.FAILED, "return all traffic to stable", "AnalysisFailed: too many errors")


@pytest.mark.parametrize(
    ("rollout", "label", "detail"),
    [
        ({"phase": "Starting", "gateOpen": False}, "start the preview", "waits for pods (3/3 available)"),
        ({"gateOpen": False}, "analyse the preview (smoke)", "waits for the analysis"),
        ({}, "pause until promoted", "waits for promote"),
        ({"phase": "Promoting", "gateOpen": False}, "switch all traffic", "waits for"),
        (
            {"phase": "PostPromotion", "gateOpen": False},
            "analyse after the switch (request-errors)",
            "waits for the analysis",
        ),
    ],
)
def test_blue_green_steps(rollout: dict[str, Any], label: str, detail: str) -> None:
    line = current(samples.blue_green(**rollout))
    assert line.label == label
    assert line.detail.startswith(detail)


def test_blue_green_with_a_delay_counts_down() -> None:
    manifest = samples.blue_green(stepStartedAt=ago(10))
    manifest["spec"]["strategy"]["blueGreen"] |= {"autoPromotion": True, "autoPromotionDelay": "30s"}
    assert current(manifest).label == "pause 30s"
    assert current(manifest).detail == "20s left"


def test_blue_green_without_any_wait_goes_on_to_the_switch() -> None:
    manifest = samples.blue_green()
    manifest["spec"]["strategy"]["blueGreen"] = {}
    assert current(manifest).label == "switch all traffic"


def test_the_first_revision_has_no_canary_steps() -> None:
    manifest = samples.in_rollout(strategy="initial", phase="Starting")
    assert [line.label for line in lines(manifest)] == ["start the first revision", "send it all traffic"]
