"""One careful HTTP request, as metric providers, pipelines and data sources make it."""

from __future__ import annotations

import asyncio
import os
import ssl
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

import aiohttp
from yarl import URL

from steersman.adapters.http import TooLarge, connection_trouble, new_session, one_line, read_bounded, server_url
from steersman.api.metric_access import SecretRef, Tls
from steersman.ports import AccessRefused, MetricError, Secrets

MAX_BYTES: Final = 8 * 1024 * 1024
"""Of an answer, after decompression."""
CONCURRENCY: Final = 10
"""Requests to one server at a time."""
KEPT_CONTEXTS: Final = 64
"""Most TLS settings that are kept; making one reads all public authorities."""


@dataclass(frozen=True)
class Request:
    """What is asked, of whom."""

    server: str
    """What the server is called in messages, e.g. Prometheus."""
    url: str
    """Complete and encoded."""
    timeout: float
    """Seconds, the wait for a turn included."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = None
    body: bytes | None = None
    tls: ssl.SSLContext | bool = True
    too_large: str = "the query selects too much"
    """What to say of an answer that is too large."""
    refusals: bool = True
    """Whether 401 and 403 are a refusal; otherwise they are answers as any other."""


@dataclass(frozen=True)
class Answer:
    """What came back: neither a redirect nor a refusal."""

    server: str
    shown: str
    """The server's URL as it may be shown."""
    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def malformed(self) -> MetricError:
        """What to say of an answer that is not as the server's API has it."""
        return MetricError(f"{self.shown} answered HTTP {self.status}, but not as {self.server} does")


class Transport:
    """Sends requests; bounded in time, in size, and for each server in number. Close it when done."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, concurrency: int = CONCURRENCY) -> None:
        self._max_bytes = max_bytes
        self._concurrency = concurrency
        self._session: aiohttp.ClientSession | None = None
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._contexts: OrderedDict[tuple[str | None, str | None, str | None, bool], ssl.SSLContext] = OrderedDict()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def fetch(self, request: Request) -> Answer:
        """The answer. Raises MetricError for a timeout, too much, a redirect and no connection, AccessRefused for 401 and 403."""
        server = request.server
        try:
            shown = server_url(request.url)
            origin = str(URL(shown).origin())
        except ValueError as error:
            raise MetricError(f"unusable {server} address: {error}") from None
        if self._session is None:
            self._session = new_session()
        turns = self._turns.setdefault(origin, asyncio.Semaphore(self._concurrency))
        try:
            async with (
                asyncio.timeout(request.timeout),
                turns,
                self._session.request(
                    request.method,
                    URL(request.url, encoded=True),
                    headers=request.headers,
                    data=request.form if request.form is not None else request.body,
                    allow_redirects=False,
                    ssl=request.tls,
                ) as response,
            ):
                status, body = response.status, await read_bounded(response, self._max_bytes)
                received = response.headers
        except TimeoutError as error:
            raise MetricError(f"{server} at {origin} gave no answer within {request.timeout:g} s") from error
        except TooLarge as error:
            raise MetricError(f"{server} at {origin}: {error}; {request.too_large}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise MetricError(f"cannot reach {server} at {origin}: {connection_trouble(error)}") from error
        if 300 <= status < 400:
            said = f"{server} at {origin} answered with a redirect (HTTP {status}), which is not followed"
            raise MetricError(said)
        if request.refusals and status in (401, 403):
            raise AccessRefused(f"{server} at {origin} refused access (HTTP {status}): check the credentials")
        return Answer(server, origin, status, body, received)

    def tls(self, settings: Tls | None, secrets: Secrets) -> ssl.SSLContext | bool:
        """How to check the server's certificate. Raises MetricError for certificates that cannot be used."""
        if settings is None:
            return True
        name = settings.secret_name
        read = [secrets.optional(name, key) if name else None for key in ("ca.crt", "tls.crt", "tls.key")]
        key = (read[0], read[1], read[2], settings.insecure_skip_verify)
        if key in self._contexts:
            self._contexts.move_to_end(key)
            return self._contexts[key]
        try:
            context = _context(*read, insecure=settings.insecure_skip_verify)
        except (ssl.SSLError, ValueError, OSError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) else type(error).__name__
            said = f"the certificates in Secret {name!r} cannot be used: {one_line(reason or error, 80)}"
            raise MetricError(said) from None
        self._contexts[key] = context
        if len(self._contexts) > KEPT_CONTEXTS:
            self._contexts.popitem(last=False)
        return context


def _context(authority: str | None, certificate: str | None, key: str | None, *, insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority) if authority else ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if (certificate is None) != (key is None):
        raise ValueError("tls.crt and tls.key go together")
    if certificate is not None and key is not None:
        # OpenSSL wants a file; this one is in memory only and has no name.
        file = os.memfd_create("client", os.MFD_CLOEXEC)
        try:
            os.write(file, f"{certificate}\n{key}\n".encode())
            context.load_cert_chain(f"/proc/self/fd/{file}", password=_no_password)
        finally:
            os.close(file)
    return context


def _no_password() -> str:
    # Without an answer OpenSSL would ask on the terminal.
    raise ValueError("the key is encrypted")


def authorization(credentials: SecretRef | None, secrets: Secrets) -> dict[str, str]:
    """The header of a Secret with `token`, or `username` and `password`. Raises MetricError when it has neither."""
    if credentials is None:
        return {}
    name = credentials.secret_name
    token = secrets.optional(name, "token")
    if token is not None:
        return {"Authorization": f"Bearer {header_value(token, name)}"}
    username, password = secrets.optional(name, "username"), secrets.optional(name, "password")
    if username is None or password is None:
        raise MetricError(
            f"Secret {name!r} in namespace {secrets.namespace!r} needs the key token, or username and password"
        )
    return {"Authorization": f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"}


def header_value(text: str, secret: str) -> str:
    """A Secret's value that goes into a header. Raises MetricError when it would be more than one line of ASCII."""
    if not text.isascii() or not text.isprintable():
        raise MetricError(f"a value of Secret {secret!r} cannot be sent in a header: it is not one line of ASCII")
    return text
