"""A user of the API server for the operator, and the kubeconfig that it logs in with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from cluster.connection import Connection

TOKEN_LIFETIME = "24h"


@dataclass(frozen=True)
class Account:
    """A ServiceAccount with every right; an audit log shows it as `user`."""

    user: str
    token: str
    server: str
    """URL of the API server itself."""
    authority: str
    """Its certificate authority, base64 as in a kubeconfig."""

    @classmethod
    def create(cls, control_plane: Connection, name: str = "steersman", namespace: str = "default") -> Account:
        """Make it, or find it, and have a token issued."""
        control_plane.apply(
            [
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": f"simulation-{namespace}-{name}"},
                    "roleRef": {
                        "apiGroup": "rbac.authorization.k8s.io",
                        "kind": "ClusterRole",
                        "name": "cluster-admin",
                    },
                    "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
                },
            ]
        )
        token = control_plane.kubectl(
            "create", "token", name, f"--namespace={namespace}", f"--duration={TOKEN_LIFETIME}"
        )
        cluster = yaml.safe_load(control_plane.kubeconfig.read_text())["clusters"][0]["cluster"]
        return cls(
            user=f"system:serviceaccount:{namespace}:{name}",
            token=token.strip(),
            server=cluster["server"],
            authority=cluster["certificate-authority-data"],
        )

    def write_kubeconfig(self, path: Path, server: str | None = None, authority: str | None = None) -> Path:
        """Write a kubeconfig for the API server, or for the URL of a proxy before it.

        A proxy at an http:// URL needs no certificate; one at https:// needs its `authority` (base64). The token is sent
        through it.
        """
        url = server or self.server
        cluster: dict[str, object] = {"server": url}
        if url.startswith("https://"):
            cluster["certificate-authority-data"] = authority or self.authority
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "simulation",
            "clusters": [{"name": "simulation", "cluster": cluster}],
            "users": [{"name": "simulation", "user": {"token": self.token}}],
            "contexts": [{"name": "simulation", "context": {"cluster": "simulation", "user": "simulation"}}],
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path
