"""Servers that answer with values over time only: of one moment, their latest value is the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod

from steersman.adapters.metrics.answers import latest
from steersman.adapters.transport import Transport
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import Secrets


class OverTimeServer(ABC):
    """Implements steersman.ports.MetricServer for those that read series."""

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport or Transport()

    async def query(self, query: MetricQuery, secrets: Secrets) -> tuple[Sample, ...]:
        """The last value of each series that has any. Raises MetricError."""
        return latest(await self._series(query, secrets))

    async def query_range(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        """Values over time, as far apart as the server has them. Raises MetricError."""
        return await self._series(query, secrets)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    @abstractmethod
    async def _series(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        """What the server has of the query's time. Raises MetricError."""
