"""Canaries under load: what users, the route and the status see."""

from __future__ import annotations

import time

from e2e.recorder import WeightRecorder
from e2e.traffic import Traffic
from e2e.workspace import Workspace, canary


def test_good_version_is_promoted_and_a_bad_one_rolled_back(workspace: Workspace) -> None:
    """The main job: weights of the plan only, no request lost, and a bad version leaves by itself."""
    workspace.light_runtime({"3": {"fail": 0.3}})
    model = workspace.model()
    workspace.version(model)
    workspace.apply(workspace.deployment(model))
    workspace.until_stable("1")
    with WeightRecorder(workspace) as recorder, Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        workspace.version(model)
        status = workspace.until_stable("2")
        v2 = status["stable"]["name"]
        assert recorder.candidate_weights(v2) == [0, 20, 50, 100]
        assert all(sum(weights.values()) == 100 for weights in recorder.seen)
        time.sleep(2)
        assert set(traffic.versions(since=time.time() - 1)) == {"2"}

        workspace.version(model)
        workspace.until("v3 quarantined", lambda: workspace.status().get("quarantine", {}).get("version") == "3")
        status = workspace.status()
        assert status["stable"]["version"] == "2" and status["phase"] == "Degraded"
        assert status["history"][0]["reason"] == "AnalysisFailed"
        assert workspace.condition("Ready") == ("False", "RolloutAborted")
        assert workspace.condition("Available")[0] == "True"
        assert {"AnalysisFailed", "RolloutAborted", "Quarantined", "RolledBack"} <= workspace.reasons()
        workspace.until("only v2 in the route", lambda: workspace.route() == {v2: 100})
        back = time.time() + 1
        time.sleep(3)
        assert set(traffic.versions(since=back)) == {"2"}

        workspace.version(model)
        workspace.until_stable("4")
    assert traffic.lost() == [], traffic.summary()
    assert len(traffic.answers) > 1000


def test_person_decides(workspace: Workspace) -> None:
    """An indefinite pause, promote, pause, resume, abort and retry, by annotation as `kubectl annotate` writes it."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    strategy = {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}], "scaleDownDelay": "1s"}}
    workspace.apply(workspace.deployment(model, strategy=strategy, analysis={}, replicas=1))
    workspace.until_stable("1")
    workspace.act("fly")
    workspace.until_event("ActionIgnored")
    workspace.version(model)
    workspace.until_condition("Progressing", "Unknown", "AwaitingPromotion")
    workspace.act("promote")
    workspace.until_stable("2")
    annotations = workspace.get("modeldeployment", "fraud")["metadata"].get("annotations", {})
    assert "steersman.dev/action" not in annotations

    workspace.version(model)
    workspace.until_condition("Progressing", "Unknown", "AwaitingPromotion")
    workspace.act("abort")
    workspace.until("v3 quarantined", lambda: workspace.status().get("quarantine", {}).get("reason") == "AbortedByUser")
    workspace.act("retry")
    workspace.until("v3 again", lambda: workspace.status().get("rollout", {}).get("version") == "3")
    workspace.act("pause")
    workspace.until("paused", lambda: workspace.status().get("paused"))
    workspace.act("resume")
    workspace.until("resumed", lambda: not workspace.status().get("paused"))
    workspace.until_condition("Progressing", "Unknown", "AwaitingPromotion")
    workspace.act("promote")
    workspace.until_stable("3")


def test_newer_version_in_mid_rollout_and_back_to_stable(workspace: Workspace) -> None:
    """The rollout starts again from stable with the newer version; asking for stable again takes no steps."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    workspace.apply(workspace.deployment(model, strategy=canary(30, pause="10m"), analysis={}, replicas=1))
    workspace.until_stable("1")
    workspace.version(model)
    workspace.until("v2 at 30 %", lambda: workspace.status().get("candidateWeight") == 30)
    with WeightRecorder(workspace) as recorder:
        v3 = workspace.version(model)
        workspace.until("v3 at 30 %", lambda: workspace.status().get("rollout", {}).get("version") == v3
                        and workspace.status().get("candidateWeight") == 30)  # fmt: skip
        assert any(100 in weights.values() for weights in recorder.seen), "traffic went back to stable in between"
    workspace.alias(model, "1")
    status = workspace.until_stable("1", timeout=30)
    assert [entry["outcome"] for entry in status["history"]][:2] == ["Cancelled", "Superseded"]
    assert "quarantine" not in status


def test_plain_service_canary(workspace: Workspace) -> None:
    """Without a gateway a share of pods is the share of traffic, and the Service never selects a bad version again."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    workspace.apply(
        workspace.deployment(model, traffic={"service": {}}, strategy=canary(25, pause="8s"), analysis={}, replicas=4)
    )
    workspace.until_stable("1")
    workspace.version(model)
    status = workspace.until("1 of 4 pods", lambda: _split(workspace) == (3, 1))
    assert status
    assert workspace.get("service", "fraud")["spec"]["selector"] == {"steersman.dev/deployment": "fraud"}
    stable = workspace.until_stable("2")["stable"]["name"]
    assert workspace.get("service", "fraud")["spec"]["selector"]["steersman.dev/revision"] == stable


def _split(workspace: Workspace) -> tuple[int, int] | None:
    status = workspace.status()
    if status.get("candidateWeight") != 25 or "candidate" not in status:
        return None
    return tuple(
        workspace.get("deployment", status[side]["name"]).get("status", {}).get("availableReplicas", 0)
        for side in ("stable", "candidate")
    )  # type: ignore[return-value]
