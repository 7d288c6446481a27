"""Any HTTP API that answers with JSON: one request, and a JMESPath expression that picks the number."""

from __future__ import annotations

import math
from typing import Any

import jmespath

from steersman.adapters.metrics.answers import document, no_series
from steersman.adapters.transport import Request, Transport, header_value
from steersman.api.metric_providers import WebProvider as Settings
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import MetricError, Secrets


class WebProvider:
    """Implements steersman.ports.MetricServer."""

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport or Transport()

    async def query(self, query: MetricQuery, secrets: Secrets = Secrets()) -> tuple[Sample, ...]:  # noqa: B008  immutable
        """One number, or none where the expression finds nothing. Raises MetricError."""
        settings = Settings.model_validate_json(query.source.settings)
        headers: dict[str, str] = {}
        if settings.body is not None and not any(each.name.lower() == "content-type" for each in settings.headers):
            headers["Content-Type"] = "application/json"
        for header in settings.headers:
            if header.secret is not None:
                name = header.secret.secret_name
                secret = header_value(secrets.text(name, header.secret.key), name)
                headers[header.name] = (header.prefix or "") + secret
            else:
                headers[header.name] = header.value or ""
        answer = await self._transport.fetch(
            Request(
                "the web API",
                settings.url,
                settings.timeout,
                settings.method,
                headers=headers,
                body=settings.body.encode() if settings.body is not None else None,
                tls=self._transport.tls(settings.tls, secrets),
                too_large="ask for less",
            )
        )
        if answer.status >= 400:
            # What it says is not shown: an API may repeat what it was sent.
            raise MetricError(f"the web API at {answer.shown} answered HTTP {answer.status}")
        try:
            found = document(answer)
        except MetricError:
            raise MetricError(f"{answer.shown} answered HTTP {answer.status}, but not with JSON") from None
        return _number(settings.jmes_path, found)

    async def query_range(self, query: MetricQuery, secrets: Secrets = Secrets()) -> tuple[Series, ...]:  # noqa: B008
        """Raises MetricError."""
        raise no_series("web")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


def _number(expression: str, answer: Any) -> tuple[Sample, ...]:
    try:
        found = jmespath.search(expression, answer)
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError, RecursionError):
        # The library's message would show the answer.
        raise MetricError(f"jmesPath {expression!r} cannot be applied to the answer") from None
    if found is None:
        return ()
    if isinstance(found, bool | int | float):
        value = float(found)
    elif isinstance(found, str):
        try:
            value = float(found)
        except ValueError:
            raise MetricError(f"jmesPath {expression!r} picks a text that is no number") from None
    else:
        kind = "a list" if isinstance(found, list) else "an object"
        raise MetricError(f"jmesPath {expression!r} picks {kind}, where one number is needed")
    return (Sample({}, value),) if not math.isnan(value) else ()
