"""A candidate whose pods do not come is reported, with the cluster's own reason, before any weight moves."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.workspace import Workspace, canary

DOOMED: dict[str, tuple[dict[str, Any], str, str]] = {
    "gpu": (
        {"runtime": {"name": "light", "resources": {"limits": {"nvidia.com/gpu": "1"}}}},
        "Unschedulable",
        "1 of 1 pods cannot be scheduled: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu",
    ),
    "image": (
        {"podTemplate": {"spec": {"containers": [{"name": "model", "image": "registry.invalid/model:1"}]}}},
        "PodsFailing",
        "1 of 1 pods fail: container model: image registry.invalid/model:1 cannot be pulled: failed to",
    ),
    "crash": (
        {
            "podTemplate": {
                "spec": {
                    "containers": [
                        {
                            "name": "model",
                            "command": ["python", "-c", "import sys; sys.exit('no weights for admin:hunter22')"],
                            "terminationMessagePolicy": "FallbackToLogsOnError",
                        }
                    ]
                }
            },
            "runtime": {"name": "light", "env": [{"name": "DB_PASSWORD", "value": "hunter22"}]},
        },
        "PodsFailing",
        "1 of 1 pods fail: container model: ended with exit code 1: no weights for admin:***",
    ),
    "other-node": (
        {"revisionAntiAffinity": "Required"},
        "Unschedulable",
        "1 of 1 pods cannot be scheduled: 0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules",
    ),
}
"""Changes of the spec, and the reason and words that Progressing then has."""


def stable(workspace: Workspace, **spec: Any) -> tuple[str, str]:
    """A ModelDeployment whose first version serves; the model's name and the stable revision's."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    apply(workspace, model, **spec)
    return model, workspace.until_stable("1")["stable"]["name"]


def apply(workspace: Workspace, model: str, **spec: Any) -> None:
    strategy = canary(50, pause="1s", scale_down_delay="1s")
    workspace.apply(workspace.deployment(model, replicas=1, analysis={}, strategy=strategy, **spec))


def until_reported(workspace: Workspace, reason: str, words: str) -> None:
    """Wait until Progressing has this reason, and see that nothing has moved by then."""
    workspace.until_condition("Progressing", "True", reason)
    status = workspace.status()
    progressing = next(c for c in status["conditions"] if c["type"] == "Progressing")
    assert words in progressing["message"], progressing
    assert status["rollout"]["phase"] == "Starting" and status["candidateWeight"] == 0
    assert sorted(workspace.route().values()) == [0, 100]
    assert workspace.condition("Available")[0] == "True"


@pytest.mark.parametrize("what", DOOMED)
def test_pods_that_cannot_run_are_reported_before_any_weight_moves(workspace: Workspace, what: str) -> None:
    changes, reason, words = DOOMED[what]
    model, first = stable(workspace)
    apply(workspace, model, **changes)
    until_reported(workspace, reason, words)
    assert workspace.route()[first] == 100
    apply(workspace, model)
    assert workspace.until_stable("1")["stable"]["name"] == first


def test_a_quota_is_reported_and_the_rollout_goes_on_when_there_is_room(workspace: Workspace) -> None:
    model, first = stable(workspace)
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}},
    }
    workspace.apply(quota)
    workspace.until("the quota counted", lambda: "used" in workspace.get("resourcequota", "small").get("status", {}))
    workspace.version(model)
    until_reported(
        workspace, "QuotaExceeded", "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1"
    )
    assert workspace.route()[first] == 100
    workspace.kubectl("delete", "resourcequota", "small")
    workspace.until_stable("2")


def test_images_are_pulled_before_pods_are_made(workspace: Workspace) -> None:
    settings = {"podDisruptionBudget": {"maxUnavailable": 1}, "warmUp": {"prePull": True}}
    model, _ = stable(workspace, **settings)
    workspace.version(model)
    revision = workspace.until_stable("2")["stable"]["name"]
    assert workspace.get("daemonsets")["items"] == []
    events = workspace.get("events", "--field-selector", "involvedObject.kind=Pod,reason=Started")["items"]
    pulled = [e["firstTimestamp"] for e in events if e["involvedObject"]["name"].startswith(f"{revision}-pull-")]
    assert len(pulled) == 1, "the cluster has one node, and the pod one image"
    assert pulled[0] <= workspace.get("deployment", revision)["metadata"]["creationTimestamp"]
    budget = workspace.until(
        "a budget that counts the pods",
        lambda: workspace.get("poddisruptionbudget", revision).get("status", {}).get("expectedPods"),
    )
    assert budget == 1
