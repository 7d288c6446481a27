"""A reference profile's whole way: logged with a model in a real MLflow server, fetched as a pod does, counted into by the real server process.

The model is trained on the breast cancer data of scikit-learn; requests are rows that it has not seen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.datasets import load_breast_cancer
from tests.component.adapters.conftest import MLflow
from tests.component.adapters.processes import free_port, running

OPERATOR = Path(__file__).resolve().parents[3] / "operator"
REVISION, EARLIER = "tumours-v1-aaaaaaaa", "tumours-v0-00000000"

LOG = """
import json, sys, warnings
import mlflow, pandas
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import steersman.profile
from steersman.profile import log_reference, read_reference

warnings.simplefilter("error", steersman.profile.ReferenceWarning)
rows, target = load_breast_cancer(return_X_y=True, as_frame=True)
train, labels = rows.iloc[:400], target.iloc[:400]
with mlflow.start_run() as run:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train, labels)
    info = mlflow.sklearn.log_model(
        model, name="model", input_example=train.head(2), registered_model_name="tumours", pip_requirements=["scikit-learn"]
    )
profile = log_reference(train, model=info, prediction=model.predict(train))

# Every way to name the model reaches the same file.
mlflow.MlflowClient().set_registered_model_alias("tumours", "champion", 1)
for name in (info, None, info.model_id, info.model_uri, f"runs:/{run.info.run_id}/model", "models:/tumours/1", "models:/tumours@champion"):
    assert read_reference(name) == profile, name
# Logged again, by another name, it replaces what is there.
assert log_reference(train.head(300), model="models:/tumours/1") == read_reference(info) != profile
log_reference(train, model=info, prediction=model.predict(train))

def reason(call):
    try:
        call()
    except steersman.profile.ReferenceDataError as error:
        return str(error)

print(json.dumps([
    reason(lambda: log_reference(train, model=model)),
    reason(lambda: log_reference(train, model="models:/tumours/99")),
    reason(lambda: log_reference(train, model="models:/nobody@champion")),
    reason(lambda: log_reference(train, model="runs:/0123/model")),
    reason(lambda: log_reference(train, model="s3:/bucket/model")),
    reason(lambda: log_reference(train, model="m-0123456789abcdef")),
]))
"""


@dataclass
class Served:
    """The server process, which serves what was fetched."""

    url: str

    def post(self, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response), dict(response.headers)

    def metrics(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """The samples of this name with these labels, by the values of their other labels in the order of their names."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as response:
            families = list(text_string_to_metric_families(response.read().decode()))
        return {
            tuple(value for key, value in sorted(sample.labels.items()) if key not in labels): sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        }


@pytest.fixture(scope="module")
def logged(mlflow: MLflow, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A model with a profile in the registry, by the public API alone; the reasons of some mistakes."""
    environment = {"MLFLOW_TRACKING_URI": mlflow.url, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(OPERATOR)}
    environment["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", LOG],
        env={**os.environ, **environment},
        cwd=tmp_path_factory.mktemp("client"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reasons: list[str] = json.loads(done.stdout.splitlines()[-1])
    return reasons


@pytest.fixture(scope="module")
def served(mlflow: MLflow, logged: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, port = tmp_path_factory.mktemp("pod"), free_port()
    environment = {"MODEL_DIR": str(folder / "model"), "PYTHONPATH": str(OPERATOR), "HOME": str(folder)}
    fetching = {"MODEL_URI": "models:/tumours/1", "MLFLOW_TRACKING_URI": mlflow.url}
    subprocess.run(
        [sys.executable, "-m", "steersman_server.fetch"],
        env={**os.environ, **environment, **fetching},
        cwd=folder,
        check=True,
        capture_output=True,
    )
    serving = {"HOST": "127.0.0.1", "PORT": str(port), "STEERSMAN_REVISION": REVISION, **environment}
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "steersman_server"], f"{url}/ready", folder / "log", env=serving):
        yield Served(url)


def test_mistakes_are_told_from_what_mlflow_answers(logged: list[str]) -> None:
    words = [
        "model must be what log_model returned",
        "the registry has no models:/tumours/99",
        "the registry has no models:/nobody@champion",
        "there is no run 0123",
        "'s3:/bucket/model' is no model",
        "the profile could not be stored with models:/m-0123456789abcdef",
    ]
    assert [expected in reason for expected, reason in zip(words, logged, strict=True)] == [True] * 6, logged


def test_requests_answers_and_feedback_are_counted(served: Served) -> None:
    rows, target = load_breast_cancer(return_X_y=True, as_frame=True)
    unseen, truth = rows.iloc[400:], target.iloc[400:].tolist()
    reference = served.metrics(
        "steersman_profile_reference_ratio", role="feature", column="mean radius", kind="numeric"
    )
    assert len(reference) == 11, "ten bins and (missing)"
    assert sum(reference.values()) == pytest.approx(1)
    assert served.metrics("steersman_profile_reference_rows", role="prediction") == {("prediction",): 400}
    observed = "steersman_profile_observations_total"
    assert set(served.metrics(observed).values()) == {0}

    frame = {"columns": list(unseen.columns), "data": unseen.to_numpy().tolist()}
    answer, headers = served.post("/invocations", {"dataframe_split": frame})
    assert headers["x-steersman-revision"] == REVISION
    predictions = answer["predictions"]
    classes = served.metrics(observed, role="prediction", column="prediction", kind="categorical")
    assert classes == {
        ("(missing)",): 0,
        ("(other)",): 0,
        ("0",): predictions.count(0),
        ("1",): predictions.count(1),
    }
    # Bins as Prometheus reads them: at most the bound, and more than the bound before.
    radius = served.metrics(observed, role="feature", column="mean radius", kind="numeric")
    bounds = sorted(float(name) for (name,) in radius if name != "(missing)")
    total = 0.0
    for bound in bounds:
        total += next(count for (name,), count in radius.items() if name != "(missing)" and float(name) == bound)
        assert total == (unseen["mean radius"] <= bound).sum()

    counted, _ = served.post("/feedback", {"predictions": predictions, "ground_truth": truth})
    assert counted == {"counted": 169, "skipped": 0, "predicted_by": REVISION, "task": "classification"}
    served.post("/feedback", {"predictions": [1], "ground_truth": [0], "revision": EARLIER})
    right = sum(predicted == true for predicted, true in zip(predictions, truth, strict=True))
    assert served.metrics("steersman_feedback_total") == {
        ("correct", REVISION): right,
        ("wrong", REVISION): 169 - right,
        ("correct", EARLIER): 0,
        ("wrong", EARLIER): 1,
    }
    drift = served.metrics("steersman_concept_drift_total", predicted_by=REVISION)
    assert drift == {("adwin",): 0, ("page_hinkley",): 0}

    # The labels turn round: what was right is wrong now.
    opposite = [1 - true for true in truth]
    for _ in range(3):
        served.post("/feedback", {"predictions": predictions, "ground_truth": opposite})
    drift = served.metrics("steersman_concept_drift_total", predicted_by=REVISION)
    assert min(drift.values()) == 1
