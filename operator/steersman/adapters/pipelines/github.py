"""GitHub Actions: https://docs.github.com/rest/actions/workflows#create-a-workflow-dispatch-event.

The answer names the run when it is asked to (`return_run_details`, since February 2026). GitHub Enterprise Server of before refuses that
word, and answers 204 without: there, and after a request whose answer was lost, the run is looked for by its title.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from steersman.adapters.pipelines.calls import Calls, Reply, secret_text, settings_of, text, web_url
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import GitHubAction
from steersman.core.retraining.model import Began, Order, Run, RunState
from steersman.ports import PipelineError, Secrets

EARLIER: Final = 300.0
"""Seconds that GitHub's clock may be behind."""
LOOKS: Final = 6
"""For a run that was dispatched and is not listed yet."""


class GitHubPipeline:
    """Implements steersman.ports.Pipeline. There is no idempotency key: a run is found again if its run-name holds the retraining's id."""

    repeatable = False

    def __init__(self, transport: Transport, *, look_seconds: float = 5.0) -> None:
        """`look_seconds` between looks for a run whose id was not answered."""
        self._transport = transport
        self._look_seconds = look_seconds

    async def start(self, order: Order, secrets: Secrets) -> Run:
        """Dispatch. Raises PipelineError."""
        settings = settings_of(GitHubAction, order)
        calls = self._calls(settings, secrets)
        document: dict[str, Any] = {"ref": settings.ref, "inputs": dict(order.parameters), "return_run_details": True}
        path = f"{_workflow(settings)}/dispatches"
        reply = await calls.post(path, document)
        if reply.status == 422 and b"return_run_details" in reply.body:
            del document["return_run_details"]
            reply = await calls.post(path, document)
        reply.require_success()
        if reply.status != 204:
            found = reply.document()
            ref = text(found.get("workflow_run_id"))
            if not ref:
                raise reply.malformed()
            return Run(RunState.RUNNING, ref, web_url(found.get("html_url")))
        for _ in range(LOOKS):
            await asyncio.sleep(self._look_seconds)
            try:
                run = await self.find(order, secrets)
            except PipelineError:
                continue
            if run is not None:
                return run
        raise PipelineError(
            "GitHub took the dispatch without naming a run, and no run's title holds the retraining's id: "
            "add `run-name: train ${{ inputs.retraining_id }}` to the workflow",
            Began.UNKNOWN,
        )

    async def find(self, order: Order, secrets: Secrets) -> Run | None:
        """The run whose title holds the key. Raises PipelineError."""
        settings = settings_of(GitHubAction, order)
        since = datetime.fromtimestamp(order.at - EARLIER, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = f"?event=workflow_dispatch&per_page=100&created={quote(f'>={since}', safe='')}"
        reply = await self._calls(settings, secrets).get(f"{_workflow(settings)}/runs{query}")
        reply.require_success()
        for found in reply.listed("workflow_runs"):
            if order.key in text(found.get("display_title")).split():
                return _run(reply, found)
        return None

    async def state(self, order: Order, ref: str, secrets: Secrets) -> Run:
        """How it stands. Raises PipelineError."""
        settings = settings_of(GitHubAction, order)
        reply = await self._calls(settings, secrets).get(f"{_actions(settings)}/runs/{quote(ref, safe='')}")
        if reply.status == 404:
            # Also what a token gets that may not see it.
            raise PipelineError(f"GitHub shows no run {ref} (HTTP 404): does the token permit to read actions?")
        return _run(reply, reply.document())

    async def cancel(self, order: Order, ref: str, secrets: Secrets) -> None:
        """Cancel it. Raises PipelineError."""
        settings = settings_of(GitHubAction, order)
        await self._calls(settings, secrets).post(f"{_actions(settings)}/runs/{quote(ref, safe='')}/cancel")

    def _calls(self, settings: GitHubAction, secrets: Secrets) -> Calls:
        headers = {
            "Authorization": f"Bearer {secret_text(secrets, settings.credentials.secret_name, 'token')}",
            "Accept": "application/vnd.github+json",
            "X_GitHub_Api_Version": "2022-11-28",
        }
        return Calls(self._transport, "GitHub", settings.url, settings, secrets, **headers)


def _actions(settings: GitHubAction) -> str:
    return f"/repos/{quote(settings.owner, safe='')}/{quote(settings.repository, safe='')}/actions"


def _workflow(settings: GitHubAction) -> str:
    return f"{_actions(settings)}/workflows/{quote(settings.workflow, safe='')}"


def _run(reply: Reply, found: dict[str, Any]) -> Run:
    ref, status = text(found.get("id")), text(found.get("status"))
    if not ref or not status:
        raise reply.malformed()
    url = web_url(found.get("html_url"))
    if status != "completed":
        waits = status in ("queued", "waiting", "pending", "requested", "action_required")
        return Run(RunState.RUNNING, ref, url, status if waits else "")
    conclusion = text(found.get("conclusion"))
    if conclusion == "success":
        return Run(RunState.SUCCEEDED, ref, url)
    return Run(RunState.FAILED, ref, url, f"the workflow run ended as {conclusion or 'unknown'}")
