"""Kubeflow Pipelines, API v2beta1: https://www.kubeflow.org/docs/components/pipelines/reference/api/kubeflow-pipeline-api-spec/."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from steersman.adapters.pipelines.calls import Calls, Reply, credentials, settings_of, text
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import KubeflowAction
from steersman.core.retraining.model import Order, Run, RunState
from steersman.ports import Secrets

RUNS = "/apis/v2beta1/runs"
_STATES = {
    "SUCCEEDED": RunState.SUCCEEDED,
    "SKIPPED": RunState.SUCCEEDED,
    "FAILED": RunState.FAILED,
    "CANCELED": RunState.FAILED,
}


class KubeflowPipeline:
    """Implements steersman.ports.Pipeline. The API has no idempotency key: a run is found again by its display name."""

    repeatable = False

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(self, order: Order, secrets: Secrets) -> Run:
        """Begin. Raises PipelineError."""
        settings = settings_of(KubeflowAction, order)
        version = {"pipeline_id": settings.pipeline_id}
        if settings.pipeline_version_id is not None:
            version["pipeline_version_id"] = settings.pipeline_version_id
        document: dict[str, Any] = {
            "display_name": order.key,
            "pipeline_version_reference": version,
            "runtime_config": {"parameters": dict(order.parameters)},
        }
        if settings.experiment_id is not None:
            document["experiment_id"] = settings.experiment_id
        if settings.service_account is not None:
            document["service_account"] = settings.service_account
        reply = await self._calls(settings, secrets).post(RUNS, document)
        reply.require_success()
        return _run(reply, reply.document())

    async def find(self, order: Order, secrets: Secrets) -> Run | None:
        """The run of this name. Raises PipelineError."""
        settings = settings_of(KubeflowAction, order)
        predicate = {"key": "display_name", "operation": "EQUALS", "string_value": order.key}
        query = f"?page_size=10&filter={quote(json.dumps({'predicates': [predicate]}), safe='')}"
        if settings.experiment_id is not None:
            query += f"&experiment_id={quote(settings.experiment_id, safe='')}"
        reply = await self._calls(settings, secrets).get(RUNS + query)
        reply.require_success()
        named = [each for each in reply.listed("runs", may_be_absent=True) if each.get("display_name") == order.key]
        return _run(reply, named[0]) if named else None

    async def state(self, order: Order, ref: str, secrets: Secrets) -> Run:
        """How it stands. Raises PipelineError."""
        settings = settings_of(KubeflowAction, order)
        reply = await self._calls(settings, secrets).get(f"{RUNS}/{quote(ref, safe='')}")
        if reply.status == 404:
            return Run(RunState.GONE, ref, message=f"Kubeflow Pipelines has no run {ref} any more")
        return _run(reply, reply.document())

    async def cancel(self, order: Order, ref: str, secrets: Secrets) -> None:
        """Terminate it. Raises PipelineError."""
        settings = settings_of(KubeflowAction, order)
        await self._calls(settings, secrets).post(f"{RUNS}/{quote(ref, safe='')}:terminate")

    def _calls(self, settings: KubeflowAction, secrets: Secrets) -> Calls:
        headers = credentials(settings.credentials, secrets)
        return Calls(self._transport, "Kubeflow Pipelines", settings.url, settings, secrets, **headers)


def _run(reply: Reply, found: dict[str, Any]) -> Run:
    ref, state = text(found.get("run_id")), text(found.get("state"))
    if not ref:
        raise reply.malformed()
    error = found.get("error")
    said = text(error.get("message")) if isinstance(error, dict) else ""
    return Run(_STATES.get(state, RunState.RUNNING), ref, message=said or (state if state == "CANCELED" else ""))
