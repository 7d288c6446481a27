"""Renders the configuration files of a node's components."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from cluster.layout import DNS_ADDRESS, NODE, NODE_ADDRESS, POD_RANGE, State

CNI_PLUGINS = "/usr/lib/cni"
CONTAINERD_SOCKET = "/run/steersman/containerd.sock"
"""Not the usual path: what is there must never be taken for the machine's own containerd."""


def kubelet(state: State, cgroup: str) -> dict[str, Any]:
    """KubeletConfiguration; `cgroup` is the group below which pods run."""
    certificates = state.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": ["pods"],
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "address": NODE_ADDRESS,
        "port": 10250,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "tlsCertFile": str(certificates / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(certificates / "kubelet-serving.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certificates / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(state.configuration / "resolv.conf"),
        "failSwapOn": False,
        "maxPods": 110,
        "serializeImagePulls": False,
        # The images are all there is: nothing could pull them again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
            "imagefs.inodesFree": "0%",
        },
        "makeIPTablesUtilChains": False,
        "nodeStatusUpdateFrequency": "5s",
        # Defaults of 5 and 50 queries a second make 30 pods at once slow.
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "registerNode": True,
        # Its default lies outside the folders that are the cluster's own.
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    }


def kube_proxy(state: State) -> dict[str, Any]:
    """KubeProxyConfiguration in nftables mode, leaving the machine's conntrack limits alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "bindAddress": "0.0.0.0",
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": str(state.component_kubeconfig("proxy"))},
        "hostnameOverride": NODE,
        "clusterCIDR": POD_RANGE,
        "detectLocalMode": "ClusterCIDR",
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
            "udpTimeout": "0s",
            "udpStreamTimeout": "0s",
        },
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        "nodePortAddresses": ["primary"],
    }


def corefile(state: State) -> str:
    """CoreDNS answers for the cluster's names; there is nothing outside that it could ask."""
    return f"""\
cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
    bind {NODE_ADDRESS}
    errors
    health 127.0.0.1:8090
    ready 127.0.0.1:8181
    cache 5
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {state.component_kubeconfig("coredns")}
        pods insecure
        ttl 5
    }}
}}
.:53 {{
    bind {NODE_ADDRESS}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def pod_network() -> dict[str, Any]:
    """The CNI network: one bridge, addresses from the node's pod range, no way out."""
    return {
        "cniVersion": "1.0.0",
        "name": "steersman",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "hairpinMode": True,
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": "/run/cni-ipam",
                },
            }
        ],
    }


DISABLED_PLUGINS = (
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
)


def containerd(*, root: str, network_folder: str, sandbox_image: str, runc: str, with_cri: bool = True) -> str:
    """Containerd's configuration, in the version that 1.6 and 2 both read.

    Without CRI it only unpacks images, for a seed.
    """
    disabled = [*DISABLED_PLUGINS, *([] if with_cri else ["io.containerd.grpc.v1.cri"])]
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE, which containers often lack, no sandbox would start.
    return f"""\
version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = {json.dumps(disabled)}
[grpc]
  address = "{CONTAINERD_SOCKET}"
[debug]
  level = "info"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  enable_selinux = false
  max_container_log_line_size = -1
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{runc}"
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{network_folder}"
    max_conf_num = 1
"""


def write_node(state: State, *, cgroup: str, sandbox_image: str, runc: Path) -> None:
    """Write every configuration file of a node into the state folder."""
    folder = state.configuration
    (folder / "resolv.conf").write_text("")
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(kubelet(state, cgroup), sort_keys=False))
    (folder / "kube-proxy.yaml").write_text(yaml.safe_dump(kube_proxy(state), sort_keys=False))
    (folder / "Corefile").write_text(corefile(state))
    network = folder / "cni"
    network.mkdir(exist_ok=True)
    (network / "10-steersman.conflist").write_text(json.dumps(pod_network(), indent=1))
    (folder / "containerd.toml").write_text(
        containerd(root="/var/lib/containerd", network_folder=str(network), sandbox_image=sandbox_image, runc=str(runc))
    )
