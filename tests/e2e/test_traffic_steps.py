"""A canary with every kind of step that routes requests, as its users see it."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import requests

from e2e.traffic import Traffic
from e2e.workspace import Workspace

STEPS: list[dict[str, Any]] = [
    {"setHeaderRoute": {"name": "testers", "match": [{"headers": [{"name": "X-Cohort", "prefix": "beta-"}]}]}},
    {"pause": {}},
    {"setMirrorRoute": {"percentage": 100}},
    {"pause": {}},
    {"setMirrorRoute": {"percentage": 0}},
    {"experiment": {"weight": 20, "duration": "10s"}},
    {"setWeight": 40},
    {"pause": {}},
]


def ask(workspace: Workspace, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{workspace.cluster.gateway_url}/invocations"
    return requests.post(url, json={}, headers={"Host": workspace.host, **named}, timeout=30)


def versions(workspace: Workspace, count: int, **headers: str) -> Counter[str]:
    return Counter(ask(workspace, **headers).headers.get("x-steersman-model-version", "") for _ in range(count))


def served(workspace: Workspace, revision: str) -> int:
    """Requests that a revision's pods have answered, by their own count."""
    total = 0
    for pod in workspace.get("pods", "-l", f"steersman.dev/revision={revision}")["items"]:
        path = f"/api/v1/namespaces/{workspace.namespace}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
        text = workspace.kubectl("get", "--raw", path)
        total += sum(int(float(n)) for n in re.findall(r"^steersman_requests_total{[^}]*} (\S+)", text, re.M))
    return total


def at_step(workspace: Workspace, step: int) -> dict[str, Any]:
    """Wait until the rollout pauses at a step; the status."""

    def paused() -> dict[str, Any] | None:
        status = workspace.status()
        waiting = workspace.condition("Progressing") == ("Unknown", "AwaitingPromotion")
        return status if waiting and status.get("rollout", {}).get("step") == step else None

    found: dict[str, Any] = workspace.until(f"the pause at step {step}", paused)
    return found


def test_header_route_mirror_experiment_and_affinity(workspace: Workspace) -> None:
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    affinity = {"cookieName": "sticky", "maxAgeSeconds": 600}
    strategy = {"canary": {"sessionAffinity": affinity, "steps": STEPS, "scaleDownDelay": "3s"}}
    workspace.apply(workspace.deployment(model, strategy=strategy, analysis={}))
    v1 = workspace.until_stable("1")["stable"]["name"]
    with Traffic(workspace.cluster.gateway_url, workspace.host, rate=20) as traffic:
        workspace.version(model)
        v2 = at_step(workspace, 1)["candidate"]["name"]
        assert workspace.route() == {v1: 100, v2: 0}
        workspace.until("testers reach the candidate", lambda: versions(workspace, 1, X_Cohort="beta-7") == {"2": 1})
        assert versions(workspace, 10, X_Cohort="beta-7") == {"2": 10}
        assert versions(workspace, 10, X_Cohort="alpha") == versions(workspace, 10) == {"1": 10}

        workspace.act("promote")
        at_step(workspace, 3)
        before = served(workspace, v2)
        workspace.until("copies arrive", lambda: served(workspace, v2) >= before + 40)
        assert set(traffic.versions()) == {"1"}

        workspace.act("promote")
        split: dict[str, int] = workspace.until(
            "the experiment", lambda: (found := workspace.route()).get(v2) == 20 and found
        )
        (baseline,) = set(split) - {v1, v2}
        assert split == {v1: 60, v2: 20, baseline: 20}
        workspace.until("requests reach the baseline", lambda: served(workspace, baseline) > 0)

        at_step(workspace, 7)
        assert {name: weight for name, weight in workspace.route().items() if weight} == {v1: 60, v2: 40}
        begin = time.time() + 1
        workspace.until("both sides answer", lambda: set(traffic.versions(begin)) == {"1", "2"})
        cookies = {answer.headers.get("set-cookie") for answer in (ask(workspace) for _ in range(40))}
        assert cookies == {None, f"sticky={v2}; Path=/; Max-Age=600; HttpOnly"}
        assert versions(workspace, 30, Cookie=f"sticky={v2}") == {"2": 30}

        workspace.act("promote")
        workspace.until_stable("2")
    assert traffic.lost() == [], traffic.summary()
    assert len(workspace.get("httproute", "fraud")["spec"]["rules"]) == 1
