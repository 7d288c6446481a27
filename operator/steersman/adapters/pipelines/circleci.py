"""CircleCI, API v2: https://circleci.com/docs/api/v2/. A pipeline has workflows, which have states; it is done when all of them are."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from steersman.adapters.pipelines.calls import Calls, secret_text, settings_of, text
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import CircleCIAction
from steersman.core.retraining.model import Order, Run, RunState
from steersman.ports import Secrets

_FAILED: Final = frozenset({"failed", "error", "canceled", "unauthorized", "not_run"})


class CircleCIPipeline:
    """Implements steersman.ports.Pipeline. There is no idempotency key, and nothing in a pipeline's listing by which to find it again."""

    repeatable = False

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(self, order: Order, secrets: Secrets) -> Run:
        """Trigger. Raises PipelineError."""
        settings = settings_of(CircleCIAction, order)
        path = f"/api/v2/project/{quote(settings.project, safe='/')}/pipeline"
        document: dict[str, Any] = {"parameters": dict(order.parameters)}
        if settings.definition_id is None:
            document["branch"] = settings.branch
        else:
            path += "/run"
            branch = {"branch": settings.branch}
            document |= {"definition_id": settings.definition_id, "config": branch, "checkout": branch}
        reply = await self._calls(settings, secrets).post(path, document)
        reply.require_success()
        found = reply.document()
        ref, number = text(found.get("id")), text(found.get("number"))
        if not ref:
            raise reply.malformed()
        app = settings.url.replace("https://circleci.com", "https://app.circleci.com")
        vcs, _, rest = settings.project.partition("/")
        names = {"gh": "github", "bb": "bitbucket"}
        url = f"{app}/pipelines/{names.get(vcs, vcs)}/{rest}/{number}" if number else ""
        return Run(RunState.RUNNING, ref, url)

    async def find(self, order: Order, secrets: Secrets) -> Run | None:
        """It cannot be found."""
        return None

    async def state(self, order: Order, ref: str, secrets: Secrets) -> Run:
        """How it stands. Raises PipelineError."""
        settings = settings_of(CircleCIAction, order)
        calls = self._calls(settings, secrets)
        reply = await calls.get(f"/api/v2/pipeline/{quote(ref, safe='')}/workflow")
        if reply.status == 404:
            return Run(RunState.GONE, ref, message=f"CircleCI has no pipeline {ref} any more")
        states = [text(each.get("status")) for each in reply.listed("items")]
        if not states:
            # Its configuration may have been refused: then it never has any.
            about = await calls.get(f"/api/v2/pipeline/{quote(ref, safe='')}")
            if about.status == 200 and about.document().get("state") == "errored":
                return Run(RunState.FAILED, ref, message="CircleCI could not make workflows of the configuration")
            return Run(RunState.RUNNING, ref, message="it has no workflows yet")
        bad = [state for state in states if state in _FAILED]
        if any(state not in _FAILED and state != "success" for state in states):
            return Run(RunState.RUNNING, ref, message="a workflow is on hold" if "on_hold" in states else "")
        if bad:
            return Run(RunState.FAILED, ref, message=f"a workflow ended as {bad[0]}")
        return Run(RunState.SUCCEEDED, ref)

    async def cancel(self, order: Order, ref: str, secrets: Secrets) -> None:
        """Cancel its workflows. Raises PipelineError."""
        settings = settings_of(CircleCIAction, order)
        calls = self._calls(settings, secrets)
        reply = await calls.get(f"/api/v2/pipeline/{quote(ref, safe='')}/workflow")
        for workflow in reply.listed("items") if reply.status == 200 else []:
            if text(workflow.get("id")) and text(workflow.get("status")) in ("running", "on_hold", "failing"):
                await calls.post(f"/api/v2/workflow/{quote(text(workflow['id']), safe='')}/cancel")

    def _calls(self, settings: CircleCIAction, secrets: Secrets) -> Calls:
        token = secret_text(secrets, settings.credentials.secret_name, "token")
        return Calls(self._transport, "CircleCI", settings.url, settings, secrets, Circle_Token=token)
