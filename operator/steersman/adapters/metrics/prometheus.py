"""Queries to Prometheus and everything that speaks its HTTP API (Thanos, Mimir, VictoriaMetrics).

API: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steersman.adapters.http import one_line, server_url
from steersman.adapters.metrics.clocks import check_clocks
from steersman.adapters.transport import Answer, Request, Transport, authorization
from steersman.api.metric_access import Header, SecretRef, Tls
from steersman.api.metric_providers import PrometheusProvider as Settings
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import MetricError, Secrets

MAX_POINTS = 10_000
"""Of a series; Prometheus itself gives at most 11,000."""


OWN = "prometheus"
"""The name under which the operator's own files stand for a Secret."""


@dataclass(frozen=True)
class OwnAccess:
    """How the operator's own server is asked: with the files of a directory, read at each request, and with headers."""

    directory: Path | None = None
    """A mounted Secret: `token`, or `username` and `password`; `ca.crt`; `tls.crt` and `tls.key`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Such as a tenant's name."""

    def applied(self, settings: Settings) -> tuple[Settings, Secrets]:
        """Settings with them, and what they name. Raises MetricError when a file cannot be read."""
        headers = [Header(name=name, value=value) for name, value in self.headers.items()]
        if self.directory is None:
            return settings.model_copy(update={"headers": [*headers, *settings.headers]}), Secrets()
        try:
            files = {path.name: path.read_bytes() for path in self.directory.iterdir() if path.is_file()}
        except OSError as error:
            raise MetricError("cannot read the operator's own files with Prometheus's credentials") from error
        known = {"token", "username"} & files.keys()
        update = {
            "headers": [*headers, *settings.headers],
            "credentials": SecretRef(secret_name=OWN) if known else None,
            "tls": Tls(secret_name=OWN),
        }
        return settings.model_copy(update=update), Secrets("the operator's own", {OWN: files})


class PrometheusProvider:
    """Implements steersman.ports.MetricServer. `own` is for the default address only, never for one that a template names."""

    def __init__(
        self,
        default_address: str | None,
        transport: Transport | None = None,
        *,
        own: OwnAccess = OwnAccess(),
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`wall` gives seconds since the epoch, by the operator's clock."""
        self._default_address = default_address
        self._transport = transport or Transport()
        self._own = own
        self._wall = wall

    async def query(self, query: MetricQuery, secrets: Secrets = Secrets()) -> tuple[Sample, ...]:  # noqa: B008  immutable
        """Evaluate at the query's moment; NaN and infinities are kept. Raises MetricError."""
        settings = Settings.model_validate_json(query.source.settings)
        answer = await self._ask(settings, secrets, "query", _form(query.text, query.at))
        return _vector(answer)

    async def query_range(self, query: MetricQuery, secrets: Secrets = Secrets()) -> tuple[Series, ...]:  # noqa: B008
        """Values from `over.start` to the query's moment, one each `over.step`. Raises MetricError."""
        if query.over is None:
            raise MetricError("a query for values over time needs a time")
        settings = Settings.model_validate_json(query.source.settings)
        step = max(query.over.step, (query.at - query.over.start) / MAX_POINTS)
        times = {"start": f"{query.over.start:.3f}", "end": f"{query.at:.3f}", "step": f"{step:.3f}"}
        return _matrix(await self._ask(settings, secrets, "query_range", {"query": query.text, **times}))

    async def instant(self, address: str | None, promql: str, at: float) -> tuple[Sample, ...]:
        """Evaluate PromQL at a moment (seconds since the epoch), without a template's settings. Raises MetricError."""
        return _vector(await self._ask(Settings(address=address), Secrets(), "query", _form(promql, at)))

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _ask(self, settings: Settings, secrets: Secrets, what: str, form: Mapping[str, str]) -> Answer:
        base = settings.address if settings.address is not None else self._default_address
        if base is None:
            raise MetricError("no Prometheus address: the metric names none, and the operator has no default")
        try:
            url = f"{server_url(base)}/api/v1/{what}"
        except ValueError as error:
            raise MetricError(f"unusable Prometheus address: {error}") from None
        if settings.address is None:
            settings, secrets = self._own.applied(settings)
        sent = self._wall()
        answer = await self._transport.fetch(
            Request(
                "Prometheus",
                url,
                settings.timeout,
                "POST",
                headers={
                    **{header.name: header.value for header in settings.headers},
                    **authorization(settings.credentials, secrets),
                },
                form={**form, "timeout": f"{settings.timeout:g}s"},
                tls=self._transport.tls(settings.tls, secrets),
            )
        )
        if answer.status == 200:
            check_clocks(answer.shown, answer.headers.get("Date"), sent, self._wall())
        return answer


def _form(promql: str, at: float) -> dict[str, str]:
    return {"query": promql, "time": f"{at:.3f}"}


def _data(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
        succeeded = document["status"] == "success"
        if not succeeded:
            kind, said = document["errorType"], document["error"]
        else:
            data: dict[str, Any] = document["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise answer.malformed() from None
    if not succeeded:
        verb = "rejected" if kind == "bad_data" else "could not evaluate"
        raise MetricError(f"Prometheus {verb} the query: {one_line(said)}")
    return data


def _vector(answer: Answer) -> tuple[Sample, ...]:
    """Raises MetricError for everything but an instant vector or a scalar."""
    data = _data(answer)
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "scalar":
            return (Sample({}, _number(result)),)
        if kind != "vector":
            raise MetricError(f"the query gives a {one_line(kind, 20)}, where an instant vector or a scalar is needed")
        if any("histogram" in series and "value" not in series for series in result):
            raise MetricError("the query gives native histograms, where numbers are needed")
        return tuple(Sample(_labels(series["metric"]), _number(series["value"])) for series in result)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise answer.malformed() from None


def _matrix(answer: Answer) -> tuple[Series, ...]:
    data = _data(answer)
    try:
        if data["resultType"] != "matrix":
            raise MetricError(
                f"the query gives a {one_line(data['resultType'], 20)}, where values over time are needed"
            )
        if any("histograms" in series and "values" not in series for series in data["result"]):
            raise MetricError("the query gives native histograms, where numbers are needed")
        return tuple(
            Series(_labels(series["metric"]), tuple((float(pair[0]), _number(pair)) for pair in series["values"]))
            for series in data["result"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise answer.malformed() from None


def _number(pair: list[Any]) -> float:
    _, text = pair
    if not isinstance(text, str):
        raise TypeError("a value is a string")
    return float(text)


def _labels(metric: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in metric.items()}
