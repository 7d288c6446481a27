"""From a query to the server that answers it, with the Secrets that its settings name."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from pydantic import ValidationError

from steersman.api.analysis import PROVIDERS, Metric
from steersman.api.metric_access import ProviderSettings
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.ports import AccessRefused, ApiError, KubeClient, MetricError, MetricServer, NotFound, Secrets

SECRET_SECONDS: Final = 60.0
"""How long a Secret is kept before it is read again; a refusal reads it again at once."""
SHORTEST_CENSORED: Final = 4
"""Characters of a Secret's value that are looked for in messages; shorter ones would be found everywhere."""

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
        self._client = client
        self._secrets: dict[tuple[str, str], tuple[float, Mapping[str, bytes]]] = {}

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
            said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3])
            raise MetricError(f"the settings of {provider} cannot be used: {said}") from None
        if names and namespace is None:
            raise MetricError(f"the settings of {provider} name a Secret, but no namespace is known for it")
        secrets = Secrets(namespace or "", {name: await self._read(namespace or "", name) for name in names})
        try:
            return await send(server, secrets)
        except MetricError as error:
            if isinstance(error, AccessRefused):
                for name in names:
                    self._secrets.pop((namespace or "", name), None)
            censored = _censored(str(error), secrets)
            if censored == str(error):
                raise
            raise MetricError(censored) from None

    async def _read(self, namespace: str, name: str) -> Mapping[str, bytes]:
        now = asyncio.get_running_loop().time()
        for where in [where for where, (read_at, _) in self._secrets.items() if now - read_at >= SECRET_SECONDS]:
            del self._secrets[where]
        known = self._secrets.get((namespace, name))
        if known is not None:
            return known[1]
        try:
            secret = await self._client.get("v1", "Secret", namespace, name)
        except NotFound:
            raise MetricError(f"there is no Secret {name!r} in namespace {namespace!r}") from None
        except ApiError as error:
            raise MetricError(f"Secret {name!r} could not be read (HTTP {error.status})") from None
        try:
            data = {key: base64.b64decode(value, validate=True) for key, value in (secret.get("data") or {}).items()}
        except (binascii.Error, TypeError, ValueError):
            raise MetricError(f"Secret {name!r} in namespace {namespace!r} cannot be read") from None
        self._secrets[namespace, name] = (now, data)
        return data


def _censored(message: str, secrets: Secrets) -> str:
    """The message without any value of a Secret, which a server may have repeated."""
    values = {value.decode(errors="ignore").strip() for data in secrets.values.values() for value in data.values()}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SHORTEST_CENSORED:
            message = message.replace(value, "***")
    return message
