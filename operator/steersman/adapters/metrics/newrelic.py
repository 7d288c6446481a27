"""New Relic's NRQL by way of NerdGraph.

Account and query are variables of a constant GraphQL document, so that nothing is spliced into it.
API: https://docs.newrelic.com/docs/apis/nerdgraph/examples/nerdgraph-nrql-tutorial/
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from steersman.adapters.http import one_line
from steersman.adapters.metrics.answers import document, within
from steersman.adapters.transport import Answer, Request, Transport, header_value
from steersman.api.metric_providers import NewRelicProvider as Settings
from steersman.api.metric_providers import Region
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import MetricError, Secrets

ENDPOINTS: Final = {
    Region.US: "https://api.newrelic.com/graphql",
    Region.EU: "https://api.eu.newrelic.com/graphql",
}
DOCUMENT: Final = (
    "query($account: Int!, $nrql: Nrql!, $timeout: Seconds) "
    "{ actor { account(id: $account) { nrql(query: $nrql, timeout: $timeout) { results } } } }"
)
DEFAULT_LOOKBACK: Final = 300.0
MAX_BUCKETS: Final = 366
"""Of a TIMESERIES."""
_TIMES: Final = frozenset({"beginTimeSeconds", "endTimeSeconds", "inspectedCount", "timestamp"})


class NewRelicProvider:
    """Implements steersman.ports.MetricServer."""

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport or Transport()

    async def query(self, query: MetricQuery, secrets: Secrets) -> tuple[Sample, ...]:
        """One value for each row, that is for each facet. Raises MetricError."""
        settings = Settings.model_validate_json(query.source.settings)
        start = query.at - (settings.lookback or DEFAULT_LOOKBACK)
        # On a line of its own: the query may end with a comment.
        nrql = f"{query.text}\nSINCE {_milliseconds(start)} UNTIL {_milliseconds(query.at)}"
        answer = await self._ask(settings, secrets, nrql)
        read = [(_labels(row), _value(answer, row)) for row in _rows(answer)]
        return tuple(Sample(labels, value) for labels, value in read if value is not None)

    async def query_range(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        """A value for each step, at the end of its time. Raises MetricError."""
        if query.over is None:
            raise MetricError("a query for values over time needs a time")
        settings = Settings.model_validate_json(query.source.settings)
        start = query.over.start
        step = math.ceil(max(query.over.step, (query.at - start) / MAX_BUCKETS))
        nrql = f"{query.text}\nSINCE {_milliseconds(start)} UNTIL {_milliseconds(query.at)} TIMESERIES {step} seconds"
        answer = await self._ask(settings, secrets, nrql)
        found: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        try:
            for row in _rows(answer):
                points = found.setdefault(tuple(sorted(_labels(row).items())), [])
                value = _value(answer, row)
                if value is not None:
                    points.append((float(row["endTimeSeconds"]), value))
        except (KeyError, TypeError, ValueError):
            raise answer.malformed() from None
        return tuple(Series(dict(labels), within(points, start, query.at)) for labels, points in found.items())

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _ask(self, settings: Settings, secrets: Secrets, nrql: str) -> Answer:
        name = settings.credentials.secret_name
        variables = {"account": settings.account_id, "nrql": nrql, "timeout": max(5, math.ceil(settings.timeout))}
        return await self._transport.fetch(
            Request(
                "New Relic",
                settings.address or ENDPOINTS[settings.region],
                settings.timeout,
                "POST",
                headers={
                    "Content-Type": "application/json",
                    "API-Key": header_value(secrets.text(name, "api-key"), name),
                },
                body=json.dumps({"query": DOCUMENT, "variables": variables}).encode(),
            )
        )


def _milliseconds(moment: float) -> int:
    return math.floor(moment * 1000)


def _rows(answer: Answer) -> list[dict[str, Any]]:
    found = document(answer)
    try:
        if found.get("errors"):
            said = "; ".join(str(error["message"]) for error in found["errors"])
            raise MetricError(f"New Relic rejected the query: {one_line(said)}")
        account = found["data"]["actor"]["account"]
        if account is None:
            raise MetricError("New Relic shows nothing of this account: check accountId and the key's rights")
        rows = account["nrql"]["results"]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise TypeError("results are a list of rows")
    except (KeyError, TypeError, AttributeError):
        raise answer.malformed() from None
    return rows


def _labels(row: dict[str, Any]) -> dict[str, str]:
    facet = row.get("facet")
    if facet is None:
        return {}
    return {"facet": ",".join(map(str, facet)) if isinstance(facet, list) else str(facet)}


def _value(answer: Answer, row: dict[str, Any]) -> float | None:
    """The one number of a row. Percentiles and the like are an object of one number."""
    rest = {name: value for name, value in row.items() if name not in _TIMES and name != "facet"}
    for name in [name for name, value in rest.items() if isinstance(value, str)]:
        # With a facet each of its attributes is there by its name too.
        del rest[name]
    if len(rest) != 1:
        raise MetricError(f"the query gives {len(rest)} values in a row, where one is needed: select one thing")
    (value,) = rest.values()
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise answer.malformed()
    return float(value)
