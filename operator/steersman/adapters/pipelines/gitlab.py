"""GitLab CI: https://docs.gitlab.com/api/pipeline_triggers/ and https://docs.gitlab.com/api/pipelines/."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from steersman.adapters.pipelines.calls import Calls, Reply, secret_text, settings_of, text, web_url
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import GitLabAction
from steersman.core.retraining.model import Order, Run, RunState
from steersman.ports import PipelineError, Secrets

EARLIER: Final = 300.0
"""Seconds that GitLab's clock may be behind."""
_ENDED: Final = {
    "success": RunState.SUCCEEDED,
    "failed": RunState.FAILED,
    "canceled": RunState.FAILED,
    "skipped": RunState.FAILED,
}


class GitLabPipeline:
    """Implements steersman.ports.Pipeline. There is no idempotency key: a pipeline is found again if its name (workflow:name) holds the id."""

    repeatable = False

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(self, order: Order, secrets: Secrets) -> Run:
        """Trigger. Raises PipelineError."""
        settings = settings_of(GitLabAction, order)
        form = {"token": secret_text(secrets, settings.credentials.secret_name, "trigger-token"), "ref": settings.ref}
        form |= {f"variables[{name}]": value for name, value in order.parameters.items()}
        # Not the API token: GitLab would take the trigger token for that of a user.
        calls = Calls(self._transport, "GitLab", settings.url, settings, secrets)
        reply = await calls.post(f"{_project(settings)}/trigger/pipeline", form=form)
        reply.require_success()
        return _run(reply, reply.document())

    async def find(self, order: Order, secrets: Secrets) -> Run | None:
        """The pipeline whose name holds the key. Raises PipelineError."""
        settings = settings_of(GitLabAction, order)
        since = datetime.fromtimestamp(order.at - EARLIER, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = f"?source=trigger&per_page=100&updated_after={quote(since, safe='')}"
        reply = await self._calls(settings, secrets).get(f"{_project(settings)}/pipelines{query}")
        reply.require_success()
        for found in reply.listed():
            if order.key in text(found.get("name")).split():
                return _run(reply, found)
        return None

    async def state(self, order: Order, ref: str, secrets: Secrets) -> Run:
        """How it stands. Raises PipelineError."""
        settings = settings_of(GitLabAction, order)
        reply = await self._calls(settings, secrets).get(f"{_project(settings)}/pipelines/{quote(ref, safe='')}")
        if reply.status == 404:
            raise PipelineError(
                f"GitLab shows no pipeline {ref} (HTTP 404): the Secret needs the key token with the scope read_api"
            )
        return _run(reply, reply.document())

    async def cancel(self, order: Order, ref: str, secrets: Secrets) -> None:
        """Cancel it, which takes a token with the scope api. Raises PipelineError."""
        settings = settings_of(GitLabAction, order)
        await self._calls(settings, secrets).post(f"{_project(settings)}/pipelines/{quote(ref, safe='')}/cancel")

    def _calls(self, settings: GitLabAction, secrets: Secrets) -> Calls:
        name = settings.credentials.secret_name
        headers = {}
        if secrets.optional(name, "token") is not None:
            headers["PRIVATE_TOKEN"] = secret_text(secrets, name, "token")
        return Calls(self._transport, "GitLab", settings.url, settings, secrets, **headers)


def _project(settings: GitLabAction) -> str:
    return f"/api/v4/projects/{quote(settings.project, safe='')}"


def _run(reply: Reply, found: dict[str, Any]) -> Run:
    ref, status = text(found.get("id")), text(found.get("status"))
    if not ref or not status:
        raise reply.malformed()
    state = _ENDED.get(status, RunState.RUNNING)
    said = f"the pipeline ended as {status}" if state == RunState.FAILED else ""
    if status in ("manual", "scheduled", "waiting_for_resource"):
        said = f"the pipeline waits: {status}"
    return Run(state, ref, web_url(found.get("web_url")), said)
