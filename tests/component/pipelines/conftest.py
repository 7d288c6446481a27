"""The tools of the example pipelines, each in its environment, and a registry with a version that serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.component.adapters.conftest import WITHOUT_JOBS, mlflow_command
from tests.component.adapters.processes import free_port, running
from tests.component.pipelines.workshop import Workshop, copied, environment_of


@pytest.fixture(scope="session")
def tools(pytestconfig: pytest.Config) -> Path:
    """Everything but Airflow."""
    return environment_of("tools", pytestconfig)


@pytest.fixture(scope="session")
def airflow(pytestconfig: pytest.Config) -> Path:
    """Airflow, whose dependencies suit nobody else's."""
    return environment_of("airflow", pytestconfig)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an MLflow server of these tests' own."""
    directory, port = tmp_path_factory.mktemp("registry"), free_port()
    url = f"http://127.0.0.1:{port}"
    with running(mlflow_command(directory, port), f"{url}/health", directory / "log", env=WITHOUT_JOBS):
        yield url


@pytest.fixture(scope="session")
def serving(registry: str, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A workshop whose data is validated. Version 1 serves; the gates refuse version 2."""
    made = copied(tmp_path_factory.mktemp("serving"), registry, tools)
    made.shell("python dataset.py data.csv; python validate_data.py data.csv --report report.json")
    made.shell("python train.py data.csv --report report.json")
    # Next to no regularisation: it knows its own rows by heart.
    made.shell("python train.py data.csv --report report.json --c 50 --version-file refused.txt")
    assert made.versions() == ["1", "2"]
    made.serve("1")
    return made


@pytest.fixture
def workshop(serving: Workshop, tools: Path, tmp_path: Path) -> Workshop:
    """A copy of the test's own. Version 1 serves."""
    serving.serve("1")
    return copied(tmp_path, serving.url, tools)
