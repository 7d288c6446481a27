"""Talking to an API server by kubectl and Helm."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.commands import run
from cluster.errors import ClusterError
from cluster.manifests import Manifest, as_list

FIELD_MANAGER = "steersman-test-cluster"


class Connection:
    """An API server, and the kubectl and Helm to talk to it with."""

    def __init__(self, kubeconfig: Path, kubectl: Path, helm: Path | None, context: str = "") -> None:
        self.kubeconfig = kubeconfig
        """A kubeconfig that works outside the cluster's namespaces."""
        self.context = context
        """The context in it to use, empty for its current one."""
        self._kubectl = kubectl
        self._helm = helm

    @property
    def env(self) -> dict[str, str]:
        """Variables for processes that talk to this API server: KUBECONFIG, and PATH with its kubectl and Helm."""
        folders = [str(program.parent) for program in (self._kubectl, self._helm) if program is not None]
        return {
            "KUBECONFIG": str(self.kubeconfig),
            # kubectl keeps what it learns by address, and another cluster may get this one's port.
            "KUBECACHEDIR": str(self.kubeconfig.parent / "kubectl-cache"),
            "PATH": os.pathsep.join([*dict.fromkeys(folders), os.environ.get("PATH", "")]),
        }

    def kubectl(self, *arguments: str, input: str | None = None, timeout: float = 120.0) -> str:  # noqa: A002
        """Run kubectl and return what it printed; ClusterError with its words when it fails."""
        command: list[str | Path] = [self._kubectl, *(["--context", self.context] if self.context else []), *arguments]
        return run(command, input=input, env=self.env, timeout=timeout)

    def helm(self, *arguments: str, timeout: float = 600.0) -> str:
        """Run Helm and return what it printed; ClusterError with its words when it fails."""
        if self._helm is None:
            raise ClusterError("This cluster was started without Helm; ask for it with helm=True.")
        words = ["--kube-context", self.context] if self.context else []
        return run([self._helm, *words, *arguments], env=self.env, timeout=timeout)

    def get(self, *arguments: str) -> Any:
        """What `kubectl get ... -o json` answers, parsed."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, objects: str | Sequence[Manifest]) -> str:
        """Apply manifests, given as YAML text or as objects, on the server's side."""
        text = objects if isinstance(objects, str) else as_list(objects)
        return self.kubectl(
            "apply", "--server-side", f"--field-manager={FIELD_MANAGER}", "--force-conflicts", "-f", "-", input=text
        )

    def wait(self, condition: str, *what: str, namespace: str = "", timeout: float = 120.0) -> None:
        """Wait until objects have a condition, such as `wait("condition=Available", "deployment/envoy")`."""
        words = ["--namespace", namespace] if namespace else []
        self.kubectl("wait", f"--for={condition}", *what, *words, f"--timeout={timeout:.0f}s", timeout=timeout + 10)


def merged_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process with `extra` over it."""
    return {**os.environ, **extra}
