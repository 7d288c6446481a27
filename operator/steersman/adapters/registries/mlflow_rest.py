"""Requests to MLflow's REST API: bounded, in turns, and with every kind of trouble as a RegistryError.

Not through the mlflow package: its client keeps credentials in the process's environment, blocks, and retries for
minutes. API: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import aiohttp

from steersman.adapters.http import TooLarge, connection_trouble, new_session, one_line, read_bounded, server_url
from steersman.adapters.registries.mlflow_facts import Read
from steersman.api.conditions import Reason
from steersman.ports import RegistryCredentials, RegistryError

API: Final = "/api/2.0/mlflow"
ARTIFACT: Final = "/model-versions/get-artifact"
"""Files of a version, wherever they are: the server reads them. Not below the API."""
MISSING: Final = "RESOURCE_DOES_NOT_EXIST"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

T = TypeVar("T")


class Refusal(Exception):  # noqa: N818
    """MLflow answered with an error of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Transport:
    """Sends requests to any number of servers. One's trouble does not hold up another's: turns are counted for each URL."""

    def __init__(self, timeout: float, max_bytes: int, concurrency: int) -> None:
        """`timeout` is in seconds for one request, its wait for a turn included; `concurrency` requests go to one URL at a time."""
        self.timeout = timeout
        self._max_bytes = max_bytes
        self._concurrency = concurrency
        self._session: aiohttp.ClientSession | None = None
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def document(self, base: str, response: aiohttp.ClientResponse) -> Any:
        """The JSON of an answer. Raises Refusal, RegistryError."""
        return _document(base, response.status, await read_bounded(response, self._max_bytes))

    async def small(self, response: aiohttp.ClientResponse) -> bytes:
        """The body of an answer that is no file."""
        return await read_bounded(response, self._max_bytes)

    async def ask(
        self, method: str, base: str, path: str, headers: Mapping[str, str], read: Read[T], seconds: float, **given: Any
    ) -> T:
        """One request, its wait for a turn included in the seconds. Raises RegistryError, and what `read` raises."""
        if self._session is None:
            self._session = new_session()
        turns = self._turns.setdefault(base, asyncio.Semaphore(self._concurrency))
        try:
            async with (
                asyncio.timeout(seconds),
                turns,
                self._session.request(method, base + path, headers=headers, allow_redirects=False, **given) as response,
            ):
                return await read(response)
        except TimeoutError:
            said = f"the registry at {base} gave no answer within {seconds:g} s"
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, said) from None
        except TooLarge as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"the registry at {base}: {error}") from None
        except (aiohttp.InvalidURL, ValueError) as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"unusable registry URL {base}: {one_line(error)}") from None
        except (aiohttp.ClientError, OSError) as error:
            said = f"cannot reach the registry at {base}: {connection_trouble(error)}"
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, said) from None


class Server:
    """One registry with one set of credentials."""

    def __init__(self, transport: Transport, url: str, credentials: RegistryCredentials | None) -> None:
        """Raises RegistryError when the URL or the credentials cannot be used."""
        try:
            self.base = server_url(url)
        except ValueError as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"unusable registry URL: {error}") from None
        self._transport = transport
        self._headers = _authorization(credentials)

    @property
    def timeout(self) -> float:
        """Seconds for one request."""
        return self._transport.timeout

    async def get(self, path: str, query: Mapping[str, str]) -> Any:
        """A JSON document. Raises Refusal when MLflow answers with an error of its own, RegistryError for all else."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, str]) -> Any:
        """Change something. Raises Refusal, RegistryError."""
        return await self._call("POST", path, json=dict(body))

    async def _call(self, method: str, path: str, **given: Any) -> Any:
        async def read(response: aiohttp.ClientResponse) -> Any:
            return await self._transport.document(self.base, response)

        return await self._transport.ask(method, self.base, API + path, self._headers, read, self.timeout, **given)

    async def artifact(self, query: Mapping[str, str], read: Read[T], seconds: float) -> T | None:
        """A file of a version; None when it is not there. Raises RegistryError."""

        async def file(response: aiohttp.ClientResponse) -> T | None:
            if response.status == 200:
                return await read(response)
            body = await self._transport.small(response)
            if response.status == 404:
                return None
            try:
                _document(self.base, response.status, body)
            except Refusal as refusal:
                if refusal.code == MISSING:
                    return None
                raise RegistryError(Reason.REGISTRY_ERROR, f"MLflow at {self.base} gave no file: {refusal}") from None
            raise RegistryError(Reason.REGISTRY_ERROR, f"MLflow at {self.base} answered HTTP {response.status}")

        return await self._transport.ask("GET", self.base, ARTIFACT, self._headers, file, seconds, params=query)

    def malformed(self) -> RegistryError:
        """What answered is not MLflow."""
        return RegistryError(Reason.REGISTRY_ERROR, f"the server at {self.base} does not answer as MLflow does")

    def unexpected(self, refusal: Refusal) -> RegistryError:
        """A refusal that means nothing in particular."""
        return RegistryError(Reason.REGISTRY_ERROR, f"MLflow at {self.base} refused the request: {refusal}")


def _document(base: str, status: int, body: bytes) -> Any:
    """Parse an answer, or say what is wrong with it."""
    if status in (401, 403):
        said = f"the registry at {base} refused access (HTTP {status})"
        raise RegistryError(Reason.REGISTRY_UNAUTHORIZED, said)
    if status >= 500 or status == 429:
        raise RegistryError(Reason.REGISTRY_UNREACHABLE, f"the registry at {base} answered HTTP {status}")
    if 300 <= status < 400:
        said = f"the registry at {base} answered with a redirect (HTTP {status}), which is not followed"
        raise RegistryError(Reason.REGISTRY_ERROR, said)
    try:
        document = json.loads(body)
        if status == 200:
            return document
        raise Refusal(str(document["error_code"]), one_line(document.get("message", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        said = f"the server at {base} answered HTTP {status}, but not as MLflow does"
        raise RegistryError(Reason.REGISTRY_ERROR, said) from None


def _authorization(credentials: RegistryCredentials | None) -> dict[str, str]:
    """The header that MLflow's own client would send: user and password before a token."""
    if credentials is None:
        return {}
    if any(_CONTROL.search(part) for part in _secrets(credentials)):
        said = (
            "the registry's credentials hold a control character (often a line break at the end of the Secret's value)"
        )
        raise RegistryError(Reason.REGISTRY_UNAUTHORIZED, said)
    if credentials.username and credentials.password:
        pair = f"{credentials.username}:{credentials.password}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
    if credentials.token:
        return {"Authorization": f"Bearer {credentials.token}"}
    return {}


def _secrets(credentials: RegistryCredentials) -> list[str]:
    return [part for part in (credentials.username, credentials.password, credentials.token) if part]


@contextlib.contextmanager
def censored(credentials: RegistryCredentials | None) -> Iterator[None]:
    """A server may say what it was sent; the RegistryErrors that leave this block do not."""
    try:
        yield
    except RegistryError as error:
        message = str(error)
        for secret in (credentials.password, credentials.token) if credentials else ():
            if secret and len(secret) >= 4:
                message = message.replace(secret, "***")
        raise RegistryError(error.reason, message) from None
