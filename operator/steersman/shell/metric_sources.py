"""From a query to the server that answers it, with the Secrets that its settings name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from pydantic import ValidationError

from steersman.api.analysis import PROVIDERS, Metric
from steersman.api.faults import faults
from steersman.api.metric_access import ProviderSettings
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import AccessRefused, KubeClient, MetricError, MetricServer, Secrets
from steersman.shell.secret_reader import SecretReader, censored

Answer = TypeVar("Answer")


def _settings_of(provider: str) -> type[ProviderSettings]:
    fields = {word: field for field, word in PROVIDERS.items()}
    annotation = Metric.model_fields[fields[provider]].annotation
    found = next(each for each in getattr(annotation, "__args__", ()) if each is not type(None))
    settings: type[ProviderSettings] = found
    return settings


SETTINGS: Final = {word: _settings_of(word) for word in PROVIDERS.values()}
"""The settings' model of each provider."""


class MetricSources:
    """Implements steersman.ports.MetricProvider over one server for each kind of provider.

    Secrets are read in the namespace that the query's source names, which is the ModelDeployment's, and nowhere else.
    """

    def __init__(self, servers: Mapping[str, MetricServer], client: KubeClient) -> None:
        self._servers = servers
        self._secrets = SecretReader(client)

    async def query(self, query: MetricQuery) -> tuple[Sample, ...]:
        """Evaluate at the query's moment. Raises MetricError, whose message shows no Secret."""
        return await self._with_secrets(query, lambda server, secrets: server.query(query, secrets))

    async def query_range(self, query: MetricQuery) -> tuple[Series, ...]:
        """Values over time. Raises MetricError, whose message shows no Secret."""
        if not SETTINGS[query.source.provider].series and query.source.provider != "plugin":
            said = f"{query.source.provider} has one value at a time: use a provider with values over time"
            raise MetricError(said)
        return await self._with_secrets(query, lambda server, secrets: server.query_range(query, secrets))

    async def close(self) -> None:
        """Close every server's connections."""
        for server in self._servers.values():
            await server.close()

    async def _with_secrets(
        self, query: MetricQuery, send: Callable[[MetricServer, Secrets], Awaitable[Answer]]
    ) -> Answer:
        provider, namespace = query.source.provider, query.source.namespace
        server = self._servers.get(provider)
        if server is None:
            raise MetricError(f"this operator knows no metric provider {provider}")
        try:
            names = sorted(SETTINGS[provider].model_validate_json(query.source.settings).secret_names())
        except ValidationError as error:
            raise MetricError(f"the settings of {provider} cannot be used: {faults(error)}") from None
        if names and namespace is None:
            raise MetricError(f"the settings of {provider} name a Secret, but no namespace is known for it")
        secrets = await self._secrets.read(namespace or "", names)
        try:
            return await send(server, secrets)
        except MetricError as error:
            if isinstance(error, AccessRefused):
                self._secrets.forget(secrets)
            said = censored(str(error), secrets)
            if said == str(error):
                raise
            raise MetricError(said) from None
