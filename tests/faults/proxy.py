"""The proxy: plain HTTP on a loopback port, forwarded to a real API server with the token that the client sends.

It runs in a thread of its own with its own event loop, so that tests may block and its clients may be stopped.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from faults.journal import Entry, Journal
from faults.kinds import Drop, Expire, Hangup, Hold, Lag, Late, Refuse, Silence
from faults.requestinfo import RequestInfo, request_info
from faults.rules import Rule
from faults.statuses import status

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"}
)
_LOOK_SECONDS = 0.02
"""How often a request that waits looks whether it may go on or its client is gone."""


class FaultProxy:
    """A context manager; clients use `url`. The API server sees `name` in the User-Agent of what comes through."""

    def __init__(self, server: str, authority: str, name: str = "proxy") -> None:
        """`server` is the API server's URL and `authority` its certificate authority, base64 as in a kubeconfig."""
        self.name = name
        self.journal = Journal()
        self.url = ""
        self._server = server
        self._ssl = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        self._rules: list[Rule] = []
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._started = threading.Event()
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"fault proxy {name}", daemon=True)
        self._late: set[asyncio.Task[Any]] = set()
        self._watches: list[web.Request] = []

    def inject(self, *rules: Rule) -> None:
        """Add rules; the first that picks a request decides."""
        self._rules = [*self._rules, *rules]

    def calm(self) -> None:
        """Inject nothing more; what was picked already goes on as it was."""
        self._rules = []

    def cut_watches(self) -> None:
        """Reset every watch that is open."""
        self._loop.call_soon_threadsafe(lambda: [_cut(request) for request in list(self._watches)])

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._trouble is not None:
            raise self._trouble
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it now; every connection is closed."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as trouble:
            self._trouble = trouble
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._ssl)
        timeout = aiohttp.ClientTimeout(total=None, connect=10)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as self._session:
            app = web.Application(client_max_size=16 * 1024**2)
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._started.set()
            await self._stopping.wait()
            await runner.cleanup()
            for task in self._late:
                task.cancel()
            await asyncio.gather(*self._late, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        info = request_info(request.method, request.path, request.query)
        data = await request.read()
        fault = next((rule.fault for rule in self._rules if rule.picks(info)), None)
        entry = self.journal.note(info, fault, _parsed(data))
        match fault:
            case Refuse(code, retry_after):
                headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
                return web.json_response(status(code, info, retry_after), status=code, headers=headers)
            case Hangup(forwarded) | Silence(forwarded):
                if forwarded:
                    await self._finish(self._exchange(request, data, entry))
                if isinstance(fault, Silence):
                    # Ends early, by cancellation, when the client goes.
                    await asyncio.sleep(fault.seconds)
                return _cut(request)
            case Late() | Hold():
                return await self._finish(self._forward_later(request, data, entry, fault))
            case Expire():
                return await _expired(request, info)
        if info.verb == "watch":
            return await self._watch(request, entry, fault if isinstance(fault, Drop | Lag) else None)
        return await self._finish(self._exchange(request, data, entry))

    async def _finish(self, work: Any) -> web.Response:
        """Carry on to the end although the client goes away, as the API server does with a request that it has."""
        task = asyncio.ensure_future(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        answer: web.Response = await asyncio.shield(task)
        return answer

    async def _exchange(self, request: web.Request, data: bytes, entry: Entry) -> web.Response:
        entry.forwarded_at = time.time()
        try:
            async with self._send(request, data) as answer:
                body = await answer.read()
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"the proxy cannot reach the API server: {error}")
        entry.answer, entry.answered_at = answer.status, time.time()
        return web.Response(status=answer.status, headers=_passed_on(answer.headers), body=body)

    async def _forward_later(self, request: web.Request, data: bytes, entry: Entry, fault: Late | Hold) -> web.Response:
        if isinstance(fault, Late):
            await asyncio.sleep(fault.seconds)
        else:
            fault.caught.set()
            while not fault.released:  # noqa: ASYNC110  another thread releases it
                await asyncio.sleep(_LOOK_SECONDS)
        return await self._exchange(request, data, entry)

    async def _watch(self, request: web.Request, entry: Entry, fault: Drop | Lag | None) -> web.StreamResponse:
        entry.forwarded_at = time.time()
        async with self._send(request, b"") as answer:
            entry.answer, entry.answered_at = answer.status, time.time()
            if answer.status != 200:
                return web.Response(status=answer.status, headers=_passed_on(answer.headers), body=await answer.read())
            response = web.StreamResponse(headers=_passed_on(answer.headers))
            await response.prepare(request)
            self._watches.append(request)
            try:
                await _pass_on(_lines(answer.content), response, fault)
            except ConnectionError:
                return _cut(request)
            finally:
                self._watches.remove(request)
        return _cut(request) if isinstance(fault, Drop) else response

    def _send(self, request: web.Request, data: bytes) -> Any:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        headers["User-Agent"] = f"{headers.get('User-Agent', 'unknown')} by {self.name}"
        return self._session.request(
            request.method, f"{self._server}{request.path_qs}", headers=headers, data=data or None
        )


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return None


def _passed_on(headers: Any) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _HOP_BY_HOP}


def _cut(request: web.Request) -> web.Response:
    """Reset the connection; the answer that is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


async def _expired(request: web.Request, info: RequestInfo) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(json.dumps({"type": "ERROR", "object": status(410, info)}).encode() + b"\n")
    return response


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a watch; aiohttp's own reader refuses long ones."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"


async def _pass_on(lines: AsyncIterator[bytes], response: web.StreamResponse, fault: Drop | Lag | None) -> None:
    if isinstance(fault, Lag):
        await _lagging(lines, response, fault.seconds)
    elif isinstance(fault, Drop):
        await _dropping(lines, response, fault)
    else:
        async for line in lines:
            await response.write(line)


async def _lagging(lines: AsyncIterator[bytes], response: web.StreamResponse, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue()

    async def read() -> None:
        async for line in lines:
            queue.put_nowait((loop.time() + seconds, line))
        queue.put_nowait((loop.time() + seconds, None))

    reader = asyncio.create_task(read())
    try:
        while True:
            due, line = await queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if line is None:
                return
            await response.write(line)
    finally:
        reader.cancel()


async def _dropping(lines: AsyncIterator[bytes], response: web.StreamResponse, fault: Drop) -> None:
    """Pass on some events; give the client the time to read them before the connection is reset."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(fault.seconds):
            await _some(lines, response, fault)
    await asyncio.sleep(0.05)


async def _some(lines: AsyncIterator[bytes], response: web.StreamResponse, fault: Drop) -> None:
    count = 0
    while count < fault.events or fault.torn:
        line = await anext(lines, b"")
        if count == fault.events:
            await response.write(line[: len(line) // 2])
            return
        await response.write(line)
        count += 1
