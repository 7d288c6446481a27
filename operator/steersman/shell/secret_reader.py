"""Secrets of users, read when they are needed and kept for a minute."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Final

from steersman.ports import ApiError, KubeClient, MetricError, NotFound, Secrets

SECRET_SECONDS: Final = 60.0
"""How long a Secret is kept before it is read again; a refusal reads it again at once."""
SHORTEST_CENSORED: Final = 4
"""Characters of a Secret's value that are looked for in messages; shorter ones would be found everywhere."""


class SecretError(Exception):
    """A Secret is not there, or the API server does not give it; the message says which."""

    def __init__(self, message: str, *, missing: bool) -> None:
        super().__init__(message)
        self.missing = missing


async def secret_data(client: KubeClient, namespace: str, name: str) -> Mapping[str, str]:
    """What a Secret holds, still in base64. Raises SecretError."""
    try:
        secret = await client.get("v1", "Secret", namespace, name)
    except NotFound:
        raise SecretError(f"there is no Secret {name!r} in namespace {namespace!r}", missing=True) from None
    except ApiError as error:
        raise SecretError(f"Secret {name!r} could not be read (HTTP {error.status})", missing=False) from None
    return secret.get("data") or {}


class SecretReader:
    """Reads Secrets in the namespace that is named, which is the ModelDeployment's, and nowhere else."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._kept: dict[tuple[str, str], tuple[float, Mapping[str, bytes]]] = {}

    async def read(self, namespace: str, names: Iterable[str]) -> Secrets:
        """These Secrets. Raises MetricError for one that is not there or cannot be read."""
        return Secrets(namespace, {name: await self._one(namespace, name) for name in sorted(names)})

    def forget(self, secrets: Secrets) -> None:
        """Read these again the next time."""
        for name in secrets.values:
            self._kept.pop((secrets.namespace, name), None)

    async def _one(self, namespace: str, name: str) -> Mapping[str, bytes]:
        now = asyncio.get_running_loop().time()
        for where in [where for where, (read_at, _) in self._kept.items() if now - read_at >= SECRET_SECONDS]:
            del self._kept[where]
        known = self._kept.get((namespace, name))
        if known is not None:
            return known[1]
        try:
            held = await secret_data(self._client, namespace, name)
            data = {key: base64.b64decode(value, validate=True) for key, value in held.items()}
        except SecretError as error:
            raise MetricError(str(error)) from None
        except (binascii.Error, TypeError, ValueError):
            raise MetricError(f"Secret {name!r} in namespace {namespace!r} cannot be read") from None
        self._kept[namespace, name] = (now, data)
        return data


def censored(message: str, secrets: Secrets) -> str:
    """The message without any value of a Secret, which a server may have repeated."""
    values = {value.decode(errors="ignore").strip() for data in secrets.values.values() for value in data.values()}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SHORTEST_CENSORED:
            message = message.replace(value, "***")
    return message
