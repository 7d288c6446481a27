"""Models saved with MLflow, and the server around them."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from steersman_server import model
from steersman_server.app import App
from steersman_server.model import LoadedModel
from steersman_server.reply import JSON, Reply, Scope, call, request_scope
from steersman_server.settings import ServerSettings

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")

PICKY_SOURCE = Path(__file__).with_name("picky_model.py")


@pytest.fixture(scope="session")
def picky_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that fails in a different way for each value of its input (see picky_model.py), with signature and example."""
    return save_picky(tmp_path_factory.mktemp("picky") / "model", example=1.0)


def save_picky(directory: Path, example: float | None, signature: bool = True) -> Path:
    import mlflow
    import numpy
    import pandas

    frame = pandas.DataFrame({"x": [1.0, 2.0]})
    mlflow.pyfunc.save_model(
        directory,
        python_model=str(PICKY_SOURCE),
        signature=mlflow.models.infer_signature(frame, numpy.array([1.0])) if signature else None,
        pip_requirements=[],
    )
    if example is not None:
        add_example(directory, example)
    return directory


def add_example(directory: Path, value: float) -> None:
    """Give a saved model an input example; saving with one would run the model, which is what a test may not want."""
    import yaml

    body = {"dataframe_split": {"columns": ["x"], "data": [[value]]}}
    (directory / "serving_input_example.json").write_text(json.dumps(body))
    (directory / "input_example.json").write_text(json.dumps(body["dataframe_split"]))
    metadata = yaml.safe_load((directory / "MLmodel").read_text())
    metadata["saved_input_example_info"] = {
        "artifact_path": "input_example.json",
        "pandas_orient": "split",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
    }
    (directory / "MLmodel").write_text(yaml.safe_dump(metadata))


@pytest.fixture(scope="session")
def iris_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scikit-learn model of the iris data, saved with signature and input example as a user would."""
    import mlflow
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    features, target = load_iris(return_X_y=True, as_frame=True)
    classifier = LogisticRegression(max_iter=500).fit(features, target)
    directory = tmp_path_factory.mktemp("iris") / "model"
    mlflow.sklearn.save_model(classifier, directory, input_example=features.head(2), pip_requirements=["scikit-learn"])
    return directory


@pytest.fixture(scope="session")
def picky(picky_dir: Path) -> LoadedModel:
    return model.load(picky_dir)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a saved model, for a test to change."""
    return lambda directory: Path(shutil.copytree(directory, tmp_path / "copy"))


@pytest.fixture
def picky_app(picky: LoadedModel) -> App:
    """The application with the picky model loaded; 1,000 bytes are its largest body."""
    app = App(ServerSettings(model_name="picky", model_version="7", max_body_bytes=1000))
    app.model_loaded(picky, seconds=1.5)
    return app


async def get(app: App, path: str, **headers: str) -> Reply:
    return await call(app, request_scope("GET", path, headers), b"")


async def post(app: App, body: bytes, content_type: str | None = JSON) -> Reply:
    headers = {"content-length": str(len(body))} | ({"content-type": content_type} if content_type else {})
    return await call(app, request_scope("POST", "/invocations", headers), body)


async def predict(app: App, *values: object) -> Reply:
    """Send `values` as rows of the picky model's only column."""
    return await post(app, json.dumps({"dataframe_split": {"columns": ["x"], "data": [[v] for v in values]}}).encode())


def sample(app: App, name: str, **labels: str) -> float | None:
    """Return the value of one sample of the application's metrics, None when there is no such series."""
    return app.metrics.registry.get_sample_value(name, labels)


def post_scope() -> Scope:
    return request_scope("POST", "/invocations", {"content-type": JSON})
