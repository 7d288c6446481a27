"""Reading a request's body within a limit."""

import asyncio
import contextlib

from steersman_server.reply import Receive, Scope, header

DISCARD_SECONDS = 10.0
"""Time given to a client to finish sending a body that is too large, before it is answered."""


class ClientDisconnectedError(Exception):
    """The client went away before it had sent its request."""


class BodyTooLargeError(Exception):
    """The request's body is larger than allowed; `unread` when not all of it was read."""

    def __init__(self, unread: bool) -> None:
        super().__init__(unread)
        self.unread = unread


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The whole body. Raises BodyTooLargeError (of more than `most` bytes) and ClientDisconnectedError."""
    length = header(scope, b"content-length") or "0"
    if length.isdecimal() and int(length) > most:
        raise BodyTooLargeError(unread=True)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise BodyTooLargeError(unread=message.get("more_body", False))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def discard_rest(scope: Scope, receive: Receive) -> None:
    """Read what is left of a body for a while: a connection closed before that is reset, and the response lost."""
    if header(scope, b"expect") is not None:  # the client waits for leave to send its body
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while (await receive()).get("more_body", False):
                pass
