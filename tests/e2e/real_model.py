"""`python -m e2e.real_model TRACKING_URI NAME`: train a real scikit-learn model and register it, with signature and input example.

A process of its own, because MLflow's settings are those of the process.
"""

from __future__ import annotations

import sys

import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(uri: str, name: str) -> None:
    mlflow.set_tracking_uri(uri)
    features, target = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features, target)
    with mlflow.start_run():
        mlflow.log_metric("accuracy", float(model.score(features, target)))
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name=name,
            signature=infer_signature(features, model.predict(features)),
            input_example=features[:2],
            pip_requirements=["scikit-learn"],
        )
    version = str(info.registered_model_version)
    MlflowClient().set_registered_model_alias(name, "champion", version)
    print(version)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
