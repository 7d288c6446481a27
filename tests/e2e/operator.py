"""The operator's pods, as an unkind world treats them."""

from __future__ import annotations

import json

from cluster.cluster import Cluster

NAMESPACE = "steersman-system"


def leader(cluster: Cluster) -> str:
    """Name of the pod that holds the Lease; empty when none does."""
    lease = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "lease", "steersman", "-o", "json"))
    return str(lease["spec"].get("holderIdentity") or "").rsplit("_", 1)[0]


def kill_leader(cluster: Cluster) -> str:
    """SIGKILL to the leader's process, without warning; its pod is replaced, so that no restart back-off adds up."""
    name = leader(cluster)
    pod = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pod", name, "-o", "json"))
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    command = ["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", container]
    done = cluster.run_inside(command, namespaces=("mount", "net", "pid"))
    assert done.returncode == 0, done.stderr
    cluster.kubectl("-n", NAMESPACE, "delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
    return name
