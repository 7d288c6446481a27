"""What a pipeline is told."""

from __future__ import annotations

from collections.abc import Mapping

from steersman.api.retraining import Retraining
from steersman.api.retraining_status import RetrainingRun
from steersman.core.analysis.languages import plain

STANDARD = {
    "retraining_id": "retrainingId",
    "deployment": "deployment",
    "namespace": "namespace",
    "model": "model",
    "stable_version": "stableVersion",
    "trigger": "trigger",
    "reason": "reason",
}
"""Names of the parameters that every pipeline gets, and the placeholders of their values."""


def values(run: RetrainingRun, name: str, namespace: str, model: str) -> dict[str, str]:
    """What the placeholders stand for."""
    return {
        "retrainingId": run.key,
        "deployment": name,
        "namespace": namespace,
        "model": model,
        "stableVersion": run.stable_version,
        "trigger": run.trigger,
        "reason": run.reason,
    }


def parameters(spec: Retraining, filled: Mapping[str, str]) -> dict[str, str]:
    """Names and values. Raises PlaceholderError."""
    named = {name: filled[placeholder] for name, placeholder in STANDARD.items()}
    named |= {name: plain.text(text, filled, None) for name, text in spec.parameters.items()}
    return {name: value for name, value in named.items() if value or name not in spec.parameters}
