"""APISIX's ApisixRoute, as its controller and its router read it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from steersman.core.snapshot import Manifest
from unit.traffic.contract import WORDS, Contract


def _rules(manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    (route,) = manifests
    rules: list[dict[str, Any]] = route["spec"]["http"]
    assert len({rule["name"] for rule in rules}) == len(rules)
    return rules


def weights(manifests: Sequence[Manifest]) -> dict[str, int]:
    backends = _rules(manifests)[0]["backends"]
    # The controller takes the first that has endpoints for the rule's own, so it must be one with traffic.
    assert backends[0]["weight"] > 0
    return {backend["serviceName"]: backend["weight"] for backend in backends}


def forced(manifests: Sequence[Manifest], headers: Mapping[str, str]) -> str | None:
    split, *routes = _rules(manifests)
    assert "exprs" not in split["match"] and "priority" not in split
    priorities = [rule["priority"] for rule in routes]
    assert priorities == sorted(set(priorities), reverse=True) and min(priorities, default=1) > 0
    for rule in routes:
        if all(_holds(expression, headers) for expression in rule["match"]["exprs"]):
            (backend,) = rule["backends"]
            return str(backend["serviceName"])
    return None


def _holds(expression: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    subject = expression["subject"]
    if subject["scope"] == "Cookie":
        pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
        value = {name: value for name, _, value in pairs}.get(subject["name"])
    else:
        value = headers.get(subject["name"].lower())
    if value is None:
        return False
    if expression["op"] == "Equal":
        return bool(value == expression["value"])
    assert expression["op"] == "RegexMatch"
    return re.search(expression["value"], value) is not None


def _with(manifest: Manifest, **condition: str) -> Manifest:
    return {
        **manifest,
        "status": {"conditions": [{"observedGeneration": manifest["metadata"]["generation"], **condition}]},
    }


def accept(manifest: Manifest) -> Manifest:
    return _with(manifest, type="Accepted", status="True", reason="Accepted", message="")


def accept_as_version_1(manifest: Manifest) -> Manifest:
    return _with(
        manifest, type="ResourcesAvailable", status="True", reason="ResourcesSynced", message="Sync Successfully"
    )


def refuse(manifest: Manifest) -> Manifest:
    return _with(manifest, type="Accepted", status="False", reason="SyncFailed", message=WORDS)


def refuse_as_version_1(manifest: Manifest) -> Manifest:
    return _with(manifest, type="ResourcesAvailable", status="False", reason="ResourceSyncAborted", message=WORDS)


FULL = {
    "hosts": ["fraud.example.com", "*.fraud.example.com"],
    "path": "/fraud",
    "ingressClassName": "public",
    "plugins": [{"name": "limit-count", "enable": True, "config": {"count": 200, "time_window": 1}}],
}
CONTRACTS = [
    Contract("apisix", {"apisix": {"hosts": ["fraud.example.com"]}}, weights, forced, accept=accept, refuse=refuse),
    Contract("apisix-full", {"apisix": FULL}, weights, forced, accept=accept_as_version_1, refuse=refuse_as_version_1),
]
