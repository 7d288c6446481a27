"""Credentials of registries, from the Secrets that ModelRegistries name."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from typing import Final

from steersman.api.conditions import Reason
from steersman.ports import KubeClient, RegistryCredentials, RegistryError
from steersman.shell.secret_reader import SecretError, secret_data

CREDENTIALS_SECONDS: Final = 300.0
"""How long credentials are kept before the Secret is read again; a refusal reads it again at once."""


class RegistrySecrets:
    """Reads and remembers credentials, for all who speak with registries."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._known: dict[tuple[str, str], tuple[float, RegistryCredentials]] = {}

    def forget(self, namespace: str, name: str | None) -> None:
        """The registry refused them: read the Secret again next time."""
        if name is not None:
            self._known.pop((namespace, name), None)

    async def read(self, namespace: str, name: str | None) -> RegistryCredentials | None:
        """The credentials of a Secret; None without one. Raises RegistryError."""
        if name is None:
            return None
        where, now = (namespace, name), asyncio.get_running_loop().time()
        known = self._known.get(where)
        if known is not None and now - known[0] < CREDENTIALS_SECONDS:
            return known[1]
        try:
            credentials = _credentials(await secret_data(self._client, namespace, name), name)
        except SecretError as error:
            raise RegistryError(Reason.CREDENTIALS_NOT_FOUND, str(error)) from None
        self._known[where] = (now, credentials)
        return credentials


def _credentials(data: Mapping[str, str], name: str) -> RegistryCredentials:
    def value(key: str) -> str | None:
        try:
            return base64.b64decode(data[key], validate=True).decode().strip() if key in data else None
        except (binascii.Error, UnicodeDecodeError):
            raise RegistryError(Reason.CREDENTIALS_NOT_FOUND, f"key {key!r} of Secret {name!r} is not text") from None

    credentials = RegistryCredentials(value("username"), value("password"), value("token"))
    if credentials.token is None and (credentials.username is None or credentials.password is None):
        raise RegistryError(
            Reason.CREDENTIALS_NOT_FOUND, f"Secret {name!r} needs the keys username and password, or token"
        )
    return credentials
