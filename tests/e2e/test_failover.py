"""The operator hangs, or is restarted, in the middle of a rollout under load: the other replica goes on, and no user notices."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from cluster.cluster import Cluster
from cluster.configuration import CONTAINERD_SOCKET
from e2e.operator import NAMESPACE, leader
from e2e.recorder import WeightRecorder
from e2e.traffic import Traffic
from e2e.workspace import Workspace

STEPS = [
    {"setWeight": 20},
    {"pause": {"duration": "6s"}},
    {"setWeight": 60},
    {"pause": {"duration": "6s"}},
]


def _signal(cluster: Cluster, container: str, name: str) -> None:
    command = ["ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "tasks", "kill", "--signal", name]
    cluster.run_inside([*command, container], namespaces=("mount", "net", "pid"))


def _containers(cluster: Cluster, pod: str) -> list[str]:
    found = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pod", pod, "-o", "json"))
    return [
        str(status["containerID"]).removeprefix("containerd://")
        for status in found["status"]["containerStatuses"]
        if "running" in status["state"]
    ]


def _hang(workspace: Workspace) -> Callable[[], None]:
    """SIGSTOP to the leader; what is returned lets it go on, if the kubelet has not lost patience with it."""
    cluster, pod = workspace.cluster, leader(workspace.cluster)
    containers = _containers(cluster, pod)
    for container in containers:
        _signal(cluster, container, "SIGSTOP")

    def go_on() -> None:
        for container in containers:
            _signal(cluster, container, "SIGCONT")
        # It finds that it leads no longer, ends, and stands by again.
        cluster.wait("condition=Available", "deployment/steersman", namespace=NAMESPACE)
        workspace.until("it has started again", lambda: container not in _containers(cluster, pod), timeout=60)

    return go_on


def _restart(workspace: Workspace) -> Callable[[], None]:
    """Replace both replicas, one after the other, as an upgrade does."""
    cluster = workspace.cluster
    cluster.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/steersman")

    def finish() -> None:
        cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/steersman", "--timeout=90s")

    return finish


@pytest.mark.parametrize("disturb", [_hang, _restart])
def test_nobody_notices(workspace: Workspace, disturb: Callable[[Workspace], Callable[[], None]]) -> None:
    with Traffic(workspace.cluster.gateway_url, workspace.host) as traffic:
        workspace.light_runtime()
        model = workspace.model()
        workspace.version(model)
        strategy = {"canary": {"steps": STEPS, "scaleDownDelay": "5s"}}
        workspace.apply(workspace.deployment(model, strategy=strategy))
        workspace.until_stable("1")
        with WeightRecorder(workspace) as recorder:
            workspace.version(model)
            workspace.until("20 % in force", lambda: 20 in workspace.route().values(), timeout=60)
            settle = disturb(workspace)
            try:
                status = workspace.until_stable("2")
                workspace.until("the old pods gone", lambda: not workspace.status().get("retiring"), timeout=60)
            finally:
                settle()
            workspace.until("the route is simple", lambda: workspace.route() == {status["stable"]["name"]: 100})
        assert recorder.candidate_weights(status["stable"]["name"]) == [0, 20, 60, 100]
        assert all(sum(weights.values()) == 100 for weights in recorder.seen)
    first = min(answer.at for answer in traffic.answers if answer.status == 200)
    assert [answer for answer in traffic.lost() if answer.at > first + 1] == [], traffic.summary()
