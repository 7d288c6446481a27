"""Kubeconfig files that carry their certificates within them."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from cluster.certificates import CertificateFolder


def write(path: Path, certificates: CertificateFolder, identity: str, server: str, *, context: str) -> Path:
    """Write the kubeconfig (mode 0600) with which `identity` talks to the API server at the URL `server`."""

    def data(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {
                "name": context,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": data(certificates.certificate("ca")),
                },
            }
        ],
        "users": [
            {
                "name": identity,
                "user": {
                    "client-certificate-data": data(certificates.certificate(identity)),
                    "client-key-data": data(certificates.key(identity)),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": identity}}],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path
