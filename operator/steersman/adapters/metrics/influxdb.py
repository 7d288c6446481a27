"""InfluxDB 2, asked in Flux, answering in annotated CSV.

API: https://docs.influxdata.com/influxdb/v2/api/#operation/PostQuery
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

from steersman.adapters.http import one_line, server_url
from steersman.adapters.metrics.answers import within
from steersman.adapters.transport import Answer, Request, Transport, header_value
from steersman.api.metric_providers import InfluxDBProvider as Settings
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import MetricError, Secrets

NUMBERS = frozenset({"double", "long", "unsignedLong"})
"""Data types of a value."""


class InfluxDBProvider:
    """Implements steersman.ports.MetricServer."""

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport or Transport()

    async def query(self, query: MetricQuery, secrets: Secrets) -> tuple[Sample, ...]:
        """The last value of each table. Raises MetricError."""
        tables: dict[tuple[str, str], Sample] = {}
        answer = await self._ask(query, secrets)
        for row in _rows(answer):
            if row.value is not None:
                tables[row.table] = Sample(row.labels, row.value)
        return tuple(tables.values())

    async def query_range(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        """The values of each table at their `_time`. Raises MetricError."""
        if query.over is None:
            raise MetricError("a query for values over time needs a time")
        tables: dict[tuple[str, str], tuple[dict[str, str], list[tuple[float, float]]]] = {}
        answer = await self._ask(query, secrets)
        for row in _rows(answer):
            _, points = tables.setdefault(row.table, (row.labels, []))
            if row.time is None:
                raise MetricError("the query gives values without _time, where values over time are needed")
            if row.value is not None:
                points.append((row.time, row.value))
        return tuple(Series(labels, within(points, query.over.start, query.at)) for labels, points in tables.values())

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _ask(self, query: MetricQuery, secrets: Secrets) -> Answer:
        settings = Settings.model_validate_json(query.source.settings)
        headers = {"Content-Type": "application/json", "Accept": "application/csv"}
        if settings.credentials is not None:
            name = settings.credentials.secret_name
            headers["Authorization"] = f"Token {header_value(secrets.text(name, 'token'), name)}"
        body = {
            "query": query.text,
            "type": "flux",
            # So that now() is the look's moment, whenever the query arrives.
            "now": datetime.fromtimestamp(query.at, UTC).isoformat().replace("+00:00", "Z"),
            "dialect": {"annotations": ["datatype"], "header": True, "delimiter": ","},
        }
        answer = await self._transport.fetch(
            Request(
                "InfluxDB",
                f"{server_url(settings.address)}/api/v2/query?{urlencode({'org': settings.org})}",
                settings.timeout,
                "POST",
                headers=headers,
                body=json.dumps(body).encode(),
                tls=self._transport.tls(settings.tls, secrets),
            )
        )
        if answer.status >= 400:
            raise _refusal(answer)
        return answer


class _Row:
    """One record."""

    def __init__(self, cells: dict[str, str], types: dict[str, str]) -> None:
        self.table = (cells.get("result", ""), cells.get("table", ""))
        if types and types.get("_value") not in NUMBERS:
            raise MetricError(f"the query's _value is a {one_line(types['_value'], 30)}, where a number is needed")
        self.value = float(cells["_value"]) if cells["_value"] else None
        self.time = datetime.fromisoformat(cells["_time"]).timestamp() if cells.get("_time") else None
        ours = ("", "result", "table")
        self.labels = {name: value for name, value in cells.items() if name not in ours and not name.startswith("_")}


def _rows(answer: Answer) -> Iterator[_Row]:
    header: list[str] = []
    types: list[str] = []
    try:
        for cells in csv.reader(io.StringIO(answer.body.decode()), strict=True):
            if not any(cells):
                header = []
            elif cells[0] == "#datatype":
                types, header = cells, []
            elif cells[0].startswith("#"):
                header = []
            elif not header:
                header = cells
                if "error" not in header and "_value" not in header:
                    raise MetricError("the query's answer has no column _value: name the value so")
            elif "error" in header and "_value" not in header:
                said = dict(zip(header, cells, strict=False)).get("error", "")
                raise MetricError(f"InfluxDB could not evaluate the query: {one_line(said)}")
            else:
                yield _Row(
                    dict(zip(header, cells, strict=True)), dict(zip(header, types, strict=True)) if types else {}
                )
    except (ValueError, KeyError, csv.Error):
        raise answer.malformed() from None


def _refusal(answer: Answer) -> MetricError:
    try:
        said = json.loads(answer.body)
        return MetricError(f"InfluxDB rejected the query: {one_line(said.get('message') or said['error'])}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return answer.malformed()
