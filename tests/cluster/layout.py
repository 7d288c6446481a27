"""The addresses inside a cluster's network and the files of its state folder.

Every cluster has a network namespace of its own, so all use the same addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NODE = "node-1"
NODE_ADDRESS = "10.255.0.1"
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
API_PORT = 6443


@dataclass(frozen=True)
class State:
    """The folder of one cluster's state; it is removed with the cluster."""

    folder: Path

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.folder.name

    @property
    def certificates(self) -> Path:
        """Keys and certificates."""
        return self.folder / "certificates"

    @property
    def configuration(self) -> Path:
        """Configuration files of the components."""
        return self.folder / "configuration"

    @property
    def logs(self) -> Path:
        """One log for each component."""
        return self.folder / "logs"

    @property
    def data(self) -> Path:
        """What the components write: etcd's data, the kubelet's volumes, containerd's images."""
        return self.folder / "data"

    @property
    def containerd(self) -> Path:
        """Containerd's root folder."""
        return self.data / "containerd"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for use outside the cluster's namespaces."""
        return self.folder / "kubeconfig"

    @property
    def record(self) -> Path:
        """What the keeper tells about itself: its process, the node's first process, forwarded ports."""
        return self.folder / "keeper.json"

    @property
    def plan(self) -> Path:
        """What the keeper is to start."""
        return self.folder / "plan.json"

    @property
    def control(self) -> Path:
        """The keeper's Unix socket."""
        return self.folder / "control.sock"

    @property
    def lock(self) -> Path:
        """Locked by the keeper as long as the cluster is up; beside the folder, so that it outlives it."""
        return self.folder.parent / f".{self.folder.name}.lock"

    def component_kubeconfig(self, identity: str) -> Path:
        """The kubeconfig of a component inside the cluster."""
        return self.configuration / f"{identity}.kubeconfig"

    def create(self) -> None:
        """Make the folders."""
        for folder in (self.certificates, self.configuration, self.logs, self.data):
            folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
