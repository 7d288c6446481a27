"""Answering /invocations: limits, metrics, and status codes that tell the model's errors from the client's."""

import json
import logging
import time
from dataclasses import replace

from steersman_server.body import BodyTooLargeError, ClientDisconnectedError, discard_rest, read_body
from steersman_server.guard import CURRENT, Prediction
from steersman_server.logs import ExceptionLog
from steersman_server.metrics import Metrics
from steersman_server.reply import Application, Receive, Reply, Scope, call, header

_logger = logging.getLogger(__name__)

MESSAGE_LENGTH = 2000
"""Longest error message, in characters, that is passed on: MLflow's repeat the request's whole input."""


class Invocations:
    """Passes requests to MLflow's scoring server and makes sense of what it answers."""

    def __init__(self, application: Application, metrics: Metrics, max_body_bytes: int) -> None:
        self._application = application
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._exceptions = ExceptionLog(_logger)

    async def respond(self, scope: Scope, receive: Receive) -> Reply:
        """Answer one request and count it; never raises."""
        started = time.perf_counter()
        prediction = Prediction()
        with self._metrics.in_progress.track_inprogress():
            try:
                reply = await self.answer(scope, await read_body(scope, receive, self._max_body_bytes), prediction)
            except BodyTooLargeError as error:
                reply = Reply.error(413, "BAD_REQUEST", f"The body is larger than {self._max_body_bytes} bytes.")
                reply = replace(reply, close=True)
                if error.unread:
                    await discard_rest(scope, receive)
            except ClientDisconnectedError:
                reply = Reply(499)
        self._metrics.duration.observe(time.perf_counter() - started)
        self._metrics.requests.labels(str(reply.status)).inc()
        if reply.status == 200:
            self._metrics.predictions.inc(prediction.rows)
            if prediction.observation is not None:
                self._metrics.profile.add(prediction.observation)
        return reply

    async def answer(self, scope: Scope, body: bytes, prediction: Prediction) -> Reply:
        """Pass a request to the scoring server, note in `prediction` what the model did, and correct the response."""
        if scope["method"] == "POST" and header(scope, b"content-type") is None:
            return Reply.error(415, "BAD_REQUEST", "The request has no Content-Type.")
        failure: Exception | None = None
        reply = Reply(500)
        token = CURRENT.set(prediction)
        try:
            reply = await call(self._application, scope, body)
        except Exception as error:  # the scoring server handles no exception but MLflow's own
            failure = error
        finally:
            CURRENT.reset(token)
        if failure is None and reply.status < 400:
            return reply
        if prediction.error is not None:
            return self._model_failed(prediction.error, "The model raised")
        if reply.status == 504:
            self._metrics.exception("TimeoutError")
            return Reply.error(504, "DEADLINE_EXCEEDED", "The model did not answer in time.")
        if prediction.done:
            return self._model_failed(failure or TypeError(_message(reply)), "The model's output cannot be encoded:")
        if isinstance(failure, MemoryError):
            return self._model_failed(failure, "Out of memory:")
        if prediction.input_error:
            return Reply.error(400, "INVALID_PARAMETER_VALUE", _shorten(prediction.input_error))
        if failure is not None:
            self._exceptions.error("MLflow could not parse a request", failure)
            return Reply.error(400, "BAD_REQUEST", "The request could not be parsed.")
        return _client_error(reply)

    def _model_failed(self, error: BaseException, what: str) -> Reply:
        name = type(error).__name__
        self._metrics.exception(name)
        self._exceptions.error("The model failed", error)
        return Reply.error(500, "INTERNAL_ERROR", f"{what} {name}.")


def _client_error(reply: Reply) -> Reply:
    """Return the scoring server's error as a 4xx without MLflow's stack trace and without a long echo of the input."""
    error = _parsed(reply)
    if "error_code" not in error:  # not MLflow's: such as 405 and 415
        return reply
    if reply.status >= 500:  # MLflow's default for what it refuses before it calls the model
        return Reply.error(400, "BAD_REQUEST", _message(reply))
    return Reply.error(reply.status, str(error["error_code"]), _message(reply))


def _parsed(reply: Reply) -> dict[str, object]:
    try:
        content = json.loads(reply.body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _message(reply: Reply) -> str:
    return _shorten(str(_parsed(reply).get("message", "")))


def _shorten(text: str) -> str:
    half = MESSAGE_LENGTH // 2
    return text if len(text) <= MESSAGE_LENGTH else f"{text[:half]} ... {text[-half:]}"
