"""Golden requests to the pods of a revision, by way of its Service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from steersman.adapters.http import TooLarge, new_session, one_line, read_bounded
from steersman.core.gates.golden import Refused
from steersman.ports import ReplayError

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes."""
_PASSING: Final = frozenset({429, 502, 503, 504})
"""Statuses that say more of the moment than of the request."""


def service_url(namespace: str, service: str) -> str:
    """Base URL of a revision's Service inside the cluster."""
    return f"http://{service}.{namespace}.svc"


class ServiceReplay:
    """Implements steersman.ports.Replay."""

    def __init__(self, base_url: Callable[[str, str], str] = service_url) -> None:
        """`base_url` gets namespace and Service."""
        self._base_url = base_url
        self._session: aiohttp.ClientSession | None = None

    async def send(self, namespace: str, service: str, path: str, body: str, timeout: float) -> Any:  # noqa: ASYNC109
        """The answer as parsed JSON, or Refused. Raises ReplayError when it is worth sending again."""
        if self._session is None:
            self._session = new_session()
        url = f"{self._base_url(namespace, service)}{path}"
        try:
            async with self._session.post(
                url,
                data=body.encode(),
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                answer = await read_bounded(response, MAX_ANSWER)
                status = response.status
        except TooLarge:
            return Refused(f"the answer is longer than {MAX_ANSWER} bytes")
        except TimeoutError:
            raise ReplayError(f"{service} did not answer within {timeout:g} s") from None
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise ReplayError(f"{service} could not be reached: {one_line(error) or type(error).__name__}") from None
        if status in _PASSING:
            raise ReplayError(f"{service} answered HTTP {status}")
        if status != 200:
            return Refused(f"HTTP {status}: {one_line(answer.decode(errors='replace'))}")
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            return Refused("the answer is not JSON")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
