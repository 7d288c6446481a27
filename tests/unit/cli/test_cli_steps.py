from typing import Any

import pytest

from steersman.api.steps import Step
from steersman.cli.reading import read_model
from steersman.cli.view.step_words import step_label
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


def test_every_kind_of_step_has_its_words() -> None:
    assert [line.label for line in lines(samples.at_step(0))] == [
        "start the candidate",
        "header route testers: x-group = beta or cookie plan = gold",
        "mirror 50 % of the requests",
        "scale to 2 pods",
        "set weight 10 %",
        "experiment at 20 % each for 10m (latency)",
        "analyse (request-errors, latency)",
        "end header route testers",
        "end the mirror",
        "scale by weight again",
        "set weight 50 %",
        "promote: weight 100 %",
    ]


@pytest.mark.parametrize(
    ("step", "label"),
    [
        ({"setMirrorRoute": {}}, "mirror every request"),
        ({"setCanaryScale": {"replicas": 1}}, "scale to 1 pod"),
        ({"setCanaryScale": {"weight": 75}}, "scale as for 75 %"),
        ({"experiment": {"weight": 5, "duration": "90s"}}, "experiment at 5 % each for 90s"),
        (
            {"setHeaderRoute": {"match": [{"headers": [{"name": "a", "prefix": "b"}, {"name": "c", "regex": "d.*"}]}]}},
            "header route candidate: a = b… and c ~ d.*",
        ),
    ],
)
def test_variants_of_steps(step: dict[str, Any], label: str) -> None:
    assert step_label(Step.model_validate(step)) == label


PODS = "waits for pods (2/2 available), 8m45s to the deadline"


@pytest.mark.parametrize(
    ("step", "rollout", "detail"),
    [
        (0, {"headerRoutes": []}, PODS),
        (0, {}, "waits for the route to carry the header route, 8m45s to the deadline"),
        (1, {"mirror": 0}, PODS),
        (1, {}, "waits for the route to carry the mirror, 8m45s to the deadline"),
        (2, {}, PODS),
        (4, {}, PODS),
        (5, {}, "waits for the analysis"),
        (5, {"stepAnalysis": {"stage": "step", "startedAt": ago(75)}}, "waits for the analysis"),
        (
            5,
            {"stepAnalysis": {"stage": "step", "startedAt": ago(75), "inconclusiveSince": ago(20)}},
            "inconclusive for 20s, 9m40s until it waits for a person",
        ),
        (6, {}, PODS),
        (6, {"headerRoutes": []}, "waits for the route to carry the header route no more, 8m45s to the deadline"),
        (7, {"mirror": 0}, "waits for the route to carry the mirror, 8m45s to the deadline"),
    ],
)
def test_what_each_kind_of_step_waits_for(step: int, rollout: dict[str, Any], detail: str) -> None:
    assert current(samples.at_step(step, **rollout)).detail == detail


@pytest.mark.parametrize(
    ("experiment", "weights", "detail"),
    [
        (
            {"runningSince": None, "baseline": {**samples.BASELINE, "availableReplicas": 1}},
            {},
            "waits for pods of the baseline (1/2 available), 8m45s to the deadline",
        ),
        ({"runningSince": None}, {}, "waits for the analysis"),
        (
            {"runningSince": None},
            {samples.BASELINE["name"]: 20},
            "waits for the route to carry 20 % each, 8m45s to the deadline",
        ),
        ({"runningSince": ago(590)}, {}, "10s left"),
        ({"runningSince": ago(700)}, {}, "waits for the analysis"),
        ({"over": True}, {}, "waits for the route to carry 10 % again, 8m45s to the deadline"),
    ],
)
def test_an_experiment_from_its_pods_to_its_end(
    experiment: dict[str, Any], weights: dict[str, int], detail: str
) -> None:
    manifest = samples.experiment(**{"runningSince": ago(120), **experiment})
    split = {"fraud-v7-1a2b3c4d": 90, "fraud-v8-5e6f7a8b": 10} | weights
    manifest["status"]["weights"] = [{"revision": name, "weight": weight} for name, weight in split.items()]
    assert current(manifest).label == "experiment at 20 % each for 10m (latency)"
    assert current(manifest).detail == detail


def test_an_experiment_without_evidence_says_how_long_it_may_last() -> None:
    manifest = samples.experiment()
    manifest["status"]["rollout"]["stepAnalysis"]["inconclusiveSince"] = ago(30)
    assert current(manifest).detail == "inconclusive for 30s, 9m30s until it waits for a person"


def test_promote_full_sums_up_the_steps_that_are_left_out() -> None:
    manifest = samples.at_step(4, phase="Promoting", fast=True, gateOpen=True)
    assert [(line.state.value, line.label) for line in lines(manifest)][4:] == [
        ("✓", "set weight 10 %"),
        ("-", "6 steps left out"),
        ("▶", "promote: weight 100 %"),
    ]


def test_a_rollback_has_no_steps() -> None:
    assert [(line.state.value, line.label) for line in lines(samples.rolling_back())] == [
        ("▶", "start the candidate"),
        ("-", "4 steps left out"),
        ("○", "promote: weight 100 %"),
    ]
    assert [line.label for line in lines(samples.blue_green(fast=True))] == [
        "start the candidate",
        "switch all traffic",
    ]


def test_a_last_step_to_100_is_the_promotion() -> None:
    manifest = samples.in_rollout(step=1)
    manifest["spec"]["strategy"]["canary"]["steps"] = [{"setWeight": 10}, {"setWeight": 100}]
    shown = lines(manifest)
    assert [line.label for line in shown] == ["start the candidate", "set weight 10 %", "promote: weight 100 %"]
    assert shown[-1].detail == "waits for the analysis"


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, ["✓ start the candidate", "▶ set weight 2 %", "○ pause 60s", "○ set weight 4 %", "○ pause 60s"]),
        (1, ["✓ start the candidate", "✓ set weight 2 %", "▶ pause 60s", "○ set weight 4 %"]),
        (3, ["✓ start the candidate", "✓ set weight 2 %", "✓ pause 60s", "✓ set weight 4 %", "▶ pause 60s"]),
        (21, ["✓ 19 steps", "✓ set weight 20 %", "✓ pause 60s", "✓ set weight 22 %", "▶ pause 60s"]),
        (49, ["✓ 47 steps", "✓ set weight 48 %", "✓ pause 60s", "✓ set weight 50 %", "▶ pause 60s"]),
    ],
)
def test_a_long_plan_is_summed_up_around_the_current_step(step: int, expected: list[str]) -> None:
    manifest = samples.in_rollout(step=step)
    manifest["spec"]["strategy"] = {"canary": {"stepWeight": 2, "interval": "60s"}}
    shown = [f"{line.state.value} {line.label}" for line in lines(manifest)]
    assert shown[: len(expected)] == expected
    assert len(shown) <= 12
    assert shown[-1] == "○ promote: weight 100 %"
    counted = sum(int(label.split()[1]) if label.split()[1].isdigit() else 1 for label in shown)
    assert counted == 52


def test_stable_that_was_scaled_down_gets_its_traffic_back_by_and_by() -> None:
    shown = lines(samples.giving_back())
    assert [line.label for line in shown] == ["return all traffic to stable", "as the pods of stable come"]
    assert shown[1].detail == "50 % left, pods (6/8 available); all at once in 9m40s"
