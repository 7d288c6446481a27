"""The way to the API server by a proxy that the environment names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from steersman.adapters.kube.client import AioKubeClient
from steersman.adapters.kube.rest import ApiServer

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def asked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that the proxy is asked for."""
    urls: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        urls.append(str(request.url))
        return web.json_response({"kind": "APIResourceList", "resources": []})

    monkeypatch.setenv("HTTP_PROXY", await serve(proxy))
    return urls


async def discover(host: str) -> None:
    async with AioKubeClient(ApiServer(Configuration(host=host), request_timeout=2.0)) as client:
        await client.delete("example.com/v1", "Thing", "ns", "name")


async def test_requests_go_by_the_proxy(asked: list[str]) -> None:
    await discover("http://cluster.example:6443")
    assert asked == ["http://cluster.example:6443/apis/example.com/v1"]


async def test_what_no_proxy_names_is_reached_directly(
    asked: list[str], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct: list[str] = []

    async def api_server(request: web.Request) -> web.Response:
        direct.append(request.path)
        return web.json_response({"kind": "APIResourceList", "resources": []})

    monkeypatch.setenv("NO_PROXY", "127.0.0.1,.example")
    await discover(await serve(api_server))
    assert direct == ["/apis/example.com/v1"]
    assert asked == []
