"""Train on the labelled measurements, register the version with its reference profile, and point the alias at it.

DATA=measurements.csv MODEL_NAME=tumours MLFLOW_TRACKING_URI=http://... python train.py
"""

from __future__ import annotations

import os

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steersman.profile

LABEL = "malignant"


def validate(table: pd.DataFrame) -> None:
    """Refuse data that nobody should train on. Raises ValueError."""
    wrong = {
        "too few cases": len(table) < 100,
        "there are missing values": table.isna().any().any(),
        "not both diagnoses occur": set(table[LABEL]) != {0, 1},
        "a measurement is negative": (table.drop(columns=LABEL) < 0).any().any(),
    }
    if found := [what for what, holds in wrong.items() if holds]:
        raise ValueError("; ".join(found))


def main() -> None:
    """One training."""
    path, name = os.environ["DATA"], os.environ["MODEL_NAME"]
    table = pd.read_csv(path)
    validate(table)
    features, label = table.drop(columns=LABEL), table[LABEL]
    train_x, test_x, train_y, test_y = train_test_split(features, label, test_size=0.3, random_state=1, stratify=label)
    mlflow.set_experiment(name)
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(table, source=path, name="measurements"), context="training")
        mlflow.log_params({"C": 0.1, "rows": len(train_x)})
        # Steersman says why it asked for the training; a person's run has no reason.
        mlflow.set_tags({"data": "validated", "reason": os.environ.get("STEERSMAN_REASON", "by hand")})
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(train_x, train_y)
        mlflow.log_metrics(
            {
                "training_accuracy": accuracy_score(train_y, model.predict(train_x)),
                "accuracy": accuracy_score(test_y, model.predict(test_x)),
                "recall": recall_score(test_y, model.predict(test_x)),
            }
        )
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(features, model.predict(features)),
            input_example=test_x.head(40),
            pip_requirements=["mlflow", "scikit-learn", "pandas"],
        )
        steersman.profile.log_reference(features, model=info, prediction=model.predict(features))
    version = mlflow.register_model(info.model_uri, name).version
    MlflowClient().set_registered_model_alias(name, "champion", version)
    print(f"version {version} of {name} from run {run.info.run_id}")


if __name__ == "__main__":
    main()
