"""Contour's HTTPProxy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from steersman.core.snapshot import Manifest
from unit.traffic.contract import WORDS, Contract


def weights(manifests: Sequence[Manifest]) -> dict[str, int]:
    (proxy,) = manifests
    services = proxy["spec"]["routes"][-1]["services"]
    return {service["name"]: service["weight"] for service in services if not service.get("mirror")}


def forced(manifests: Sequence[Manifest], headers: Mapping[str, str]) -> str | None:
    """Contour puts the routes with the most header conditions first; Envoy matches regular expressions as a whole."""
    (proxy,) = manifests
    routes = sorted(proxy["spec"]["routes"], key=lambda route: -len(route["conditions"]))
    route = next(r for r in routes if all(_holds(c["header"], headers) for c in r["conditions"] if "header" in c))
    return None if route is proxy["spec"]["routes"][-1] else route["services"][0]["name"]


def _holds(condition: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    value = headers.get(condition["name"].lower())
    if value is None:
        return False
    return value == condition["exact"] if "exact" in condition else bool(re.fullmatch(condition["regex"], value))


def accept(manifest: Manifest) -> Manifest:
    return _with(manifest, {"status": "True", "reason": "Valid", "message": "Valid HTTPProxy"})


def refuse(manifest: Manifest) -> Manifest:
    error = {"type": "ServiceError", "status": "True", "reason": "ServiceUnresolvedReference", "message": WORDS}
    said = {"reason": "ErrorPresent", "message": "At least one error present, see Errors for details"}
    return _with(manifest, {"status": "False", "errors": [error], **said})


def _with(manifest: Manifest, condition: dict[str, Any]) -> Manifest:
    valid = {"type": "Valid", "observedGeneration": manifest["metadata"]["generation"], **condition}
    return {**manifest, "status": {"conditions": [valid]}}


FULL = {
    "fqdn": "fraud.example.com",
    "path": "/invocations",
    "ingressClassName": "contour",
    "tlsSecretName": "fraud-tls",
}
CONTRACTS = [
    Contract("contour", {"contour": {"fqdn": "fraud.example.com"}}, weights, forced, accept=accept, refuse=refuse),
    Contract("contour-full", {"contour": FULL}, weights, forced, accept=accept, refuse=refuse),
]
