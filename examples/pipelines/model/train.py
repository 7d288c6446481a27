"""Trains the model and registers it in MLflow as a new version of `tumours`. No alias moves: that is promote.py, after the gates.

python train.py data.csv --report report.json --c 0.5 --version-file version.txt
"""

import argparse
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas
import sklearn
from dataset import TARGET, digest, read
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, precision_score, recall_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

NAME = "tumours"
SEED = 7


@dataclass
class Trained:
    """A model, what it scored, and the rows that it did not see."""

    model: Pipeline
    parameters: Mapping[str, float]
    metrics: Mapping[str, float]
    unseen: pandas.DataFrame


def split(table: pandas.DataFrame) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Rows to train on and rows to test on, the same ones each time."""
    return train_test_split(table, test_size=0.3, stratify=table[TARGET], random_state=SEED)


def train(table: pandas.DataFrame, c: float = 0.5) -> Trained:
    """Fit on one part of the table and score on both; `c` is the inverse strength of the regularisation."""
    seen, unseen = split(table)
    model = untrained(c)
    model.fit(seen.drop(columns=TARGET), seen[TARGET])
    metrics = {**scores(model, unseen), **{f"training_{name}": value for name, value in scores(model, seen).items()}}
    return Trained(model, {"C": c, "seed": SEED}, metrics, unseen)


def untrained(c: float) -> Pipeline:
    """The model before it has seen anything."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))


def cross_validated(table: pandas.DataFrame, c: float) -> float:
    """Log loss by cross-validation on the rows to train on: what a search may look at without spoiling the rows to test on."""
    seen = split(table)[0]
    scored = cross_val_score(untrained(c), seen.drop(columns=TARGET), seen[TARGET], cv=5, scoring="neg_log_loss")
    return -float(scored.mean())


def scores(model: Pipeline, table: pandas.DataFrame) -> dict[str, float]:
    """How well the model does on the table."""
    features, truth = table.drop(columns=TARGET), table[TARGET]
    said = model.predict(features)
    return {
        "accuracy": accuracy_score(truth, said),
        "precision": precision_score(truth, said),
        "recall": recall_score(truth, said),
        "log_loss": log_loss(truth, model.predict_proba(features)),
    }


def register(trained: Trained) -> str:
    """Log the model to the run under way and register it; the version's number."""
    mlflow.log_params(trained.parameters)
    mlflow.log_metrics(trained.metrics)
    features = trained.unseen.drop(columns=TARGET)
    info = mlflow.sklearn.log_model(
        trained.model,
        name="model",
        signature=mlflow.models.infer_signature(features, trained.model.predict(features)),
        input_example=features.head(3),
        registered_model_name=NAME,
        pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"pandas=={pandas.__version__}"],
    )
    return str(info.registered_model_version)


def tags(data: Path, report: Path | None) -> dict[str, str]:
    """Where the run comes from. `data=validated` only for the very file that the validation saw."""
    found = {"mlflow.source.git.commit": commit(), "data.sha256": digest(data)}
    if report and report.exists() and json.loads(report.read_text())["sha256"] == found["data.sha256"]:
        found["data"] = "validated"
    return found


def commit() -> str:
    """The git commit of the code, as the CI says or git."""
    given = (os.environ.get(name) for name in ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "CIRCLE_SHA1"))
    if known := next(filter(None, given), None):
        return known
    asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def arguments() -> argparse.ArgumentParser:
    """What the command line of training says, and that of a search."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--version-file", type=Path, default=Path("version.txt"))
    return parser


def main() -> None:
    """Train and register, as the command line says; the server is MLFLOW_TRACKING_URI's."""
    parser = arguments()
    parser.add_argument("--c", type=float, default=0.5)
    given = parser.parse_args()
    table = read(given.data)
    mlflow.set_experiment(NAME)
    with mlflow.start_run(tags=tags(given.data, given.report)):
        mlflow.log_input(mlflow.data.from_pandas(table, source=str(given.data), name=NAME, targets=TARGET), "training")
        version = register(train(table, given.c))
    given.version_file.write_text(version + "\n")
    print(f"{NAME} version {version}")


if __name__ == "__main__":
    main()
