"""Graphite's render API.

API: https://graphite.readthedocs.io/en/stable/render_api.html
"""

from __future__ import annotations

import math
from urllib.parse import urlencode

from steersman.adapters.http import server_url
from steersman.adapters.metrics.answers import document, pairs, span, within
from steersman.adapters.metrics.over_time import OverTimeServer
from steersman.adapters.transport import Answer, Request, authorization
from steersman.api.metric_providers import GraphiteProvider as Settings
from steersman.core.analysis.model import MetricQuery, Series
from steersman.ports import MetricError, Secrets


class GraphiteProvider(OverTimeServer):
    """Implements steersman.ports.MetricServer."""

    async def _series(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        settings = Settings.model_validate_json(query.source.settings)
        start, end = span(query, settings.lookback)
        asked = {"target": query.text, "from": str(math.floor(start)), "until": str(math.floor(end)), "format": "json"}
        answer = await self._transport.fetch(
            Request(
                "Graphite",
                f"{server_url(settings.address)}/render?{urlencode(asked)}",
                settings.timeout,
                headers={
                    **{header.name: header.value for header in settings.headers},
                    **authorization(settings.credentials, secrets),
                },
                tls=self._transport.tls(settings.tls, secrets),
            )
        )
        return _read(answer, start, end)


def _read(answer: Answer, start: float, end: float) -> tuple[Series, ...]:
    if answer.status >= 400:
        # It answers with a page of HTML.
        raise MetricError(f"Graphite at {answer.shown} rejected the query (HTTP {answer.status}): check the target")
    found = document(answer)
    try:
        if not isinstance(found, list):
            raise TypeError("not a list of targets")
        return tuple(
            Series(
                {"target": str(series["target"])},
                within(pairs(series["datapoints"], time_at=1, value_at=0), start, end),
            )
            for series in found
        )
    except (KeyError, TypeError, ValueError, IndexError):
        raise answer.malformed() from None
