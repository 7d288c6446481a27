"""Rollouts through a route that is somebody else's, and through Contour's HTTPProxy."""

from __future__ import annotations

import json
import time
from collections import Counter
from math import sqrt
from typing import Any

from e2e.traffic import Traffic
from e2e.workspace import GATEWAY, Workspace, canary


def shop(workspace: Workspace) -> dict[str, Any]:
    """The owner's manifest: one rule for the ModelDeployment fraud, one that is none of its business."""
    elsewhere = {"type": "RequestRedirect", "requestRedirect": {"hostname": "www.example.com", "statusCode": 302}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop"},
        "spec": {
            "parentRefs": GATEWAY["gatewayAPI"]["parentRefs"],
            "hostnames": [workspace.host],
            "rules": [
                {"matches": [{"path": {"type": "Exact", "value": "/old"}}], "filters": [elsewhere]},
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/invocations"}}],
                    "backendRefs": [{"name": "fraud", "port": 80}],
                    "timeouts": {"request": "20s"},
                },
            ],
        },
    }


def split(workspace: Workspace) -> dict[str, int]:
    rule = workspace.get("httproute", "shop")["spec"]["rules"][1]
    return {ref["name"]: ref["weight"] for ref in rule["backendRefs"]}


def test_the_owner_applies_the_adopted_route_again_in_mid_rollout(workspace: Workspace) -> None:
    """Weights come back each time, the rest is never touched, and no request is lost."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    workspace.apply(shop(workspace))
    adopting = {"gatewayAPI": {"adopt": {"name": "shop"}}}
    workspace.apply(workspace.deployment(model, traffic=adopting, strategy=canary(30, 60, pause="8s"), analysis={}))
    v1 = workspace.until_stable("1")["stable"]["name"]
    assert split(workspace) == {v1: 100}
    with Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        workspace.version(model)
        for weight in (30, 60):
            workspace.until(
                f"the candidate at {weight} %",
                lambda weight=weight: workspace.status().get("candidateWeight") == weight,
            )
            v2 = workspace.status()["candidate"]["name"]
            wanted = {v1: 100 - weight, v2: weight}
            workspace.until("the split", lambda wanted=wanted: split(workspace) == wanted)
            workspace.apply(shop(workspace))
            workspace.until("the split again", lambda wanted=wanted: split(workspace) == wanted)
        workspace.until_stable("2")
        workspace.apply(shop(workspace))
        workspace.until("all of it at v2", lambda: set(split(workspace)) == {v2})
        since = time.time() + 1
        workspace.until("answers after that", lambda: traffic.versions(since).total() >= 40)
        assert set(traffic.versions(since)) == {"2"}
    assert traffic.lost() == [], traffic.summary()
    assert set(traffic.versions()) == {"1", "2"}
    now, written = workspace.get("httproute", "shop", "--show-managed-fields"), shop(workspace)["spec"]
    assert now["spec"]["rules"][0]["filters"] == written["rules"][0]["filters"]
    assert now["spec"]["rules"][1]["timeouts"] == written["rules"][1]["timeouts"]
    assert now["spec"]["hostnames"] == written["hostnames"]
    assert "ownerReferences" not in now["metadata"] and "labels" not in now["metadata"]
    (ours,) = [entry for entry in now["metadata"]["managedFields"] if entry["manager"] == "steersman"]
    assert list(ours["fieldsV1"]) == ["f:spec"] and list(ours["fieldsV1"]["f:spec"]) == ["f:rules"]


def test_a_missing_route_is_said_and_adopted_once_it_comes(workspace: Workspace) -> None:
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    adopting = {"gatewayAPI": {"adopt": {"name": "shop"}}}
    workspace.apply(workspace.deployment(model, traffic=adopting, analysis={}, replicas=1))

    def said() -> bool:
        return "HTTPRoute shop" in json.dumps(workspace.status().get("conditions", []))

    workspace.until("what is missing is said", said)
    workspace.apply(shop(workspace))
    status = workspace.until_stable("1")
    assert split(workspace) == {status["stable"]["name"]: 100}
    workspace.kubectl("delete", "modeldeployment", "fraud")
    assert workspace.find("httproute", "shop") is not None


def test_canary_by_an_http_proxy(workspace: Workspace) -> None:
    """The shares that users see are the weights, before and after promotion, and no request is lost."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    contour = {"contour": {"fqdn": workspace.host, "path": "/invocations"}}
    strategy = {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}], "scaleDownDelay": "3s"}}
    workspace.apply(workspace.deployment(model, traffic=contour, strategy=strategy, analysis={}))
    v1 = workspace.until_stable("1")["stable"]["name"]
    with Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        workspace.version(model)
        workspace.until_condition("Progressing", "Unknown", "AwaitingPromotion")
        v2 = workspace.status()["candidate"]["name"]
        routes = workspace.get("httpproxy", "fraud")["spec"]["routes"]
        assert {service["name"]: service["weight"] for service in routes[-1]["services"]} == {v1: 75, v2: 25}
        begin = time.time() + 1
        seen: Counter[str] = workspace.until(
            "400 requests at 25 %", lambda: (found := traffic.versions(begin)).total() >= 400 and found
        )
        tolerance = 5 * sqrt(seen.total() * 0.25 * 0.75)
        assert set(seen) == {"1", "2"} and abs(seen["2"] - seen.total() / 4) <= tolerance, seen
        workspace.act("promote")
        workspace.until_stable("2")
        since = time.time() + 1
        workspace.until("answers after that", lambda: traffic.versions(since).total() >= 40)
        assert set(traffic.versions(since)) == {"2"}
    assert traffic.lost() == [], traffic.summary()
