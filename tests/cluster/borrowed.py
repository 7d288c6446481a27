"""What clusters have in common that are reached only through their API server: kind's, and a person's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from cluster import binaries
from cluster.binaries import Binaries
from cluster.cache import Cache
from cluster.cluster import Cluster
from cluster.errors import NotRunning
from cluster.parts import Part, choose
from cluster.port_forwards import PortForward
from cluster.progress import Progress


def find_clients(cache: Cache, progress: Progress) -> tuple[Path, Path]:
    """The kubectl and Helm of this machine; those that are missing are built."""
    kubectl, helm = shutil.which("kubectl"), shutil.which("helm")
    modules = [*([] if kubectl else [binaries.KUBERNETES]), *([] if helm else [binaries.HELM])]
    built = binaries.ensure(modules, cache, progress)
    return Path(kubectl) if kubectl else built.kubectl, Path(helm) if helm else built.helm


class BorrowedCluster(Cluster):
    """A cluster whose node this machine does not run."""

    def __init__(
        self, name: str, kubeconfig: Path, clients: tuple[Path, Path], *, parts: Iterable[str], context: str = ""
    ) -> None:
        super().__init__(name, kubeconfig, clients[0], clients[1], parts=parts, context=context)
        self._forwards: dict[tuple[str, str, int], PortForward] = {}

    def forward(self, namespace: str, service: str, port: int, *, listen: int = 0) -> str:
        """Forward a loopback port by kubectl; it ends with this process."""
        key = (namespace, service, port)
        if key not in self._forwards:
            context = ["--context", self.context] if self.context else []
            command = [str(self._kubectl), *context, "port-forward", f"--namespace={namespace}", f"service/{service}"]
            env = {**os.environ, **self.env}
            self._forwards[key] = PortForward([*command, str(port)], env, listen)
        return f"http://127.0.0.1:{self._forwards[key].port}"

    def install_parts(self, built: Binaries, scrape_interval: str, progress: Progress) -> None:
        """Apply the chosen parts and wait for them."""
        parts = choose(self.parts)
        if not parts:
            return
        with progress.step(f"Starting {', '.join(part.name for part in parts)}"):
            self.apply_parts(parts, built, scrape_interval)
            for part in parts:
                if part.awaited:
                    self.await_part(part)

    def apply_parts(self, parts: Sequence[Part], built: Binaries, scrape_interval: str) -> None:
        """Apply the definitions, wait until they are served, and apply the objects."""
        definitions = [found for part in parts for found in part.definitions(built)]
        if definitions:
            self.apply(definitions)
            names = [f"crd/{found['metadata']['name']}" for found in definitions]
            self.wait("condition=Established", *names)
        self.apply(
            [found for part in parts for found in part.objects(built, self.image(part.image.name), scrape_interval)]
        )

    def close_forwards(self) -> None:
        """Stop all forwarding."""
        for forward in self._forwards.values():
            forward.close()
        self._forwards.clear()

    def run_inside(
        self, command: Sequence[str | Path], *, namespaces: Sequence[str] = ("net",), timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Only the embedded cluster's node is a process of this machine."""
        del command, namespaces, timeout
        raise NotRunning(f"Commands can run inside an embedded cluster only, and '{self.name}' is {self.provider}.")

    def component_log(self, component: str) -> str:
        """Only the embedded cluster keeps its components' logs in files."""
        raise NotRunning(f"The log of {component} is not within reach: '{self.name}' is {self.provider}.")
