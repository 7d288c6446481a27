"""Files over HTTP."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores.order import Budget
from steersman_server.stores.retries import retrying

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two pieces of an answer."""
_PIECE = 1024 * 1024
_DOCUMENT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A file that was downloaded."""

    sha256: str
    md5: str


def get(session: requests.Session, url: str, headers: Mapping[str, str] | None = None) -> bytes:
    """A document of at most 16 MiB, with retries. Raises requests.RequestException, FetchError."""

    def once() -> bytes:
        try:
            with session.get(url, headers=headers, timeout=TIMEOUT, stream=True) as response:
                response.raise_for_status()
                body: bytes = response.raw.read(_DOCUMENT + 1, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(f"Connection broken: {type(error).__name__}") from error
        if len(body) > _DOCUMENT:
            raise FetchError(Reason.TOO_LARGE, "the server's list of what there is, is larger than 16 MiB")
        return body

    return retrying(once)


def download(
    session: requests.Session,
    url: str,
    path: Path,
    budget: Budget,
    headers: Mapping[str, str] | None = None,
    plain_http: bool = False,
) -> Received:
    """Write what `url` answers to `path`, with retries; `plain_http` lets a redirect lead to unencrypted HTTP.

    Raises FetchError: larger than the budget; requests.RequestException: no or no whole answer.
    """
    # Also not unpacked on the way: the digest is of the file as it is stored.
    asked = {"Accept-Encoding": "identity", **(headers or {})}
    received, size = retrying(lambda: _once(session, url, path, budget, asked, plain_http))
    budget.add_file()
    budget.add_bytes(size)
    return received


def _once(
    session: requests.Session, url: str, path: Path, budget: Budget, headers: Mapping[str, str], plain_http: bool
) -> tuple[Received, int]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    left = Budget(budget.max_bytes, budget.max_files, budget.bytes)
    try:
        with session.get(url, headers=headers, timeout=TIMEOUT, stream=True) as response:
            response.raise_for_status()
            if not plain_http and urlsplit(response.url).scheme != "https":
                raise FetchError(Reason.CONFIGURATION, "the server redirects to unencrypted HTTP")
            with path.open("wb") as file:
                for piece in response.raw.stream(_PIECE, decode_content=False):
                    left.add_bytes(len(piece))
                    sha256.update(piece)
                    md5.update(piece)
                    file.write(piece)
    except urllib3.exceptions.HTTPError as error:  # requests does not translate what its raw stream raises
        raise requests.ConnectionError(f"Connection broken: {type(error).__name__}") from error
    return Received(sha256.hexdigest(), md5.hexdigest()), left.bytes - budget.bytes
