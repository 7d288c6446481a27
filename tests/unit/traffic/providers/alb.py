"""The AWS Load Balancer Controller's annotations, as it and the load balancer read them."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from typing import Any

from steersman.core.snapshot import Manifest
from unit.traffic.contract import Contract

PREFIX = "alb.ingress.kubernetes.io/"


def _actions(manifests: Sequence[Manifest]) -> list[str]:
    """Names of the actions, in the order of the rules, which are equal for every host."""
    (ingress,) = manifests
    found = []
    for rule in ingress["spec"]["rules"]:
        services = [path["backend"]["service"] for path in rule["http"]["paths"]]
        assert all(service["port"] == {"name": "use-annotation"} for service in services)
        found.append([service["name"] for service in services])
    assert all(names == found[0] for names in found)
    return found[0]


def _annotation(manifests: Sequence[Manifest], name: str) -> Any:
    key = PREFIX + name
    assert len(key.partition("/")[2]) <= 63
    text = manifests[0]["metadata"]["annotations"].get(key)
    return None if text is None else json.loads(text)


def _groups(manifests: Sequence[Manifest], action: str) -> dict[str, int]:
    found = _annotation(manifests, f"actions.{action}")
    assert found["type"] == "forward"
    groups = found["forwardConfig"]["targetGroups"]
    assert len(groups) <= 5 and {group["servicePort"] for group in groups} == {80}
    return {group["serviceName"]: group["weight"] for group in groups}


def weights(manifests: Sequence[Manifest]) -> dict[str, int]:
    return _groups(manifests, _actions(manifests)[-1])


def forced(manifests: Sequence[Manifest], headers: Mapping[str, str]) -> str | None:
    *before, split = _actions(manifests)
    assert _annotation(manifests, f"conditions.{split}") is None
    for action in before:
        if all(_holds(condition, headers) for condition in _annotation(manifests, f"conditions.{action}")):
            (revision,) = _groups(manifests, action)
            return revision
    return None


def _holds(condition: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Without regard to case; * and ? are wildcards."""
    assert condition["field"] == "http-header"
    config = condition["httpHeaderConfig"]
    value = headers.get(config["httpHeaderName"].lower())
    patterns = [pattern.replace("[", "[[]").lower() for pattern in config["values"]]
    return value is not None and any(fnmatch.fnmatchcase(value.lower(), pattern) for pattern in patterns)


FULL = {
    "hosts": ["fraud.example.com", "fraud.example.org"],
    "path": "/fraud",
    "ingressClassName": "public",
    "annotations": {f"{PREFIX}scheme": "internet-facing", f"{PREFIX}target-type": "ip"},
}
CONTRACTS = [
    Contract(name, {"alb": settings}, weights, forced, choosy=True, unable=frozenset({"headers"}))
    for name, settings in {"alb": {}, "alb-full": FULL}.items()
]
