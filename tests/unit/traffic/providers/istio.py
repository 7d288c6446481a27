"""Istio's VirtualService."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from steersman.core.snapshot import Manifest
from unit.traffic.contract import GENERATION, WORDS, Contract


def _rules(manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    (found,) = (manifest for manifest in manifests if manifest["kind"] == "VirtualService")
    rules: list[dict[str, Any]] = found["spec"]["http"]
    return rules


def weights(manifests: Sequence[Manifest]) -> dict[str, int]:
    return {_service(item): item["weight"] for item in _rules(manifests)[-1]["route"]}


def _service(item: Mapping[str, Any]) -> str:
    name, namespace, *domain = item["destination"]["host"].split(".")
    assert (namespace, domain, item["destination"]["port"]) == ("risk", ["svc", "cluster", "local"], {"number": 80})
    return str(name)


def forced(manifests: Sequence[Manifest], headers: Mapping[str, str]) -> str | None:
    """The first rule one of whose matches holds; Envoy matches a regular expression against the whole value."""
    *before, split = _rules(manifests)
    for rule in before:
        if any(_holds(match.get("headers") or {}, headers) for match in rule["match"]):
            assert len(rule["route"]) == 1
            return _service(rule["route"][0])
    assert _holds((split.get("match") or [{}])[0].get("headers") or {}, headers)
    return None


def _holds(conditions: Mapping[str, Mapping[str, str]], headers: Mapping[str, str]) -> bool:
    return all(name in headers and _equals(condition, headers[name]) for name, condition in conditions.items())


def _equals(condition: Mapping[str, str], value: str) -> bool:
    ((kind, wanted),) = condition.items()
    return {
        "exact": lambda: value == wanted,
        "prefix": lambda: value.startswith(wanted),
        "regex": lambda: re.fullmatch(wanted, value) is not None,
    }[kind]()


def refuse(manifest: Manifest) -> Manifest:
    """As istiod writes with PILOT_ENABLE_ANALYSIS."""
    if manifest["kind"] != "VirtualService":
        return manifest
    message = {"level": "ERROR", "type": {"code": "IST0101", "name": WORDS}, "documentationUrl": "https://istio.io"}
    return {**manifest, "status": {"observedGeneration": str(GENERATION), "validationMessages": [message]}}


GATEWAY = {"hosts": ["fraud.example.com"], "gateways": ["gateways/public"]}
FULL = {
    "hosts": ["fraud.example.com", "fraud.risk.svc.cluster.local"],
    "gateways": ["gateways/public", "mesh"],
    "matches": [{"uri": {"prefix": "/invocations"}}, {"uri": {"exact": "/ping"}, "method": {"exact": "GET"}}],
    "trafficPolicy": {
        "loadBalancer": {"simple": "LEAST_REQUEST"},
        "connectionPool": {"http": {"http2MaxRequests": 100}},
    },
}
CONTRACTS = [
    Contract("istio", {"istio": GATEWAY}, weights, forced, refuse=refuse),
    Contract("istio-mesh", {"istio": {"hosts": ["fraud"]}}, weights, forced, refuse=refuse),
    Contract("istio-full", {"istio": FULL}, weights, forced, refuse=refuse),
]
