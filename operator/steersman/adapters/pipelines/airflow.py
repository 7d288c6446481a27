"""Apache Airflow: REST API v2 (Airflow 3) and v1 (Airflow 2).

https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from steersman.adapters.pipelines.calls import Calls, Reply, credentials, secret_text, settings_of, text
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import AirflowAction
from steersman.core.retraining.model import Began, Order, Run, RunState
from steersman.ports import PipelineError, Secrets

_STATES = {"success": RunState.SUCCEEDED, "failed": RunState.FAILED}
NAME = "Airflow"


class AirflowPipeline:
    """Implements steersman.ports.Pipeline. The idempotency key is the dag_run_id, which exists once."""

    repeatable = True

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(self, order: Order, secrets: Secrets) -> Run:
        """Begin, or find what was begun. Raises PipelineError."""
        settings = settings_of(AirflowAction, order)
        calls = await self._calls(settings, secrets)
        document: dict[str, Any] = {"dag_run_id": order.key, "conf": dict(order.parameters)}
        if settings.api == "v2":
            document["logical_date"] = None
        reply = await calls.post(_runs(settings), document)
        if reply.status == 409:
            # Airflow also answers so for a DAG run of another kind at the same date: its own id tells.
            found = await calls.get(f"{_runs(settings)}/{quote(order.key, safe='')}")
            if found.status == 200:
                return _run(found, order)
            raise reply.refused()
        if reply.status in (404, 422):
            raise reply.refused()
        return _run(reply, order)

    async def find(self, order: Order, secrets: Secrets) -> Run | None:
        """Starting again does the same."""
        return await self.start(order, secrets)

    async def state(self, order: Order, ref: str, secrets: Secrets) -> Run:
        """How it stands. Raises PipelineError."""
        settings = settings_of(AirflowAction, order)
        reply = await (await self._calls(settings, secrets)).get(f"{_runs(settings)}/{quote(ref, safe='')}")
        if reply.status == 404:
            return Run(RunState.GONE, ref, message=f"Airflow has no DAG run {ref} of {settings.dag} any more")
        return _run(reply, order)

    async def cancel(self, order: Order, ref: str, secrets: Secrets) -> None:
        """Mark it as failed, which ends its tasks. Raises PipelineError."""
        settings = settings_of(AirflowAction, order)
        calls = await self._calls(settings, secrets)
        await calls.post(f"{_runs(settings)}/{quote(ref, safe='')}", {"state": "failed"}, method="PATCH")

    async def _calls(self, settings: AirflowAction, secrets: Secrets) -> Calls:
        ref = settings.credentials
        if settings.api == "v2" and ref is not None and secrets.optional(ref.secret_name, "token") is None:
            login = {key: secret_text(secrets, ref.secret_name, key) for key in ("username", "password")}
            reply = await Calls(self._transport, NAME, settings.url, settings, secrets).post("/auth/token", login)
            token = text(reply.document().get("access_token")) if reply.status in (200, 201) else ""
            if not token:
                raise PipelineError(f"Airflow at {reply.shown} gave no token for the credentials", Began.REFUSED)
            return Calls(self._transport, NAME, settings.url, settings, secrets, Authorization=f"Bearer {token}")
        return Calls(self._transport, NAME, settings.url, settings, secrets, **credentials(ref, secrets))


def _runs(settings: AirflowAction) -> str:
    return f"/api/{settings.api}/dags/{quote(settings.dag, safe='')}/dagRuns"


def _run(reply: Reply, order: Order) -> Run:
    reply.require_success()
    found = reply.document()
    state, ref = found.get("state"), text(found.get("dag_run_id"))
    if not isinstance(state, str) or ref != order.key:
        raise reply.malformed()
    message = "the DAG run failed" if state == "failed" else state if state == "queued" else ""
    settings = json.loads(order.settings)
    url = f"{settings['url'].rstrip('/')}/dags/{quote(settings['dag'], safe='')}/runs/{quote(ref, safe='')}"
    return Run(_STATES.get(state, RunState.RUNNING), ref, url if settings.get("api", "v2") == "v2" else "", message)
