"""The operator is killed with SIGKILL in every phase of a canary and of a blue-green: only time may change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from e2e.operator import kill_leader
from e2e.recorder import WeightRecorder
from e2e.traffic import Traffic
from e2e.workspace import Workspace

Reached = Callable[[dict[str, Any]], bool]


def in_phase(phase: str, weight: int | None = None) -> Reached:
    def check(status: dict[str, Any]) -> bool:
        rollout = status.get("rollout", {})
        return rollout.get("phase") == phase and weight in (None, status.get("candidateWeight"))

    return check


CANARY_MOMENTS: dict[str, Reached] = {
    "starting": in_phase("Starting"),
    "stepping at 20": in_phase("Stepping", 20),
    "stepping at 60": in_phase("Stepping", 60),
    "promoting": lambda status: status.get("rollout", {}).get("phase") == "Promoting",
    "retiring": lambda status: bool(status.get("retiring")),
}
BLUE_GREEN_MOMENTS: dict[str, Reached] = {
    "starting": in_phase("Starting"),
    "before promotion": in_phase("PrePromotion"),
    "promoting or after": lambda status: status.get("rollout", {}).get("phase") in ("Promoting", "PostPromotion"),
    "after promotion": in_phase("PostPromotion"),
}


def start(workspace: Workspace, behaviour: dict[str, Any], strategy: dict[str, Any], replicas: int = 2) -> str:
    workspace.light_runtime(behaviour)
    model = workspace.model()
    workspace.version(model)
    workspace.apply(workspace.deployment(model, strategy=strategy, analysis=ANALYSIS, replicas=replicas))
    workspace.until_stable("1")
    workspace.version(model)
    return model


ANALYSIS = {"templates": [{"name": "request-errors"}], "interval": "3s"}
STEPS = [
    {"setWeight": 20},
    {"pause": {"duration": "8s"}},
    {"setWeight": 60},
    {"pause": {"duration": "8s"}},
]


def test_canary_survives_a_kill_in_every_phase(workspace: Workspace) -> None:
    """All phases in one rollout; the recorded weights are those of the plan, and no request is lost."""
    with Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        # Slow pods, and one more of them for the last weight, make each phase long enough to be met.
        slow = {"2": {"startup": 3}}
        start(workspace, slow, {"canary": {"steps": STEPS, "scaleDownDelay": "15s"}}, replicas=4)
        with WeightRecorder(workspace) as recorder:
            for moment, reached in CANARY_MOMENTS.items():
                workspace.until(moment, lambda reached=reached: reached(workspace.status()), timeout=60)
                kill_leader(workspace.cluster)
            status = workspace.until_stable("2")
            workspace.until("the old pods gone", lambda: not workspace.status().get("retiring"), timeout=60)
        assert recorder.candidate_weights(status["stable"]["name"]) == [0, 20, 60, 100]
        assert all(sum(weights.values()) == 100 for weights in recorder.seen)
    assert _since_first_success(traffic) == [], traffic.summary()


def test_blue_green_survives_a_kill_in_every_phase(workspace: Workspace) -> None:
    """The same for blue-green with an analysis after the switch."""
    strategy = {
        "blueGreen": {
            "autoPromotionDelay": "5s",
            "postPromotionAnalysis": {"templates": [{"name": "request-errors"}]},
            "scaleDownDelay": "5s",
        }
    }
    with Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        start(workspace, {"2": {"startup": 3}}, strategy)
        with WeightRecorder(workspace) as recorder:
            for moment, reached in BLUE_GREEN_MOMENTS.items():
                workspace.until(moment, lambda reached=reached: reached(workspace.status()), timeout=60)
                kill_leader(workspace.cluster)
            status = workspace.until_stable("2")
        assert recorder.candidate_weights(status["stable"]["name"]) == [0, 100]
        assert all(sum(weights.values()) == 100 for weights in recorder.seen)
    assert _since_first_success(traffic) == [], traffic.summary()


@pytest.mark.parametrize("moment", ["bad version has traffic", "rolling back"])
def test_rollback_survives_a_kill(workspace: Workspace, moment: str) -> None:
    """A bad version is rolled back although the operator dies when it matters."""
    with Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        start(workspace, {"2": {"fail": 0.5}}, {"canary": {"steps": STEPS, "scaleDownDelay": "5s"}})
        with WeightRecorder(workspace) as recorder:
            if moment == "rolling back":
                workspace.until(
                    moment,
                    lambda: workspace.status().get("phase") == "RollingBack" or workspace.status().get("quarantine"),
                )
            else:
                workspace.until(moment, lambda: workspace.status().get("candidateWeight") == 20)
            kill_leader(workspace.cluster)
            workspace.until("quarantined", lambda: workspace.status().get("quarantine", {}).get("version") == "2")
        revision = workspace.status()["quarantine"]["revision"]
        assert recorder.candidate_weights(revision) in ([0, 20, 0], [0, 20])
        stable = workspace.status()["stable"]["name"]
        workspace.until("stable has all traffic", lambda: workspace.route() == {stable: 100})
    assert _since_first_success(traffic) == [], traffic.summary()


def _since_first_success(traffic: Traffic) -> list[Any]:
    """Lost requests since the first version served (traffic starts before there is anything to answer)."""
    first = min(answer.at for answer in traffic.answers if answer.status == 200)
    return [answer for answer in traffic.lost() if answer.at > first + 1]
