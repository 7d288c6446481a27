"""Careful HTTP to servers that users name: bounded answers, no redirects, cookies or environment credentials, quiet messages."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from steersman import __version__

MESSAGE_LIMIT: Final = 300
"""Characters of a foreign message that are passed on."""
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class TooLarge(Exception):  # noqa: N818
    """The answer is longer than the limit."""


class ForbiddenAddress(OSError):  # noqa: N818
    """A server whose address is that of a machine's own metadata service, or of no server at all."""


METADATA_ADDRESSES: Final = frozenset(
    ipaddress.ip_address(address) for address in ("fd00:ec2::254", "168.63.129.16", "100.100.100.200", "fd20:ce::254")
)
"""Metadata services of clouds that are not link-local: they give whoever asks the node's own credentials."""


def check_address(host: str) -> None:
    """Raise ForbiddenAddress for an IP address that nobody has a metric server at; a name passes."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_link_local or address.is_multicast or address in METADATA_ADDRESSES:
        raise ForbiddenAddress(f"{address} is an address that the operator does not ask")


class _CarefulResolver(AbstractResolver):
    """Looks names up, and drops addresses that nobody has a metric server at."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for result in found:
            check_address(result["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


class _CarefulConnector(aiohttp.TCPConnector):
    """Checks literal addresses too, which aiohttp hands to no resolver."""

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        check_address(host)
        return await super()._resolve_host(host, port, traces)


def new_session() -> aiohttp.ClientSession:
    """A session that keeps no cookies, reads no proxy settings or .netrc, asks no metadata service, and says who it is."""
    return aiohttp.ClientSession(
        connector=_CarefulConnector(resolver=_CarefulResolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers={"User-Agent": f"steersman/{__version__}", "Accept": "application/json"},
    )


async def read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body after decompression. Raises TooLarge when it has more than `limit` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"the answer is larger than {limit} bytes")
    return bytes(body)


def server_url(url: str) -> str:
    """A base URL to ask and to show: less user and password, query, fragment and trailing slash. Raises ValueError."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https URL with a host")
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def one_line(text: object, limit: int = MESSAGE_LIMIT) -> str:
    """Foreign text made safe for a condition's message: one line, printable, short."""
    line = " ".join(_UNPRINTABLE.sub(" ", str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def connection_trouble(error: BaseException) -> str:
    """What a failed attempt to connect or read says, in few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return one_line(error.os_error.strerror or error.os_error)
    return one_line(error) or type(error).__name__
