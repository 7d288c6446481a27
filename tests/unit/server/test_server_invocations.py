"""Status codes, bodies and metrics of /invocations."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from steersman_server import model
from steersman_server.app import App
from steersman_server.reply import Message, call, request_scope
from steersman_server.settings import ServerSettings

from .conftest import get, post, post_scope, predict, sample

RAISES, EXITS, RAISES_BAD_REQUEST, CANNOT_BE_ENCODED, OUT_OF_MEMORY = 100.0, -1.0, -2.0, -3.0, -4.0


async def test_answers_and_counts_rows(picky_app: App) -> None:
    reply = await predict(picky_app, 1.0, 2.0, 3.0)
    assert (reply.status, json.loads(reply.body)) == (200, {"predictions": [2.0, 4.0, 6.0]})
    assert sample(picky_app, "steersman_requests_total", code="200") == 1
    assert sample(picky_app, "steersman_predictions_total") == 3
    assert sample(picky_app, "steersman_request_duration_seconds_count") == 1
    assert sample(picky_app, "steersman_requests_in_progress") == 0


@pytest.mark.parametrize(
    ("value", "exception"),
    [
        (RAISES, "ValueError"),
        (EXITS, "SystemExit"),
        (RAISES_BAD_REQUEST, "MlflowException"),
        (CANNOT_BE_ENCODED, "TypeError"),
        (OUT_OF_MEMORY, "MemoryError"),
    ],
)
async def test_failure_of_the_model_is_a_500(picky_app: App, value: float, exception: str) -> None:
    reply = await predict(picky_app, 1.0, value)
    assert reply.status == 500
    error = json.loads(reply.body)
    assert error["error_code"] == "INTERNAL_ERROR"
    assert exception in error["message"]
    assert sample(picky_app, "steersman_requests_total", code="500") == 1
    assert sample(picky_app, "steersman_requests_total", code="400") == 0
    assert sample(picky_app, "steersman_exceptions_total", type=exception) == 1
    assert sample(picky_app, "steersman_predictions_total") == 0
    assert (await predict(picky_app, 1.0)).status == 200, "the server goes on"


async def test_failure_of_the_model_tells_the_log_and_not_the_client(
    picky_app: App, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "steersman_server.invocations"):
        replies = [await predict(picky_app, RAISES) for _ in range(3)]
    for reply in replies:
        assert set(json.loads(reply.body)) == {"error_code", "message"}
        assert b"Traceback" not in reply.body
        assert b"secret" not in reply.body
        assert b"picky_model" not in reply.body
    logged = [record for record in caplog.records if record.message == "The model failed"]
    assert len(logged) == 1, "once, not for each request"
    assert logged[0].exc_info is not None
    assert "the secret is 100.0" in str(logged[0].exc_info[1])


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"null", "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"dataframe_split": 3}', "application/json", 400),
        (b'{"dataframe_split": {"columns": ["x"], "data": [[1, 2]]}}', "application/json", 400),
        (b'{"dataframe_split": {"columns": ["y"], "data": [[1]]}}', "application/json", 400),
        (b'{"dataframe_split": {"columns": ["x"], "data": [["many"]]}}', "application/json", 400),
        (b'{"inputs": {"x": {"y": 1}}}', "application/json", 400),
        (b'{"instances": [{"x": [1], "y": 3}], "inputs": 1}', "application/json", 400),
        (b'{"inputs": {"x": [1.0]}, "params": {"unknown": 1}}', "application/json", 200),
        (b"[" * 900, "application/json", 400),
        (b"\xff", "text/csv", 400),
        (b"x\nmany\n", "text/csv", 400),
        (b"no parquet", "application/vnd.apache.parquet", 400),
        (b"{}", "application/xml", 415),
        (b"{}", "application/json; charset=latin-1", 415),
        (b"{}", None, 415),
    ],
)
async def test_bad_input_is_a_4xx(picky_app: App, body: bytes, content_type: str | None, status: int) -> None:
    reply = await post(picky_app, body, content_type)
    assert reply.status == status, reply.body
    assert b"Traceback" not in reply.body
    assert b"stack_trace" not in reply.body
    assert len(reply.body) < 3000
    assert sample(picky_app, "steersman_requests_total", code=str(status)) == 1
    assert sample(picky_app, "steersman_requests_total", code="500") == 0


async def test_get_is_405(picky_app: App) -> None:
    assert (await get(picky_app, "/invocations")).status == 405


async def test_csv_is_answered(picky_app: App) -> None:
    reply = await post(picky_app, b"x\n1\n2\n", "text/csv")
    assert (reply.status, json.loads(reply.body)) == (200, {"predictions": [2.0, 4.0]})


async def test_long_or_deep_input_is_a_short_400(picky: model.LoadedModel) -> None:
    app = App(ServerSettings())
    app.model_loaded(picky, 0)
    for body in (b'{"dataframe_split": "' + b"a" * 100_000 + b'"', b"[" * 100_000):
        reply = await post(app, body)
        assert reply.status == 400
        assert len(reply.body) < 3000


async def test_too_large_a_body_is_413_by_its_announced_length(picky_app: App) -> None:
    reply = await post(picky_app, b"x" * 1001)
    assert reply.status == 413
    assert (b"connection", b"close") in reply.headers
    assert sample(picky_app, "steersman_requests_total", code="413") == 1


async def test_too_large_a_body_is_413_by_what_arrives(picky_app: App) -> None:
    async with asyncio.timeout(5):  # there is nothing more to wait for
        reply = await call(picky_app, post_scope(), b"x" * 1001)
    assert reply.status == 413


async def test_the_rest_of_a_body_that_is_too_large_is_read_before_the_answer(picky_app: App) -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"x" * 600, "more_body": True} for _ in range(5)]
    messages.append({"type": "http.request", "body": b"x"})
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        assert not messages
        sent.append(message)

    await picky_app(post_scope(), receive, send)
    assert sent[0]["status"] == 413


async def test_a_client_that_asks_first_is_refused_at_once(picky_app: App) -> None:
    headers = {"content-type": "application/json", "content-length": "1001", "expect": "100-continue"}
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("asked for the body")

    async def send(message: Message) -> None:
        sent.append(message)

    await picky_app(request_scope("POST", "/invocations", headers), receive, send)
    assert sent[0]["status"] == 413


async def test_client_that_leaves_is_counted_as_499(picky_app: App) -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_: Message) -> None:
        return

    await picky_app(post_scope(), receive, send)
    assert sample(picky_app, "steersman_requests_total", code="499") == 1
    assert sample(picky_app, "steersman_requests_in_progress") == 0


async def test_a_slow_model_blocks_neither_probes_nor_metrics(picky_app: App) -> None:
    slow = asyncio.create_task(predict(picky_app, 3500.0))
    await asyncio.sleep(0.1)
    assert (await get(picky_app, "/live")).status == 200
    assert b"steersman_requests_in_progress 1.0" in (await get(picky_app, "/metrics")).body
    assert not slow.done()
    assert (await slow).status == 200


async def test_a_model_that_takes_too_long_is_504(picky_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "1")
    app = App(ServerSettings())
    app.model_loaded(model.load(picky_dir), 0)
    reply = await predict(app, 4300.0)
    assert reply.status == 504
    assert json.loads(reply.body)["error_code"] == "DEADLINE_EXCEEDED"
    assert sample(app, "steersman_exceptions_total", type="TimeoutError") == 1


async def test_type_hints_that_refuse_the_input_are_a_400(tmp_path: Path) -> None:
    import mlflow

    source = tmp_path / "hinted.py"
    source.write_text(
        "import mlflow, pydantic\n"
        "class Item(pydantic.BaseModel):\n"
        "    price: float\n"
        "class Hinted(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, model_input: list[Item]) -> list[float]:\n"
        "        return [100 / item.price for item in model_input]\n"
        "mlflow.models.set_model(Hinted())\n"
    )
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=str(source), pip_requirements=[])
    app = App(ServerSettings())
    app.model_loaded(model.load(tmp_path / "model"), 0)
    good = await post(app, b'{"inputs": [{"price": 4}]}')
    assert (good.status, json.loads(good.body)) == (200, {"predictions": [25.0]})
    refused = await post(app, b'{"inputs": [{"price": "free"}]}')
    assert refused.status == 400
    assert b"price" in refused.body
    raised = await post(app, b'{"inputs": [{"price": 0}]}')
    assert raised.status == 500
    assert sample(app, "steersman_exceptions_total", type="ZeroDivisionError") == 1


async def test_mlflow_routes_pass_through_and_others_do_not(picky_app: App) -> None:
    import mlflow

    assert (await get(picky_app, "/ping")).status == 200
    assert (await get(picky_app, "/health")).status == 200
    assert (await get(picky_app, "/version")).body.decode() == mlflow.__version__
    for path in ("/", "/docs", "/openapi.json", "/invocations/"):
        assert (await get(picky_app, path)).status == 404
    assert (await call(picky_app, request_scope("POST", "/predict"), b"")).status == 404


async def test_before_the_model_is_loaded_its_routes_are_503() -> None:
    app = App(ServerSettings())
    for path in ("/ping", "/version", "/invocations"):
        assert (await get(app, path)).status == 503
    assert sample(app, "steersman_requests_total", code="503") is None, "readiness kept traffic away; nothing to judge"


async def test_every_answer_names_the_model_version(picky: model.LoadedModel) -> None:
    app = App(ServerSettings(model_name="bösartig\r\nX-Evil: 1", model_version="7"))
    app.model_loaded(picky, 0)
    for path in ("/ping", "/nowhere"):
        headers = dict((await get(app, path)).headers)
        assert headers[b"x-steersman-model-version"] == b"7"
        assert headers[b"x-steersman-model"] == b"b%C3%B6sartig%0D%0AX-Evil: 1"
