"""Optuna and Hyperopt: the best trial's model is registered, and the trials hang below the search's run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.component.pipelines.workshop import Workshop

TRIALS = 4


TOOLS = ("optuna", "hyperopt")


@pytest.fixture(scope="module")
def searched(serving: Workshop) -> dict[str, str]:
    """What each registered; both search at once."""

    def search(tool: str) -> str:
        words = f"--report report.json --trials {TRIALS} --version-file {tool}.txt"
        serving.shell(f"python ../{tool}/search.py data.csv {words}")
        return (serving.model / f"{tool}.txt").read_text().strip()

    before = serving.versions()
    with ThreadPoolExecutor(len(TOOLS)) as both:
        found = dict(zip(TOOLS, both.map(search, TOOLS), strict=True))
    assert sorted(found.values(), key=int) == serving.versions()[len(before) :]
    return found


@pytest.mark.parametrize("tool", TOOLS)
def test_search(serving: Workshop, searched: dict[str, str], tool: str) -> None:
    run = serving.run_of(searched[tool])
    assert run["tags"]["data"] == "validated"
    parent = serving.runs(f"attributes.run_name = '{tool}'")[0]["info"]["run_id"]
    trials = serving.runs(f"tags.`mlflow.parentRunId` = '{parent}'")
    assert len(trials) == TRIALS
    lost = {float(entry(trial, "metrics")): float(entry(trial, "params", "C")) for trial in trials}
    assert float(run["params"]["C"]) == pytest.approx(lost[min(lost)]), "the best of the trials"
    assert run["metrics"]["cross_validated_log_loss"] == pytest.approx(min(lost))


def entry(run: dict, kind: str, name: str = "cross_validated_log_loss") -> str:
    """A metric or parameter of a run."""
    return next(each["value"] for each in run["data"][kind] if each["key"] == name)
