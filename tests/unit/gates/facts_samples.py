"""Facts of versions for tests."""

from __future__ import annotations

from typing import Any

from steersman.api.gate_status import GateResult
from steersman.api.gates import Gate
from steersman.core.gates import Missing, ModelFile, RunFacts, Unknown, VersionFacts, judge

NOW = 1_767_225_600.0
SHA = "ab" * 32


def facts(**given: Any) -> VersionFacts:
    """A version that lacks nothing, with what is given in its place."""
    whole = {
        "model": "fraud",
        "version": "7",
        "created_at": NOW - 3600,
        "tags": {"approved-by": "ann@example.com", "sha": f"sha256:{SHA.upper()}"},
        "run": RunFacts(
            metrics={"accuracy": 0.93, "train": 0.97, "loss": 0.2, "bad": float("nan")},
            params={"C": "0.5", "solver": "lbfgs", "odd": "1e400"},
            tags={"data": "validated", "approved-by": "somebody else"},
        ),
        "model_file": ModelFile(("python_function", "sklearn"), Missing("no signature"), True),
        "python_version": "3.11.7",
        "requirements": ("mlflow==3.1", "scikit-learn==1.7.0", "numpy>=1", "# a comment", "-r other.txt"),
        "digests": {"model.pkl": SHA, "none.pkl": Missing("no such file"), "far.pkl": Unknown("no answer in time")},
    }
    return VersionFacts(**(whole | given))


def result(
    gate: dict[str, Any],
    candidate: VersionFacts | Missing | Unknown | None = None,
    stable: VersionFacts | Missing | Unknown | None = None,
) -> GateResult:
    """One gate, judged."""
    (found,) = judge([Gate.model_validate({"name": "it", **gate})], candidate or facts(), stable, NOW)
    return found
