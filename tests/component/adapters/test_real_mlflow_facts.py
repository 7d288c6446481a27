"""What gates need of a version, from a real MLflow server and a model that MLflow's own client logged."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.component.adapters.conftest import MLflow

from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.api.gates import Gate
from steersman.cli.main import main
from steersman.core.gates import Missing, ModelFile, Needs, RunFacts, judge, needs_of
from steersman.core.gates.signature import Field, Scalar, Signature

LOG = """
import sys, mlflow, pandas
from sklearn.linear_model import LogisticRegression

rows = pandas.DataFrame({"amount": [1.0, 2.0, 3.0, 4.0], "age": [1.0, 2.0, 3.0, 4.0]})
for columns, accuracy in ((["amount"], 0.93), (["amount", "age"], 0.91)):
    with mlflow.start_run():
        mlflow.log_param("C", 0.5)
        mlflow.set_tag("data", "validated")
        mlflow.log_metric("accuracy", 0.5, step=0)
        mlflow.log_metric("accuracy", accuracy + 0.02, step=1)
        model = LogisticRegression(C=0.5).fit(rows[columns], [0, 0, 1, 1])
        info = mlflow.sklearn.log_model(
            model, name="model", input_example=rows[columns].head(2), registered_model_name="gated",
            pip_requirements=["scikit-learn==1.7.0", "numpy"],
        )
        mlflow.sklearn.log_model(
            model, name="checkpoint", step=1, registered_model_name="checkpoints", pip_requirements=["scikit-learn"]
        )
        mlflow.log_metric("accuracy", accuracy, step=2)
"""
EVERYTHING = Needs(
    run=True, model_file=True, python=True, requirements=True, digests=frozenset({"requirements.txt", "none.pkl"})
)


@pytest.fixture(scope="session")
def gated(mlflow: MLflow, tmp_path_factory: pytest.TempPathFactory) -> MLflow:
    """The server with a model `gated`: version 2 asks for one column more than version 1."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": mlflow.url, "MLFLOW_DISABLE_TELEMETRY": "true"}
    folder = tmp_path_factory.mktemp("client")
    subprocess.run([sys.executable, "-c", LOG], check=True, env=environment, cwd=folder, capture_output=True)
    return mlflow


@pytest.fixture
async def registry() -> AsyncIterator[MLflowRegistry]:
    made = MLflowRegistry(timeout=30)
    yield made
    await made.close()


async def test_a_logged_model(gated: MLflow, registry: MLflowRegistry) -> None:
    facts = await registry.facts(gated.url, None, "gated", "2", EVERYTHING)
    assert isinstance(facts.run, RunFacts) and isinstance(facts.model_file, ModelFile)
    assert facts.run.metrics["accuracy"] == pytest.approx(0.91), "the run's latest, although the model has its first"
    assert facts.run.params["C"] == "0.5" and facts.run.tags["data"] == "validated"
    assert {"sklearn", "python_function"} <= set(facts.model_file.flavors) and facts.model_file.has_input_example
    signature = facts.model_file.signature
    assert isinstance(signature, Signature)
    assert signature.inputs == (Field("amount", Scalar("double")), Field("age", Scalar("double")))
    assert facts.python_version == "{}.{}.{}".format(*sys.version_info[:3])
    assert facts.requirements is not None and "scikit-learn==1.7.0" in facts.requirements  # type: ignore[operator]
    assert facts.created_at is not None and facts.created_at > 1_700_000_000
    assert isinstance(facts.digests["none.pkl"], Missing)
    lines = "\n".join(facts.requirements)  # type: ignore[arg-type]
    assert facts.digests["requirements.txt"] == hashlib.sha256(lines.encode()).hexdigest()


async def test_a_checkpoint_has_metrics_of_its_own(gated: MLflow, registry: MLflowRegistry) -> None:
    facts = await registry.facts(gated.url, None, "checkpoints", "2", Needs(run=True))
    assert isinstance(facts.run, RunFacts)
    assert facts.run.metrics["accuracy"] == pytest.approx(0.93), "of its step, although the run went on"


async def test_gates_of_two_versions(gated: MLflow, registry: MLflowRegistry) -> None:
    written = [
        {"name": "accuracy", "metric": {"name": "accuracy", "min": 0.9}},
        {"name": "no-worse", "notWorse": {"metric": "accuracy", "higherIsBetter": True, "tolerance": 0.01}},
        {"name": "signature", "signature": {}},
        {"name": "example", "inputExample": {}},
        {"name": "flavor", "flavor": {"oneOf": ["sklearn"]}},
        {"name": "scikit", "dependency": {"name": "scikit_learn", "specifier": ">=1.6,<2"}},
    ]
    gates = [Gate.model_validate(each) for each in written]
    stable = await registry.facts(gated.url, None, "gated", "1", needs_of(gates))
    candidate = await registry.facts(gated.url, None, "gated", "2", needs_of(gates))
    results = {each.name: each for each in judge(gates, candidate, stable, 2e9)}
    assert {name: each.phase.value for name, each in results.items()} == {
        "accuracy": "Pass",
        "no-worse": "Fail",
        "signature": "Fail",
        "example": "Pass",
        "flavor": "Pass",
        "scikit": "Pass",
    }
    assert results["signature"].message == "input 'age' (double) is new and required"


async def test_a_version_without_an_artifact(mlflow: MLflow, registry: MLflowRegistry) -> None:
    facts = await registry.facts(mlflow.url, None, "fraud", "1", EVERYTHING)
    assert isinstance(facts.run, RunFacts)
    assert isinstance(facts.model_file, Missing) and isinstance(facts.requirements, Missing)
    assert facts.tags["stage"] == "ok"


def test_the_command(gated: MLflow, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gates = [
        {"name": "signature", "signature": {}},
        {"name": "python", "python": {"versions": ">=3.11"}},
        {"name": "environment", "digest": {"path": "python_env.yaml", "sha256": "0" * 64}},
    ]
    manifest = {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "gated"},
        "spec": {"model": {"name": "gated", "version": "2"}, "gates": gates},
    }
    (tmp_path / "md.json").write_text(json.dumps(manifest))
    words = ["gate", "-f", str(tmp_path / "md.json"), "--registry-url", gated.url, "-o", "json"]
    assert main([*words, "--against", "1"]) == 1
    assert [each["phase"] for each in json.loads(capsys.readouterr().out)["gates"]] == ["Fail", "Pass", "Fail"]
    assert main([*words, "--version", "9"]) == 2
    assert "'gated' has no version 9" in capsys.readouterr().err
