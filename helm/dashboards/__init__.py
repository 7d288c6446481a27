"""The Grafana dashboards of the chart: helm/generate.py writes them to files/dashboards."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from helm.dashboards import quality, rollouts


def dashboard_files() -> dict[str, str]:
    """File name to JSON, as Grafana imports it."""
    return {"quality.json": _json(quality.dashboard()), "rollouts.json": _json(rollouts.dashboard())}


def _json(builder: Dashboard) -> str:
    made = builder.build()
    # Grafana numbers panels without one itself, and then differently after each change.
    for number, panel in enumerate(made.panels or [], 1):
        panel.id_val = number
    return JSONEncoder(sort_keys=True, indent=2).encode(made) + "\n"
