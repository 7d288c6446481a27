"""Blue-green under load."""

from __future__ import annotations

import time

from e2e.recorder import WeightRecorder
from e2e.traffic import Traffic
from e2e.workspace import Workspace


def test_switch_and_switch_back(workspace: Workspace) -> None:
    """One switch for a good version; a bad one is switched back from while the old pods are warm; nothing is lost."""
    workspace.light_runtime({"3": {"fail": 0.5}})
    model = workspace.model()
    workspace.version(model)
    strategy = {
        "blueGreen": {"postPromotionAnalysis": {"templates": [{"name": "request-errors"}]}, "scaleDownDelay": "5s"}
    }
    workspace.apply(workspace.deployment(model, strategy=strategy, analysis={"interval": "3s"}))
    workspace.until_stable("1")
    with WeightRecorder(workspace) as recorder, Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        # The baseline that the judge compares with after the switch.
        time.sleep(15)
        workspace.version(model)
        v2 = workspace.until_stable("2")["stable"]["name"]
        assert recorder.candidate_weights(v2) == [0, 100]
        workspace.version(model)
        workspace.until("v3 quarantined", lambda: workspace.status().get("quarantine", {}).get("version") == "3")
        assert workspace.status()["stable"]["name"] == v2
        assert recorder.candidate_weights(v2)[-1] == 100
    assert traffic.lost() == [], traffic.summary()
    assert set(traffic.versions()) == {"1", "2", "3"}


def test_preview_waits_for_promotion(workspace: Workspace) -> None:
    """Without autoPromotion the preview Service reaches the new version, production does not, until somebody says promote."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    strategy = {"blueGreen": {"autoPromotion": False, "scaleDownDelay": "1s"}}
    workspace.apply(workspace.deployment(model, strategy=strategy, traffic={"service": {}}, analysis={}, replicas=1))
    v1 = workspace.until_stable("1")["stable"]["name"]
    workspace.version(model)
    workspace.until_condition("Progressing", "Unknown", "AwaitingPromotion")
    candidate = workspace.status()["candidate"]["name"]
    assert workspace.get("service", "fraud-preview")["spec"]["selector"]["steersman.dev/revision"] == candidate
    assert workspace.get("service", "fraud")["spec"]["selector"]["steersman.dev/revision"] == v1
    workspace.act("promote")
    workspace.until_stable("2")
    assert workspace.get("service", "fraud")["spec"]["selector"]["steersman.dev/revision"] == candidate
