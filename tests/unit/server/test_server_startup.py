"""From nothing to ready: load, then the model's own input example."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steersman_server.app import App, Phase
from steersman_server.model import ModelLoadError, find, load
from steersman_server.reply import Reply
from steersman_server.settings import ServerSettings
from steersman_server.startup import EXIT_LOAD_FAILED, EXIT_SMOKE_FAILED, StartupError, make_ready

from .conftest import add_example, get, post, sample, save_picky


async def start(directory: Path) -> App:
    settings = ServerSettings(model_dir=directory, model_name="m", model_version="1")
    app = App(settings)
    await make_ready(app, settings)
    return app


async def failed(directory: Path, exit_code: int) -> str:
    """Start a server that cannot become ready; return what /ready gives as the reason."""
    settings = ServerSettings(model_dir=directory)
    app = App(settings)
    with pytest.raises(StartupError) as caught:
        await make_ready(app, settings)
    assert caught.value.exit_code == exit_code
    reply = await get(app, "/ready")
    assert reply.status == 503
    assert sample(app, "steersman_model_ready") == 0
    answer = json.loads(reply.body)
    assert answer["reason"] == "Failed"
    assert answer["message"] == str(caught.value)
    assert (await get(app, "/live")).status == 200
    assert "\n" not in answer["message"]
    return str(answer["message"])


async def test_a_real_model_becomes_ready(iris_dir: Path) -> None:
    settings = ServerSettings(model_dir=iris_dir)
    app = App(settings)
    assert (await get(app, "/ready")).status == 503
    starting = asyncio.create_task(make_ready(app, settings))
    await asyncio.sleep(0)
    waiting = json.loads((await get(app, "/ready")).body)
    assert (waiting["ready"], waiting["reason"]) == (False, "Loading")
    await starting
    reply = await get(app, "/ready")
    assert (reply.status, json.loads(reply.body)["ready"]) == (200, True)
    assert sample(app, "steersman_model_ready") == 1
    assert sample(app, "steersman_requests_total", code="200") == 0, "the smoke request is not a user's"
    body = (iris_dir / "serving_input_example.json").read_bytes()
    assert json.loads((await post(app, body)).body) == {"predictions": [0, 0]}
    wrong = b'{"dataframe_split": {"columns": ["sepal length (cm)"], "data": [[1.0]]}}'
    assert (await post(app, wrong)).status == 400


async def test_a_model_without_an_example_is_ready_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = await start(save_picky(tmp_path / "model", example=None))
    reply = await get(app, "/ready")
    assert reply.status == 200
    assert "without an input example" in json.loads(reply.body)["message"]
    assert "without an input example" in caplog.text


async def test_the_model_answers_its_example_as_often_as_asked(picky_dir: Path) -> None:
    settings = ServerSettings(model_dir=picky_dir, warm_up_requests=20)
    app = App(settings)
    answered = 0
    messages = set()
    loaded = app.model_loaded

    def counting(*arguments: Any, **more: Any) -> Any:
        invocations = loaded(*arguments, **more)
        answer = invocations.answer

        async def count(*arguments: Any) -> Reply:
            nonlocal answered
            answered += 1
            messages.add(app.message)
            assert (await get(app, "/ready")).status == 503
            return await answer(*arguments)

        invocations.answer = count
        return invocations

    app.model_loaded = counting  # type: ignore[method-assign]
    await make_ready(app, settings)
    assert answered == 20 and "answering the model's own input example, 20 of 20" in messages
    assert (await get(app, "/ready")).status == 200
    assert sample(app, "steersman_request_duration_seconds_count") == 0, "none of them is a user's"


async def test_an_example_of_an_old_mlflow_is_used(picky_dir: Path, copy_of: Callable[[Path], Path]) -> None:
    import yaml

    directory = copy_of(picky_dir)
    metadata = yaml.safe_load((directory / "MLmodel").read_text())
    del metadata["saved_input_example_info"]["serving_input_path"]
    (directory / "MLmodel").write_text(yaml.safe_dump(metadata))
    (directory / "serving_input_example.json").unlink()
    example = load(directory).example
    assert example is not None
    assert json.loads(example) == {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}


async def test_a_model_that_fails_on_its_own_example_is_never_ready(
    picky_dir: Path, copy_of: Callable[[Path], Path]
) -> None:
    directory = copy_of(picky_dir)
    add_example(directory, 100.0)
    message = await failed(directory, EXIT_SMOKE_FAILED)
    assert "500" in message
    assert "the secret is 100.0" in message, "who reads a pod's termination message may read its log"


async def test_an_example_that_violates_the_signature_is_never_ready(
    picky_dir: Path, copy_of: Callable[[Path], Path]
) -> None:
    directory = copy_of(picky_dir)
    (directory / "serving_input_example.json").write_text('{"dataframe_split": {"columns": ["y"], "data": [[1]]}}')
    assert "Model is missing inputs ['x']" in await failed(directory, EXIT_SMOKE_FAILED)


async def test_no_model(tmp_path: Path) -> None:
    assert "no MLmodel file" in await failed(tmp_path, EXIT_LOAD_FAILED)


@pytest.mark.parametrize(
    ("mlmodel", "message"),
    [
        ("flavors: {}\n", 'does not have the "python_function" flavor'),
        ("flavors: [", "while parsing"),
        ("flavors: {python_function: {loader_module: no_such_module}}\n", "No module named 'no_such_module'"),
        ("", "Error"),
    ],
)
async def test_an_mlmodel_that_mlflow_cannot_load(tmp_path: Path, mlmodel: str, message: str) -> None:
    (tmp_path / "MLmodel").write_text(mlmodel)
    assert message in await failed(tmp_path, EXIT_LOAD_FAILED)


@pytest.mark.parametrize("statement", ["raise RuntimeError('no weights\\nhere')", "import sys; sys.exit(9)"])
async def test_a_model_whose_own_code_fails_to_load(tmp_path: Path, statement: str) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: failing_loader, code: code}}\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "failing_loader.py").write_text(f"def _load_pyfunc(path):\n    {statement}\n")
    message = await failed(tmp_path, EXIT_LOAD_FAILED)
    assert "no weights here" in message or "sys.exit(9)" in message


def test_the_fetched_model_is_found_below_the_model_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="no MLmodel"):
        find(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").touch()
    assert find(tmp_path) == tmp_path / "model"
    (tmp_path / "MLmodel").touch()
    assert find(tmp_path) == tmp_path


def test_flavor_is_named(iris_dir: Path) -> None:
    assert load(iris_dir).flavor == "sklearn"


async def test_a_stop_while_loading_does_not_end_as_ready(picky_dir: Path) -> None:
    settings = ServerSettings(model_dir=picky_dir)
    app = App(settings)
    starting = asyncio.create_task(make_ready(app, settings))
    await asyncio.sleep(0)
    app.enter(Phase.DRAINING, "stopping")
    await starting
    assert (await get(app, "/ready")).status == 503
