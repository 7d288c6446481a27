"""A webhook in the form of Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

from yarl import URL

from steersman.adapters.pipelines.calls import Calls, credentials, secret_text, settings_of, text, web_url
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import WebhookAction
from steersman.core.retraining.model import Began, Order, Run, RunState
from steersman.ports import PipelineError, Secrets

_PLACEHOLDER = "{{retrainingId}}"


class WebhookPipeline:
    """Implements steersman.ports.Pipeline. The key is the webhook-id, by which receivers know a repeated message."""

    repeatable = True

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._clock = clock

    async def start(self, order: Order, secrets: Secrets) -> Run:
        """Send. Raises PipelineError."""
        settings = settings_of(WebhookAction, order)
        began = datetime.fromtimestamp(order.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = {"type": "steersman.retraining.requested", "timestamp": began, "data": dict(order.parameters)}
        body = json.dumps(message, separators=(",", ":")).encode()
        sent = str(int(self._clock()))
        signature = sign(secret_text(secrets, settings.secret.secret_name, settings.secret.key), order.key, sent, body)
        headers = {"webhook-id": order.key, "webhook-timestamp": sent, "webhook-signature": signature}
        reply = await self._calls(settings, settings.url, secrets).post("", body=body, headers=headers)
        reply.require_success()
        state = RunState.SUCCEEDED if settings.status_url is None else RunState.RUNNING
        return Run(state, order.key)

    async def find(self, order: Order, secrets: Secrets) -> Run | None:
        """Sending again does the same."""
        return await self.start(order, secrets)

    async def state(self, order: Order, ref: str, secrets: Secrets) -> Run:
        """What the status URL says. Raises PipelineError."""
        settings = settings_of(WebhookAction, order)
        if settings.status_url is None:
            return Run(RunState.SUCCEEDED, ref)
        url = settings.status_url.replace(_PLACEHOLDER, quote(order.key, safe=""))
        if settings.credentials is not None and URL(url).origin() != URL(settings.url).origin():
            raise PipelineError("statusUrl has another origin than url: the credentials are not sent there")
        reply = await self._calls(settings, url, secrets).get("")
        if not 200 <= reply.status < 300:
            raise PipelineError(f"the webhook's status URL at {reply.shown} answered HTTP {reply.status}")
        found = reply.document()
        state, said = text(found.get("state")).lower(), text(found.get("message"))
        if state not in ("running", "succeeded", "failed"):
            raise PipelineError(f"{reply.shown} has no `state` of running, succeeded or failed in its answer")
        return Run(RunState(state), ref, web_url(found.get("url")), said)

    async def cancel(self, order: Order, ref: str, secrets: Secrets) -> None:
        """A webhook cannot be taken back."""

    def _calls(self, settings: WebhookAction, url: str, secrets: Secrets) -> Calls:
        headers = credentials(settings.credentials, secrets)
        return Calls(self._transport, "the webhook", url, settings, secrets, **headers)


def sign(secret: str, key: str, timestamp: str, body: bytes) -> str:
    """The value of webhook-signature. Raises PipelineError for a secret that is not as it says."""
    try:
        signing = base64.b64decode(secret.removeprefix("whsec_"), validate=True) if secret[:6] == "whsec_" else b""
    except (binascii.Error, ValueError):
        raise PipelineError("the signing secret begins with whsec_, but is not base64", Began.REFUSED) from None
    digest = hmac.new(signing or secret.encode(), f"{key}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
