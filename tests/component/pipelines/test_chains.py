"""DVC, Luigi, Airflow and Kubeflow Pipelines: each chain runs, and a version that the gates refuse never gets the alias."""

from __future__ import annotations

import graphlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.component.pipelines.workshop import TOLD, Workshop

AIRFLOW = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
dag = bag.get_dag("tumours")
found = {"upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}}
for name, marked in (("good", None), ("bad", "fetch|validate|train")):
    run = dag.test(run_conf={"c": 0.4}, mark_success_pattern=marked)
    found[name] = {"run": run.state, **{task.task_id: task.state for task in run.get_task_instances()}}
with open(sys.argv[2], "w") as file:
    json.dump(found, file)
"""


def test_dvc(workshop: Workshop) -> None:
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    workshop.run(*git, "init", "-q")
    workshop.run("dvc", "init", "-q")
    workshop.run("dvc", "repro", within="dvc")
    promoted = workshop.versions()[-1]
    assert workshop.champion() == promoted != "1"
    again = workshop.run("dvc", "repro", within="dvc").stdout
    assert again.count("didn't change, skipping") == 5 and workshop.versions()[-1] == promoted
    # A stricter gate is a dependency that changed: the version is judged anew, and refused.
    workshop.serve("1")
    manifest = workshop.model / "model.yaml"
    manifest.write_text(manifest.read_text().replace("max: 10}", "max: 0.1}"))
    said = workshop.run("dvc", "repro", within="dvc", fails=True)
    assert "failed to reproduce 'gate'" in said.stderr and "regularised" in said.stdout
    assert workshop.versions()[-1] == promoted and workshop.champion() == "1"


def test_luigi(workshop: Workshop, serving: Workshop) -> None:
    command = ["luigi", "--module", "pipeline", "Promote", "--local-scheduler", "--work-folder"]
    workshop.run(*command, "work", within="luigi", PYTHONPATH=".")
    promoted = workshop.versions()[-1]
    assert workshop.champion() == promoted != "1"
    assert (workshop.folder / "luigi" / "work" / "promoted.txt").read_text() == promoted
    # A run that came as far as its gate, with the version that the gates refuse.
    refused = workshop.folder / "luigi" / "refused"
    refused.mkdir()
    for name in ("data.csv", "report.json"):
        (refused / name).write_bytes((serving.model / name).read_bytes())
    (refused / "version.txt").write_text((serving.model / "refused.txt").read_text())
    said = workshop.run(*command, "refused", within="luigi", fails=True, PYTHONPATH=".")
    assert "regularised" in said.stdout and workshop.champion() == promoted
    assert not (refused / "passed.txt").exists() and not (refused / "promoted.txt").exists()


@pytest.mark.skipif(not os.environ.get("STEERSMAN_AIRFLOW"), reason="it takes minutes: make test-airflow")
def test_airflow(workshop: Workshop, airflow: Path, tmp_path: Path) -> None:
    """The DAG is read as Airflow reads it, and runs: once as it should, once with a gate that fails, for there is no version."""
    settings = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(workshop.folder / "airflow"),
        "MODEL_FOLDER": str(workshop.model),
        "WORK_FOLDER": str(tmp_path / "work"),
    }
    workshop.run(airflow / "bin" / "airflow", "db", "migrate", **settings)
    found = tmp_path / "found.json"
    words = [airflow / "bin" / "python", "-c", AIRFLOW, workshop.folder / "airflow", found]
    said = workshop.run(*words, within="airflow", **settings)
    states = json.loads(found.read_text())
    steps = ["fetch", "validate", "train", "gate", "promote"]
    assert states["upstream"] == dict(zip(steps, [[], *([each] for each in steps)], strict=False))
    assert states["good"] == {"run": "success", **dict.fromkeys(steps, "success")}
    refused = {**dict.fromkeys(steps, "success"), "gate": "failed", "promote": "upstream_failed"}
    assert states["bad"] == {"run": "failed", **refused}
    assert "tumours: gate failed, and the alias stays where it is" in said.stdout + said.stderr
    promoted = workshop.champion()
    assert promoted == workshop.versions()[-1] and workshop.run_of(promoted)["params"]["C"] == "0.4"


def test_kubeflow(workshop: Workshop, tmp_path: Path) -> None:
    """KFP's own compiler takes it; the commands of what it compiled run in their order, as processes and not in containers."""
    workshop.run("python", "kubeflow/pipeline.py", "pipeline.yaml")
    compiled = yaml.safe_load((workshop.folder / "pipeline.yaml").read_text())
    assert compiled["root"]["inputDefinitions"]["parameters"].keys() == {*TOLD, "c", "server"}
    tasks = compiled["root"]["dag"]["tasks"]
    order = graphlib.TopologicalSorter({name: task.get("dependentTasks", []) for name, task in tasks.items()})
    names = [*order.static_order()]
    assert names == ["fetch", "validate", "train", "gate", "promote"]
    assert not any(tasks[name].get("cachingOptions", {}).get("enableCache") for name in ("train", "gate", "promote"))
    parameters = {"c": "0.6", "server": workshop.url}
    for name in names:
        words = container_command(compiled, name, tmp_path / "artifacts", parameters, workshop.model)
        workshop.run(*words, MLFLOW_TRACKING_URI="http://nowhere.invalid")
        if name == "train":
            parameters["version"] = (tmp_path / "artifacts" / "version" / "file").read_text()
    assert workshop.champion() == workshop.versions()[-1] == parameters["version"].strip()
    parameters["version"] = "2\n"
    words = container_command(compiled, "gate", tmp_path / "artifacts", parameters, workshop.model)
    assert "regularised" in workshop.run(*words, fails=True).stdout


def container_command(
    compiled: dict[str, Any], task: str, artifacts: Path, parameters: dict[str, str], model: Path
) -> list[str]:
    """What the container of a task runs, with the placeholders filled in as KFP's launcher does."""
    container = compiled["deploymentSpec"]["executors"][f"exec-{task}"]["container"]
    assert container["image"].startswith("registry.example.com/")

    def value(found: re.Match[str]) -> str:
        kind, name = found[1], found[2]
        return parameters[name] if kind == "inputs.parameters" else str(artifacts / name / "file")

    words = [*container["command"], *container["args"]]
    filled = [re.sub(r"\{\{\$\.([a-z]+\.[a-z]+)\['(\w+)'\](?:\.\w+)?\}\}", value, word) for word in words]
    assert not any("{{" in word for word in filled), filled
    return [word.replace("/model/", f"{model}/") for word in filled]
