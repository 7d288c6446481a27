"""Making the server ready: load the model, then answer requests with the model's own input example."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable

from steersman_server import model
from steersman_server.app import App, Phase
from steersman_server.guard import Prediction
from steersman_server.invocations import Invocations
from steersman_server.model import LoadedModel, ModelLoadError
from steersman_server.reply import JSON, request_scope
from steersman_server.settings import ServerSettings

_logger = logging.getLogger(__name__)

EXIT_LOAD_FAILED = 3
EXIT_SMOKE_FAILED = 4


class StartupError(Exception):
    """The server will never be ready; `exit_code` is what the process should end with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


async def make_ready(app: App, settings: ServerSettings) -> None:
    """Load the model in a thread, send it its input example as often as set, and let /ready answer 200.

    Raises StartupError: the model cannot be loaded, or fails on its own example; /ready then stays 503 and says why.
    """
    started = time.perf_counter()
    try:
        loaded = await _in_thread(lambda: model.load(settings.model_dir, settings.profile))
    except ModelLoadError as error:
        _logger.error("Model failed to load", exc_info=error.__cause__ or error)
        raise _failed(app, f"model failed to load: {error}", EXIT_LOAD_FAILED) from error
    seconds = time.perf_counter() - started
    invocations = app.model_loaded(loaded, seconds)
    _logger.info("Model loaded", extra={"fields": {"seconds": round(seconds, 3), "flavor": loaded.flavor}})
    if loaded.example is None:
        _logger.warning("The model was saved without an input example: ready without a smoke request")
        note = "loaded; no smoke request, for the model was saved without an input example"
    else:
        await _warm_up(app, invocations, loaded.example.encode(), settings.warm_up_requests)
        note = "loaded; the smoke request with the model's input example succeeded"
    # What is loaded by now stays for good: do not let every full collection walk it.
    gc.freeze()
    gc.enable()
    app.enter(Phase.READY, note)
    _logger.info("Ready", extra={"fields": {"seconds": round(time.perf_counter() - started, 3)}})


async def _warm_up(app: App, invocations: Invocations, example: bytes, times: int) -> None:
    """Send the model its own example, one request after the other; the first is the smoke request. None of them is counted."""
    for number in range(1, times + 1):
        app.enter(
            Phase.SMOKE, "answering the model's own input example" + (f", {number} of {times}" if times > 1 else "")
        )
        prediction = Prediction()
        scope = request_scope("POST", "/invocations", {"content-type": JSON})
        reply = await invocations.answer(scope, example, prediction)
        if reply.status != 200:
            reason = reply.body.decode().strip() if prediction.error is None else repr(prediction.error)
            raise _failed(
                app, f"smoke request with the model's input example got {reply.status}: {reason}", EXIT_SMOKE_FAILED
            )


def _failed(app: App, message: str, exit_code: int) -> StartupError:
    message = " ".join(message.split())
    message = message if len(message) <= 1000 else message[:1000] + " ..."
    app.enter(Phase.FAILED, message)
    return StartupError(message, exit_code)


async def _in_thread(load: Callable[[], LoadedModel]) -> LoadedModel:
    # A daemon thread, not an executor's: a load that hangs must not keep the process from ending.
    loop = asyncio.get_running_loop()
    result: asyncio.Future[LoadedModel] = loop.create_future()

    def settle(value: LoadedModel | None, error: BaseException | None) -> None:
        if result.cancelled():
            return
        if value is not None:
            result.set_result(value)
        else:
            result.set_exception(error or ModelLoadError("nothing was loaded"))

    def run() -> None:
        try:
            value, error = load(), None
        except BaseException as caught:
            value, error = None, caught
        loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="load", daemon=True).start()
    return await result
