"""Every PromQL expression of the alerts and dashboards, and what of metrics and labels it names, as Prometheus itself parses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[3] / "helm" / "steersman"
ALERTS = CHART / "files" / "alerts" / "steersman.yaml"
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
MACROS = {
    "$__rate_interval": "10s",
    "$__range": "60s",
    "$window": "30s",
    "$namespace": ".*",
    "$deployment": ".*",
    "$column": ".*",
}
"""What Grafana puts in."""


@dataclass(frozen=True)
class Expression:
    """One query, and where it stands."""

    where: str
    promql: str
    legend: str = ""


@dataclass
class Uses:
    """Metrics that an expression selects, with the labels that it selects them by; labels that it groups by."""

    selected: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)


def alerts() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """Every panel with queries."""
    return [panel for panel in json.loads(dashboard.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list[Expression]:
    """All of them."""
    found = [Expression(f"alert {rule['alert']}", rule["expr"]) for rule in alerts()]
    for dashboard in DASHBOARDS:
        for panel in panels(dashboard):
            for target in panel["targets"]:
                where = f"{dashboard.stem}: {panel['title']}"
                found.append(Expression(where, filled(target["expr"]), target["legendFormat"]))
    return found


def filled(promql: str) -> str:
    """The expression with Grafana's variables filled in."""
    for name, value in MACROS.items():
        promql = promql.replace(name, value)
    assert "$" not in promql, promql
    return promql


def uses(tree: Any) -> Uses:
    """Of an answer of Prometheus' /api/v1/parse_query."""
    found = Uses()
    for node in _nodes(tree):
        if node.get("type") in ("vectorSelector", "matrixSelector"):
            matchers = {m["name"]: m["value"] for m in node["matchers"] if m["name"] != "__name__"}
            found.selected.append((node["name"], matchers))
        if node.get("type") == "aggregation":
            found.grouped |= set(node["grouping"])
        if isinstance(node.get("matching"), dict):
            found.grouped |= set(node["matching"]["labels"])
    return found


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)
