"""Where a metric's queries are sent."""

from __future__ import annotations

import json

from steersman.api.analysis import Metric
from steersman.core.analysis.model import Source


def source(metric: Metric) -> Source:
    """The source of a metric's queries."""
    settings = metric.prometheus.model_dump(by_alias=True, exclude_none=True)
    return Source("prometheus", json.dumps(settings, sort_keys=True, separators=(",", ":")))
