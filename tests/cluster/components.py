"""The command lines of the control plane's and the node's programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster.layout import API_PORT, NODE, NODE_ADDRESS, SERVICE_RANGE, State


@dataclass(frozen=True)
class Component:
    """A program that runs as long as the cluster."""

    name: str
    command: tuple[str, ...]
    needs_api: bool = False
    """Started only after the API server is ready: until then it would wait longer than needed, or give up."""


def etcd(program: Path, data: Path, client_url: str, peer_url: str) -> Component:
    """One etcd member that does not wait for the disk: its data is thrown away with the cluster."""
    return Component(
        "etcd",
        (
            str(program),
            f"--data-dir={data}",
            f"--listen-client-urls={client_url}",
            f"--advertise-client-urls={client_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
    )


def api_server(
    program: Path,
    certificates: Path,
    *,
    etcd_url: str,
    bind: str,
    port: int,
    advertise: str,
    service_range: str = SERVICE_RANGE,
    with_node: bool = True,
) -> Component:
    """The API server with RBAC; `with_node` lets it talk to kubelets and restricts what they may do."""
    command = [
        str(program),
        f"--etcd-servers={etcd_url}",
        f"--bind-address={bind}",
        f"--secure-port={port}",
        f"--advertise-address={advertise}",
        f"--service-cluster-ip-range={service_range}",
        f"--client-ca-file={certificates}/ca.crt",
        f"--tls-cert-file={certificates}/apiserver.crt",
        f"--tls-private-key-file={certificates}/apiserver.key",
        f"--requestheader-client-ca-file={certificates}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={certificates}/front-proxy-client.crt",
        f"--proxy-client-key-file={certificates}/front-proxy-client.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-signing-key-file={certificates}/service-account.key",
        f"--service-account-key-file={certificates}/service-account.pub",
        "--allow-privileged=true",
        "--profiling=false",
        "--event-ttl=1h",
    ]
    if with_node:
        command += [
            f"--kubelet-client-certificate={certificates}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={certificates}/apiserver-kubelet-client.key",
            f"--kubelet-certificate-authority={certificates}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
        ]
    else:
        # A loopback address may not be published as the endpoint of the Service `kubernetes`.
        command += ["--authorization-mode=RBAC", "--endpoint-reconciler-type=none"]
    return Component("kube-apiserver", tuple(command))


def controller_manager(program: Path, certificates: Path, kubeconfig: Path, *, port: int = 10257) -> Component:
    """All controllers; its default pace of API requests would make the node wait for seconds."""
    return Component(
        "kube-controller-manager",
        (
            str(program),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--service-account-private-key-file={certificates}/service-account.key",
            f"--root-ca-file={certificates}/ca.crt",
            f"--cluster-signing-cert-file={certificates}/ca.crt",
            f"--cluster-signing-key-file={certificates}/ca.key",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--allocate-node-cidrs=false",
            "--node-monitor-period=2s",
            "--kube-api-qps=300",
            "--kube-api-burst=400",
        ),
        needs_api=True,
    )


def node_components(state: State, programs: dict[str, Path]) -> list[Component]:
    """Everything that runs in a cluster's namespaces, in the order of its start."""
    certificates = state.certificates
    configuration = state.configuration

    def config_of(identity: str) -> Path:
        return state.component_kubeconfig(identity)

    return [
        Component("containerd", (str(programs["containerd"]), "--config", str(configuration / "containerd.toml"))),
        etcd(programs["etcd"], state.data / "etcd", "http://127.0.0.1:2379", "http://127.0.0.1:2380"),
        api_server(
            programs["kube-apiserver"],
            certificates,
            etcd_url="http://127.0.0.1:2379",
            bind="0.0.0.0",
            port=API_PORT,
            advertise=NODE_ADDRESS,
        ),
        controller_manager(programs["kube-controller-manager"], certificates, config_of("controller-manager")),
        Component(
            "kube-scheduler",
            (
                str(programs["kube-scheduler"]),
                f"--kubeconfig={config_of('scheduler')}",
                f"--authentication-kubeconfig={config_of('scheduler')}",
                f"--authorization-kubeconfig={config_of('scheduler')}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                "--kube-api-qps=100",
                "--kube-api-burst=200",
            ),
            needs_api=True,
        ),
        Component(
            "kubelet",
            (
                str(programs["kubelet"]),
                f"--config={configuration / 'kubelet.yaml'}",
                f"--kubeconfig={config_of('kubelet')}",
                f"--hostname-override={NODE}",
                f"--node-ip={NODE_ADDRESS}",
                "--root-dir=/var/lib/kubelet",
                "--v=1",
            ),
            needs_api=True,
        ),
        Component(
            "kube-proxy",
            (str(programs["kube-proxy"]), f"--config={configuration / 'kube-proxy.yaml'}", "--v=1"),
            needs_api=True,
        ),
        Component("coredns", (str(programs["coredns"]), "-conf", str(configuration / "Corefile")), needs_api=True),
    ]
