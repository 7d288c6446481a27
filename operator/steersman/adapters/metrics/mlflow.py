"""A metric that was logged to an MLflow run.

API: https://mlflow.org/docs/latest/api_reference/rest-api.html#get-run
"""

from __future__ import annotations

import math
from urllib.parse import urlencode

from steersman.adapters.http import one_line, server_url
from steersman.adapters.metrics.answers import document, no_series
from steersman.adapters.transport import Answer, Request, Transport, authorization
from steersman.api.metric_providers import MLflowProvider as Settings
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import MetricError, Secrets


class MLflowProvider:
    """Implements steersman.ports.MetricServer."""

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport or Transport()

    async def query(self, query: MetricQuery, secrets: Secrets = Secrets()) -> tuple[Sample, ...]:  # noqa: B008  immutable
        """The metric's latest value; nothing when the run has no such metric. Raises MetricError."""
        settings = Settings.model_validate_json(query.source.settings)
        if settings.url is None:
            raise MetricError("the ModelDeployment's registry is not known now, and mlflow names no url")
        if not settings.run_id or "{" in settings.run_id:
            raise MetricError(
                "the registry names no run of the candidate's version: set mlflow.runId, or register from a run"
            )
        answer = await self._transport.fetch(
            Request(
                "MLflow",
                f"{server_url(settings.url)}/api/2.0/mlflow/runs/get?{urlencode({'run_id': settings.run_id})}",
                settings.timeout,
                headers=authorization(settings.credentials, secrets),
                tls=self._transport.tls(settings.tls, secrets),
                too_large="the run holds too much",
            )
        )
        return _read(answer, settings)

    async def query_range(self, query: MetricQuery, secrets: Secrets = Secrets()) -> tuple[Series, ...]:  # noqa: B008
        """Raises MetricError."""
        raise no_series("mlflow")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


def _read(answer: Answer, settings: Settings) -> tuple[Sample, ...]:
    found = document(answer)
    try:
        if answer.status >= 400:
            code, message = found["error_code"], found["message"]
            if code == "RESOURCE_DOES_NOT_EXIST":
                raise MetricError(f"MLflow at {answer.shown} has no run {settings.run_id}")
            raise MetricError(f"MLflow at {answer.shown} answered {one_line(code, 60)}: {one_line(message)}")
        run = found["run"]
        metrics = run.get("data", {}).get("metrics", [])
        # A value that JSON has no number for is a string: NaN, Infinity.
        values = [float(metric["value"]) for metric in metrics if metric["key"] == settings.metric]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise answer.malformed() from None
    return tuple(Sample({"run": settings.run_id}, value) for value in values if not math.isnan(value))
