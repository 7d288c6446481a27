"""Gateways as a route's proxy sees them: which rule a request takes, and the status that their controllers write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from steersman.core.snapshot import Manifest
from unit.traffic.contract import WORDS


def weights(manifests: Sequence[Manifest]) -> dict[str, int]:
    """Weights of the last rule of the one route."""
    (route,) = (manifest for manifest in manifests if manifest["kind"].endswith("Route"))
    return {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][-1]["backendRefs"]}


def forced(manifests: Sequence[Manifest], headers: Mapping[str, str]) -> str | None:
    """By the specification: of the matches that hold, the one with the most headers wins, then the earliest."""
    (route,) = (manifest for manifest in manifests if manifest["kind"].endswith("Route"))
    holding = [
        (len(match.get("headers", [])), -number, rule)
        for number, rule in enumerate(route["spec"]["rules"])
        for match in rule["matches"]
        if all(_holds(header, headers) for header in match.get("headers", []))
    ]
    refs = max(holding, key=lambda found: found[:2])[2]["backendRefs"]
    return refs[0]["name"] if len(refs) == 1 and len(route["spec"]["rules"]) > 1 else None


def _holds(match: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    value = headers.get(match["name"].lower())
    if value is None:
        return False
    if match["type"] == "Exact":
        return value == match["value"]
    # Whether the expression is looked for or must match the whole value is up to the implementation: both must do.
    found = [bool(look(match["value"], value)) for look in (re.search, re.fullmatch)]
    assert found[0] == found[1], match
    return found[0]


def answer(*names: str, kind: str = "Gateway") -> Callable[[Manifest], Manifest]:
    """These parents accept a route."""
    return lambda manifest: _answered(manifest, [_conditions(manifest, name, kind) for name in names])


def refuse(*names: str, condition: str = "Accepted", kind: str = "Gateway") -> Callable[[Manifest], Manifest]:
    """All of these parents accept a route but the last."""

    def refused(manifest: Manifest) -> Manifest:
        parents = [_conditions(manifest, name, kind) for name in names]
        for item in parents[-1]["conditions"]:
            if item["type"] == condition:
                item |= {"status": "False", "reason": "NotAllowed", "message": WORDS}
        return _answered(manifest, parents)

    return refused


def _answered(manifest: Manifest, parents: list[dict[str, Any]]) -> Manifest:
    return {**manifest, "status": {"parents": parents}} if manifest["kind"].endswith("Route") else manifest


def _conditions(manifest: Manifest, name: str, kind: str) -> dict[str, Any]:
    generation = manifest["metadata"]["generation"]
    return {
        "controllerName": "example.com/controller",
        "parentRef": {"kind": kind, "name": name},
        "conditions": [
            {"type": kind_, "status": "True", "reason": kind_, "message": "", "observedGeneration": generation}
            for kind_ in ("Accepted", "ResolvedRefs")
        ],
    }
