"""Servers on loopback for the adapters' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from tests.unit.adapters.api_server import FakeApiServer

from steersman.adapters.kube.client import AioKubeClient
from steersman.adapters.kube.rest import ApiServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Start a server with one handler for every path; gives its URL."""
    servers: list[TestServer] = []

    async def start(handler: Handler) -> str:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await handler(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        return f"http://127.0.0.1:{server.port}"

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
async def api() -> AsyncIterator[FakeApiServer]:
    """A small API server; its URL is in `api.url`."""
    fake = FakeApiServer()
    server = TestServer(fake.app, host="127.0.0.1")
    await server.start_server()
    fake.url = f"http://127.0.0.1:{server.port}"
    yield fake
    await server.close()


@pytest.fixture
def observed() -> list[tuple[str, str, str]]:
    """What the client counted: verb, kind, code."""
    return []


@pytest.fixture
async def kube(api: FakeApiServer, observed: list[tuple[str, str, str]]) -> AsyncIterator[AioKubeClient]:
    """A client of `api` with short timeouts."""
    configuration = Configuration(host=api.url)
    server = ApiServer(
        configuration,
        request_timeout=0.5,
        on_request=lambda verb, kind, code, seconds: observed.append((verb, kind, code)),
    )
    async with AioKubeClient(server) as client:
        yield client
