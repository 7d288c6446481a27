"""One HTTP/1.1 connection to the gateway, as little of it as the soak needs: a tenth of the CPU that a full client takes.

A request is never sent twice. A full client would repeat some that met a connection which was just being closed; here
that is a failure, so that none is hidden.
"""

from __future__ import annotations

import asyncio
from typing import cast

from soak.outcomes import Response

HEAD_END = b"\r\n\r\n"


class GarbledError(Exception):
    """The peer did not send an HTTP/1.1 answer with a length."""


def read_response(data: bytes | bytearray) -> tuple[Response, int] | None:
    """The first answer in `data` and how many bytes it takes; None while it is not complete. GarbledError when it is none."""
    end = data.find(HEAD_END)
    if end < 0:
        return None
    lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    status, length = rest[:3], headers.get("content-length", "")
    if version != "HTTP/1.1" or not status.isdigit() or not length.isdigit():
        raise GarbledError(lines[0][:100])
    complete = end + len(HEAD_END) + int(length)
    if len(data) < complete:
        return None
    return Response(int(status), headers, bytes(data[end + len(HEAD_END) : complete])), complete


class GatewayConnection(asyncio.Protocol):
    """Carries one request at a time. `usable` tells whether it may carry another."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: asyncio.Future[Response] | None = None
        self.usable = False
        self.requests = 0
        """Sent so far."""

    async def ask(self, request: bytes) -> Response:
        """Send a request and wait for its answer. ConnectionError when the connection ends first."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection was closed before the request was sent")
        self.usable = False
        self.requests += 1
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Close it at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        self._received += data
        waiting = self._waiting
        if waiting is None or waiting.done():
            self.close()  # nobody asked: whatever it is, no later answer may be taken for another's
            return
        try:
            found = read_response(self._received)
        except GarbledError as garbled:
            waiting.set_exception(garbled)
            self.close()
            return
        if found is None:
            return
        response, length = found
        del self._received[:length]
        self.usable = response.headers.get("connection", "").lower() != "close" and not self._received
        waiting.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._waiting is not None and not self._waiting.done():
            reason = str(exc) if exc else f"closed after {len(self._received)} bytes of the answer"
            self._waiting.set_exception(ConnectionResetError(reason))
