"""Requests to pipelines' servers, and what an answer means for a run that was to begin."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import aiohttp
from pydantic import ValidationError

from steersman.adapters.http import one_line
from steersman.adapters.transport import Answer, Request, Transport, authorization, header_value
from steersman.api.faults import faults
from steersman.api.meta import ApiModel
from steersman.api.metric_access import SecretRef
from steersman.api.retraining_actions import HttpTarget
from steersman.core.retraining.model import Began, Order
from steersman.ports import MetricError, PipelineError, Secrets

TIMEOUT: Final = 15.0
"""Seconds for one request, its wait for a turn included."""
LONGEST_WAIT: Final = 3600.0
"""Seconds that a server may ask to be left alone."""
MOST_SHOWN: Final = 160
"""Characters of what a server says."""

Model = TypeVar("Model", bound=ApiModel)


def settings_of(model: type[Model], order: Order) -> Model:
    """The settings of an order. Raises PipelineError."""
    try:
        return model.model_validate_json(order.settings)
    except ValidationError as error:
        raise PipelineError(f"the settings cannot be used: {faults(error)}", Began.REFUSED) from None


@dataclass(frozen=True)
class Reply:
    """An answer of the kind 2xx, 404, 409 or 422."""

    server: str
    shown: str
    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def document(self) -> dict[str, Any]:
        """The JSON object in it. Raises PipelineError."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self.malformed()
        return found

    def listed(self, key: str | None = None, *, may_be_absent: bool = False) -> list[dict[str, Any]]:
        """A list of JSON objects, or the one under a key. Raises PipelineError."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            raise self.malformed() from None
        if key is not None:
            absent: list[Any] | None = [] if may_be_absent else None
            found = found.get(key, absent) if isinstance(found, dict) else None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.malformed()
        return found

    def malformed(self) -> PipelineError:
        """What to say of an answer that is not as the server's API has it."""
        return PipelineError(f"{self.shown} answered HTTP {self.status}, but not as {self.server} does", Began.UNKNOWN)

    def require_success(self) -> None:
        """Raise PipelineError unless the status is 2xx."""
        if not 200 <= self.status < 300:
            raise self.refused()

    def refused(self) -> PipelineError:
        """What to say of an answer that says no."""
        return PipelineError(f"{self.server} at {self.shown} answered HTTP {self.status}{self.said}", Began.REFUSED)

    @property
    def said(self) -> str:
        """What the server says of an error, in short."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        for key in ("message", "detail", "error", "title"):
            told = found.get(key) if isinstance(found, dict) else None
            if isinstance(told, dict):
                told = told.get("message")
            if told and isinstance(told, str):
                return f": {one_line(told, MOST_SHOWN)}"
        return ""


class Calls:
    """Requests to one server of one ModelDeployment."""

    def __init__(
        self, transport: Transport, server: str, base: str, settings: HttpTarget, secrets: Secrets, **headers: str
    ) -> None:
        """`server` is what it is called in messages; headers hold what authenticates."""
        self._transport = transport
        self._server = server
        self._base = base
        self._settings = settings
        self._secrets = secrets
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def get(self, path: str) -> Reply:
        """GET. Raises PipelineError."""
        return await self._send("GET", path)

    async def post(
        self,
        path: str,
        document: Any = None,
        *,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """POST of a JSON document, a form or bytes. Raises PipelineError that says whether something may have begun."""
        content = {} if form is not None else {"Content-Type": "application/json"}
        if form is None and body is None:
            body = json.dumps(document if document is not None else {}).encode()
        return await self._send(method, path, {**content, **(headers or {})}, form, body)

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        try:
            answer = await self._transport.fetch(
                Request(
                    self._server,
                    self._base.rstrip("/") + path if path else self._base,
                    TIMEOUT,
                    method,
                    headers={**self._headers, **(headers or {})},
                    form=form,
                    body=body,
                    tls=self._transport.tls(self._settings.tls, self._secrets),
                    too_large="that is not what its API answers",
                    refusals=False,
                )
            )
        except MetricError as error:
            raise PipelineError(str(error), _of_transport(error)) from None
        return _reply(self._server, answer)


def _of_transport(error: MetricError) -> Began:
    """Whether something may have begun although there is no answer."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError):
        return Began.NOT_YET
    # Without a cause the request was not sent, or was answered with a redirect.
    return Began.REFUSED if cause is None else Began.UNKNOWN


def _reply(server: str, answer: Answer) -> Reply:
    reply = Reply(server, answer.shown, answer.status, answer.body, answer.headers)
    if 200 <= answer.status < 300 or answer.status in (404, 409, 422):
        return reply
    wait = _wait(answer.headers)
    # GitHub's secondary limits answer 403 with a time to wait.
    if answer.status == 429 or (answer.status == 403 and wait is not None):
        said = f"{server} at {answer.shown} asks for fewer requests (HTTP {answer.status})"
        raise PipelineError(said, Began.NOT_YET, again_after=wait if wait is not None else 60.0)
    if answer.status in (401, 403):
        raise PipelineError(
            f"{server} at {answer.shown} refused access (HTTP {answer.status}): check the credentials and what they permit",
            Began.REFUSED,
            access=True,
        )
    if answer.status >= 500:
        raise PipelineError(f"{server} at {answer.shown} answered HTTP {answer.status}", Began.UNKNOWN)
    raise reply.refused()


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After, or of GitHub's and GitLab's header for a limit that is used up."""
    value = headers.get("Retry-After", "").strip()
    seconds: float | None = None
    if re.fullmatch(r"[0-9]{1,9}", value):
        seconds = float(value)
    elif value:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = None
    if seconds is None and headers.get("X-RateLimit-Remaining", "").strip() == "0":
        reset = headers.get("X-RateLimit-Reset", "").strip()
        if re.fullmatch(r"[0-9]{1,12}", reset):
            seconds = float(reset) - datetime.now(UTC).timestamp()
    return None if seconds is None else min(LONGEST_WAIT, max(1.0, seconds))


def credentials(ref: SecretRef | None, secrets: Secrets) -> dict[str, str]:
    """The header of a Secret with `token`, or `username` and `password`. Raises PipelineError."""
    try:
        return authorization(ref, secrets)
    except MetricError as error:
        raise PipelineError(str(error), Began.REFUSED) from None


def secret_text(secrets: Secrets, name: str, key: str) -> str:
    """A Secret's value that goes into a header. Raises PipelineError."""
    try:
        return header_value(secrets.text(name, key), name)
    except MetricError as error:
        raise PipelineError(str(error), Began.REFUSED) from None


def text(value: Any) -> str:
    """A text or number of a JSON document as text, else nothing."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def web_url(value: Any) -> str:
    """A URL for a person, else nothing."""
    return value[:512] if isinstance(value, str) and re.fullmatch(r"https?://[^\s\"'<>]+", value) else ""
