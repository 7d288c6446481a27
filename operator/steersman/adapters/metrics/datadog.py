"""Datadog's timeseries query.

API: https://docs.datadoghq.com/api/latest/metrics/query-timeseries-points/
"""

from __future__ import annotations

import math
from urllib.parse import urlencode

from steersman.adapters.http import one_line
from steersman.adapters.metrics.answers import document, pairs, span, within
from steersman.adapters.metrics.over_time import OverTimeServer
from steersman.adapters.transport import Answer, Request, header_value
from steersman.api.metric_providers import DatadogProvider as Settings
from steersman.core.analysis.model import MetricQuery, Series
from steersman.ports import MetricError, Secrets


class DatadogProvider(OverTimeServer):
    """Implements steersman.ports.MetricServer."""

    async def _series(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        settings = Settings.model_validate_json(query.source.settings)
        name = settings.credentials.secret_name
        start, end = span(query, settings.lookback)
        base = settings.address.rstrip("/") if settings.address is not None else f"https://api.{settings.site}"
        asked = {"from": str(math.floor(start)), "to": str(math.floor(end)), "query": query.text}
        answer = await self._transport.fetch(
            Request(
                "Datadog",
                f"{base}/api/v1/query?{urlencode(asked)}",
                settings.timeout,
                headers={
                    "DD-API-KEY": header_value(secrets.text(name, "api-key"), name),
                    "DD-APPLICATION-KEY": header_value(secrets.text(name, "app-key"), name),
                },
            )
        )
        return _read(answer, start, end)


def _read(answer: Answer, start: float, end: float) -> tuple[Series, ...]:
    found = document(answer)
    if not isinstance(found, dict):
        raise answer.malformed()
    if found.get("error") or found.get("errors") or found.get("status") == "error" or answer.status >= 400:
        said = found.get("error") or found.get("errors") or f"HTTP {answer.status}"
        raise MetricError(
            f"Datadog rejected the query: {one_line('; '.join(map(str, said)) if isinstance(said, list) else said)}"
        )
    try:
        return tuple(
            Series(
                {"scope": str(series.get("scope", ""))},
                within(pairs(series["pointlist"], time_at=0, value_at=1, scale=0.001), start, end),
            )
            for series in found["series"]
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise answer.malformed() from None
