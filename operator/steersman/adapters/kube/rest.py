"""HTTP to the API server: authentication, timeouts, retries, the mapping of errors, and counting."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTResponse

from steersman.ports import ApiError, Conflict, Manifest, NotFound

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT: Final = 15.0
"""Seconds for one request with its answer."""
CONNECT_TIMEOUT: Final = 5.0
"""Seconds to a usable connection."""
RETRIES: Final = 3
"""How often a request is sent again when the server asks to (429 or 5xx with Retry-After)."""
RETRY_AFTER_LIMIT: Final = 10.0
"""Longest Retry-After that is waited for, in seconds; a longer one is an error at once."""
MESSAGE_LIMIT: Final = 500
"""Characters of a server's message that are kept."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class RequestObserver(Protocol):
    """Called after each request that was sent, retries included."""

    def __call__(self, verb: str, kind: str, code: str, seconds: float) -> None:
        """`code` is the HTTP status, `timeout`, or `error` when there was no answer."""
        ...


def _unobserved(verb: str, kind: str, code: str, seconds: float) -> None:
    pass


class ApiServer:
    """One API server and the session with it. Close it when done."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        user_agent: str = "steersman",
        request_timeout: float = REQUEST_TIMEOUT,
        on_request: RequestObserver | None = None,
    ) -> None:
        """`request_timeout` is in seconds and covers one attempt."""
        # Else aiohttp asks the environment for a proxy, and .netrc for credentials, by two threads for each request.
        configuration.client_session_kwargs = {"trust_env": False}
        if configuration.proxy is None:
            configuration.proxy = _proxy_from_environment(configuration.host)
        # No limit: each watch holds a connection as long as it lasts, and workers bound the requests.
        configuration.connection_pool_maxsize = 0
        self._api = ApiClient(configuration)
        self._api.user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=request_timeout, connect=CONNECT_TIMEOUT)
        self._on_request = on_request or _unobserved
        self.host: str = configuration.host

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def request(
        self,
        verb: str,
        kind: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Manifest:
        """Send, retry while the server asks for it, and parse. Raises NotFound, Conflict, ApiError."""
        for attempt in range(RETRIES + 1):
            status, headers, data = await self._attempt(verb, kind, method, path, query, body, content_type)
            if status < 400:
                return self._parse(data)
            wait = _retry_after(status, headers)
            if wait is None or attempt == RETRIES:
                break
            logger.debug("%s %s: the API server answered %d, again in %.1f s", verb, kind, status, wait)
            await asyncio.sleep(wait)
        raise self._error(status, data)

    async def stream(
        self, verb: str, kind: str, path: str, *, query: Mapping[str, str], idle_timeout: float
    ) -> AsyncGenerator[Manifest]:
        """Yield the JSON documents of a watch until the server ends it. Raises NotFound, Conflict, ApiError."""
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT, sock_read=idle_timeout)
        response = await self._send(verb, kind, "GET", path, query, None, JSON, timeout)
        try:
            if response.status >= 400:
                raise self._error(response.status, await response.response.read())
            while line := await response.response.content.readline():
                yield self._parse(line)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unanswered(error) from error
        finally:
            response.response.close()

    async def _attempt(
        self,
        verb: str,
        kind: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
    ) -> tuple[int, Mapping[str, str], bytes]:
        response = await self._send(verb, kind, method, path, query, body, content_type, self._timeout)
        try:
            return response.status, response.headers, await response.response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unanswered(error) from error

    async def _send(
        self,
        verb: str,
        kind: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp enforces it)
    ) -> RESTResponse:
        begin = time.monotonic()
        code = "error"
        try:
            request = await self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": JSON, "Content-Type": content_type},
                auth_settings=["BearerToken"],
            )
            # Not by param_serialize, which copies bodies in search of its own models.
            method, url, headers, _, _ = request
            response: RESTResponse = await self._api.call_api(method, url, headers, body, _request_timeout=timeout)
            code = str(response.status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            code = "timeout" if isinstance(error, TimeoutError) else "error"
            raise self._unanswered(error) from error
        finally:
            self._on_request(verb, kind, code, time.monotonic() - begin)
        return response

    def _parse(self, data: bytes) -> Manifest:
        try:
            document = json.loads(data)
        except ValueError as error:
            raise ApiError(0, f"the answer of {self.host} is not JSON") from error
        if not isinstance(document, dict):
            raise ApiError(0, f"the answer of {self.host} is not an object")
        return document

    def _unanswered(self, error: Exception) -> ApiError:
        if isinstance(error, TimeoutError):
            return ApiError(0, f"the API server at {self.host} did not answer in time")
        reason = (str(error) or type(error).__name__).splitlines()[0][:MESSAGE_LIMIT]
        return ApiError(0, f"cannot reach the API server at {self.host}: {reason}")

    def _error(self, status: int, data: bytes) -> Exception:
        message = _status_message(data) or f"the API server answered HTTP {status}"
        if status == 404:
            return NotFound(message)
        if status == 409:
            return Conflict(message)
        if status == 401:
            message = f"the API server at {self.host} does not accept the credentials: {message}"
        return ApiError(status, message)


def _proxy_from_environment(url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for a URL."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def _status_message(data: bytes) -> str:
    """The message of a metav1.Status, or what a proxy in between said."""
    try:
        document = json.loads(data)
        message = document.get("message") or document.get("reason") or ""
    except (ValueError, AttributeError):
        message = data[: 4 * MESSAGE_LIMIT].decode(errors="replace")
    return " ".join(str(message).split())[:MESSAGE_LIMIT]


def _retry_after(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before sending the same request again; None: do not. The rule is client-go's (rest/with_retry.go)."""
    if status != 429 and status < 500:
        return None
    try:
        seconds = float(headers["Retry-After"])
    except (KeyError, ValueError):
        return None
    return seconds if 0 <= seconds <= RETRY_AFTER_LIMIT else None
