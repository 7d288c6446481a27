"""Ingress-NGINX's canary annotations, as its controller (version 1.11) and its Lua balancer read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from steersman.api.meta import LABEL_REVISION
from steersman.core.snapshot import Manifest
from unit.traffic.contract import Contract

PREFIX = "nginx.ingress.kubernetes.io/"
ACCEPTED_PATTERN = re.compile(r"^[/\-._~a-zA-Z0-9:^$\[\](){}*+?|&=\\]*$")
"""IsValidRegex: another annotation is ignored, and its feature is off."""
ACCEPTED_NAME = re.compile(r"^[/\-._~a-zA-Z0-9:]*$")


def _parts(manifests: Sequence[Manifest]) -> tuple[str, str, dict[str, str]]:
    """Revision of the main Ingress, that of the canary Ingress, and the canary's annotations."""
    service, main, canary = manifests
    assert [manifest["metadata"]["name"] for manifest in manifests] == ["fraud", "fraud", "fraud-canary"]
    assert not [key for key in main["metadata"].get("annotations", {}) if key.startswith(f"{PREFIX}canary")]
    assert _backends(main) == {("fraud", 80)}
    assert _rules(main) == _rules(canary)
    ((revision, port),) = _backends(canary)
    assert port == 80 and canary["metadata"]["annotations"][f"{PREFIX}canary"] == "true"
    return service["spec"]["selector"][LABEL_REVISION], revision, canary["metadata"]["annotations"]


def _backends(ingress: Manifest) -> set[tuple[str, int]]:
    paths = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    return {(path["backend"]["service"]["name"], path["backend"]["service"]["port"]["number"]) for path in paths}


def _rules(ingress: Manifest) -> list[tuple[str, str, str]]:
    """Hosts and paths of main and canary must be the same, or they do not belong together."""
    return [(r["host"], p["path"], p["pathType"]) for r in ingress["spec"]["rules"] for p in r["http"]["paths"]]


def weights(manifests: Sequence[Manifest]) -> dict[str, int]:
    main, canary, annotations = _parts(manifests)
    weight = int(annotations[f"{PREFIX}canary-weight"])
    return {main: 100} if main == canary else {main: 100 - weight, canary: weight}


def forced(manifests: Sequence[Manifest], headers: Mapping[str, str]) -> str | None:
    """The pattern is looked for anywhere in the header's value."""
    _, canary, annotations = _parts(manifests)
    name = annotations.get(f"{PREFIX}canary-by-header")
    if name is None:
        return None
    pattern = annotations[f"{PREFIX}canary-by-header-pattern"]
    assert ACCEPTED_NAME.match(name) and ACCEPTED_PATTERN.match(pattern), (name, pattern)
    value = headers.get(name.lower(), "")
    return canary if value and re.search(pattern.encode(), value.encode()) else None


FULL = {
    "hosts": ["fraud.example.com", "*.fraud.example.com"],
    "path": "/fraud",
    "ingressClassName": "public",
    "tlsSecretName": "fraud-tls",
    "annotations": {f"{PREFIX}proxy-body-size": "64m"},
}
MANY_HEADERS = frozenset({"headers", "both"})
CONTRACTS = [
    Contract(
        name,
        {"nginx": settings},
        weights,
        forced,
        names_idle=False,
        choosy=True,
        unable=MANY_HEADERS,
    )
    for name, settings in {"nginx": {"hosts": ["fraud.example.com"]}, "nginx-full": FULL}.items()
]
