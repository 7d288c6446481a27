"""Whole HTTP responses, and calling an ASGI application in-process for one."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """A response held in memory."""

    status: int
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    close: bool = False
    """Ask the client not to use the connection again."""

    @classmethod
    def of(cls, status: int, body: bytes, content_type: str) -> "Reply":
        """Return a response with `body` and the headers that describe it."""
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        return cls(status, body, headers)

    @classmethod
    def json(cls, status: int, content: object) -> "Reply":
        """Return a response with `content` as JSON."""
        return cls.of(status, json.dumps(content).encode() + b"\n", JSON)

    @classmethod
    def error(cls, status: int, error_code: str, message: str) -> "Reply":
        """Return an error in the form of MLflow's REST API: ``error_code`` and ``message``."""
        return cls.json(status, {"error_code": error_code, "message": message})

    async def send(self, send: Send) -> None:
        """Send the response."""
        headers = [*self.headers, (b"connection", b"close")] if self.close else self.headers
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


async def call(application: Application, scope: Scope, body: bytes) -> Reply:
    """Call `application` with a request that has `body`, and return its whole response.

    Raises whatever `application` raises.
    """
    status = 500
    headers: list[tuple[bytes, bytes]] = []
    chunks: list[bytes] = []
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not pending:
            await asyncio.get_running_loop().create_future()  # a client that stays until it is answered
        return pending.pop()

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
        else:
            chunks.append(message.get("body", b""))

    await application(scope, receive, send)
    return Reply(status, b"".join(chunks), headers)


def request_scope(method: str, path: str, headers: dict[str, str] | None = None) -> Scope:
    """Return the ASGI scope of a request that comes from this process."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": None,
        "server": None,
        "state": {},
    }


def header(scope: Scope, name: bytes) -> str | None:
    """Return the value of a request's header by its name in lower case, None when absent."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
