"""Every kind of step, and every way back, on a real cluster with requests through the gateway."""

from __future__ import annotations

from typing import Any

import requests

from e2e.traffic import Traffic
from e2e.workspace import Workspace

BETA = {"x-group": "beta"}
COUNTED = {"templates": [{"name": "request-errors"}]}


def served(workspace: Workspace, headers: dict[str, str] | None = None, times: int = 1) -> list[str]:
    """The versions that answered."""
    url, host = workspace.cluster.gateway_url, {"Host": workspace.host}
    return [
        requests.get(url, headers={**host, **(headers or {})}, timeout=10).headers["x-steersman-model-version"]
        for _ in range(times)
    ]


def rolling(workspace: Workspace, steps: list[dict[str, Any]], **changes: Any) -> str:
    """Version 1 stable, and version 2 on its way by these steps; the registered model."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    strategy = {"canary": {"steps": steps, "scaleDownDelay": "5s"}}
    workspace.apply(workspace.deployment(model, strategy=strategy, **changes))
    workspace.until_stable("1")
    workspace.version(model)
    return model


def test_a_rollout_with_every_kind_of_step(workspace: Workspace) -> None:
    steps: list[dict[str, Any]] = [
        {"setCanaryScale": {"replicas": 2}},
        {"setHeaderRoute": {"match": [{"headers": [{"name": "x-group", "exact": "beta"}]}]}},
        {"setMirrorRoute": {"percentage": 100}},
        {"pause": {}},
        {"setMirrorRoute": {"percentage": 0}},
        {"experiment": {"weight": 20, "duration": "6s", "analysis": COUNTED}},
        {"setCanaryScale": {"matchTrafficWeight": True}},
        {"setWeight": 50},
        {"analysis": COUNTED},
    ]
    rolling(workspace, steps)
    workspace.until_condition("Progressing", "Unknown", "AwaitingPromotion")
    rollout = workspace.status()["rollout"]
    assert rollout["mirror"] == 100
    workspace.until("testers to reach the candidate", lambda: served(workspace, BETA, 3) == ["2"] * 3, 20)
    assert set(served(workspace, times=10)) == {"1"}
    with Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        workspace.act("promote")
        experiment = workspace.until(
            "the experiment to run", lambda: workspace.status().get("rollout", {}).get("experiment"), 60
        )
        baseline = experiment["baseline"]["name"]
        workspace.until("the baseline's share", lambda: workspace.route().get(baseline) == 20, 60)
        assert sorted(workspace.route().values()) == [20, 20, 60]
        workspace.until_stable("2", timeout=180)
    assert traffic.lost() == [], traffic.summary()
    workspace.until("the baseline to be gone", lambda: workspace.find("deployment", baseline) is None, 60)
    assert set(served(workspace, times=5)) == {"2"}
    assert {"HeaderRouteSet", "MirrorSet", "ScaleSet", "ExperimentStarted", "ExperimentEnded", "Promoted"} <= (
        workspace.reasons()
    )


def test_back_by_hand_and_forward_again(workspace: Workspace) -> None:
    rolling(workspace, [{"setWeight": 50}, {"pause": {"duration": "2s"}}], analysis={}, replicas=1)
    workspace.until_stable("2")
    with Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        workspace.act("rollback")
        workspace.until("version 1 to serve", lambda: workspace.status()["stable"]["version"] == "1", 60)
        assert workspace.condition("Ready") == ("False", "RolledBack")
        assert workspace.status()["phase"] == "Degraded"
        workspace.act("retry")
        workspace.until_stable("2")
    assert traffic.lost() == [], traffic.summary()


def test_a_regression_after_promotion_brings_the_old_one_back(workspace: Workspace) -> None:
    rolling(
        workspace,
        [{"setWeight": 50}, {"pause": {"duration": "5s"}}],
        watch={"duration": "10m"},
        replicas=1,
    )
    with Traffic(workspace.cluster.gateway_url, workspace.host):
        workspace.until_stable("2")
        watch = workspace.status()["watch"]
        assert workspace.find("deployment", watch["previous"]) is not None
        worse = requests.post(
            f"{workspace.cluster.gateway_url}/get-worse?fail=0.5", headers={"Host": workspace.host}, timeout=10
        )
        assert worse.headers["x-steersman-model-version"] == "2"
        workspace.until("version 1 to serve again", lambda: workspace.status()["stable"]["version"] == "1", 120)
    status = workspace.status()
    assert status["quarantine"]["version"] == "2"
    assert status["rollback"]["reason"] == "RegressionAfterPromotion"
    assert "RegressionAfterPromotion" in workspace.reasons()
