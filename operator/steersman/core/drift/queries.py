"""What the metric server is asked at each look: two queries for one deployment."""

from __future__ import annotations

import json
import math
from typing import Final

from steersman.api.drift import Drift
from steersman.core.analysis.model import NAMESPACE_LABEL, REVISION_LABEL, MetricQuery, Part, Source
from steersman.core.analysis.promql import COUNTER_MEMORY_SECONDS, quote
from steersman.core.drift.columns import OBSERVED, PART, REFERENCE, ROWS

METRIC: Final = "drift"
"""Name under which both queries are asked, so that their answers are taken together; no template's metric is called so."""
FEEDBACK: Final = "feedback"
DETECTOR: Final = "detector"

OBSERVATIONS_TOTAL: Final = "steersman_profile_observations_total"
REFERENCE_RATIO: Final = "steersman_profile_reference_ratio"
REFERENCE_ROWS: Final = "steersman_profile_reference_rows"
CONCEPT_DRIFT_TOTAL: Final = "steersman_concept_drift_total"
FEEDBACK_TOTAL: Final = "steersman_feedback_total"
ERROR_COUNT: Final = "steersman_feedback_absolute_error_count"


def queries(settings: Drift, namespace: str, revision: str, started_at: float, at: float) -> tuple[MetricQuery, ...]:
    """The queries of one look. Rows count from `started_at` on, so that no earlier part of a revision's life is in them."""
    where = _source(settings, namespace)
    window = max(1, math.ceil(round(min(settings.window, at - started_at), 3)))
    asked = [MetricQuery(METRIC, Part.DISTRIBUTIONS, where, distributions(namespace, revision, window), at)]
    if settings.concept.enabled:
        text = detectors(namespace, revision, math.ceil(settings.concept.window))
        asked.append(MetricQuery(METRIC, Part.DETECTORS, where, text, at))
    return tuple(asked)


def distributions(namespace: str, revision: str, window: int) -> str:
    """Rows of the window and of the reference by column and bin, and how many rows the reference has; `part` tells them apart."""
    series = f'{{{NAMESPACE_LABEL}="{quote(namespace)}", {REVISION_LABEL}="{quote(revision)}"}}'
    bins = "column, role, kind, bin"
    known = f"{series}[{COUNTER_MEMORY_SECONDS}s]"
    return " or ".join(
        (
            _part(OBSERVED, f"sum by ({bins}) (increase({OBSERVATIONS_TOTAL}{series}[{window}s]))"),
            _part(REFERENCE, f"max by ({bins}) (last_over_time({REFERENCE_RATIO}{known}))"),
            _part(ROWS, f"max by (column, role) (last_over_time({REFERENCE_ROWS}{known}))"),
        )
    )


def detectors(namespace: str, revision: str, window: int) -> str:
    """How often each detector fired on predictions of a revision, whichever pod was told of them, and how many those were."""
    series = f'{{{NAMESPACE_LABEL}="{quote(namespace)}", predicted_by="{quote(revision)}"}}[{window}s]'
    counted = f"sum(increase({FEEDBACK_TOTAL}{series})) or sum(increase({ERROR_COUNT}{series}))"
    return " or ".join(
        (
            f"sum by ({DETECTOR}) (increase({CONCEPT_DRIFT_TOTAL}{series}))",
            f'label_replace({counted}, "{PART}", "{FEEDBACK}", "", "")',
        )
    )


def _part(name: str, expression: str) -> str:
    return f'label_replace({expression}, "{PART}", "{name}", "", "")'


def _source(settings: Drift, namespace: str) -> Source:
    server = settings.prometheus
    wire = server.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    text = json.dumps(wire, sort_keys=True, separators=(",", ":"))
    return Source("prometheus", text, namespace if server.secret_names() else None)
