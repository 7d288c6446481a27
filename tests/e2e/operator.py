"""The operator's pods, as an unkind world treats them."""

from __future__ import annotations

import json
import time

from cluster.cluster import Cluster
from cluster.configuration import CONTAINERD_SOCKET

NAMESPACE = "steersman-system"


def leader(cluster: Cluster, timeout: float = 40) -> str:
    """Name of the living pod that holds the Lease; waits while the Lease still names a dead one."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        lease = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "lease", "steersman", "-o", "json"))
        name = str(lease["spec"].get("holderIdentity") or "").rsplit("_", 1)[0]
        pods = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pods", "-o", "json"))["items"]
        alive = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        if name in alive:
            return name
        time.sleep(0.5)
    raise AssertionError("no living pod holds the Lease")


def kill_leader(cluster: Cluster, timeout: float = 40) -> str:
    """SIGKILL to the leader's process, without warning; its pod is replaced, so that no restart back-off adds up."""
    name = leader(cluster, timeout)
    pod = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pod", name, "-o", "json"))
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    command = [
        "ctr",
        "--address",
        CONTAINERD_SOCKET,
        "--namespace",
        "k8s.io",
        "tasks",
        "kill",
        "--signal",
        "SIGKILL",
        container,
    ]
    done = cluster.run_inside(command, namespaces=("mount", "net", "pid"))
    assert done.returncode == 0, done.stderr
    cluster.kubectl("-n", NAMESPACE, "delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
    return name
