"""Optuna and Hyperopt: the best trial's model is registered, and the trials hang below the search's run."""

from __future__ import annotations

import pytest
from tests.component.pipelines.workshop import Workshop

TRIALS = 4


@pytest.mark.parametrize("tool", ["optuna", "hyperopt"])
def test_search(serving: Workshop, tool: str) -> None:
    words = f"--report report.json --trials {TRIALS} --version-file {tool}.txt"
    serving.shell(f"python ../{tool}/search.py data.csv {words}")
    version = (serving.model / f"{tool}.txt").read_text().strip()
    run = serving.run_of(version)
    assert version == serving.versions()[-1] and run["tags"]["data"] == "validated"
    parent = serving.runs(f"attributes.run_name = '{tool}'")[0]["info"]["run_id"]
    trials = serving.runs(f"tags.`mlflow.parentRunId` = '{parent}'")
    assert len(trials) == TRIALS
    lost = {float(entry(trial, "metrics")): float(entry(trial, "params", "C")) for trial in trials}
    assert float(run["params"]["C"]) == pytest.approx(lost[min(lost)]), "the best of the trials"
    assert run["metrics"]["cross_validated_log_loss"] == pytest.approx(min(lost))


def entry(run: dict, kind: str, name: str = "cross_validated_log_loss") -> str:
    """A metric or parameter of a run."""
    return next(each["value"] for each in run["data"][kind] if each["key"] == name)
