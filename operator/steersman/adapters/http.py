"""Careful HTTP to servers that users name: bounded answers, no redirects, cookies or environment credentials, quiet messages."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from steersman import __version__

MESSAGE_LIMIT: Final = 300
"""Characters of a foreign message that are passed on."""
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class TooLarge(Exception):  # noqa: N818
    """The answer is longer than the limit."""


def new_session() -> aiohttp.ClientSession:
    """A session that keeps no cookies, reads no proxy settings or .netrc, and says who it is."""
    return aiohttp.ClientSession(
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
