"""What is written to MLflow: the requests, and what becomes of answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.api.conditions import Reason
from steersman.ports import ModelRegistryWriter, RegistryCredentials, RegistryError

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
VERSION = ("fraud", "3")
CREDENTIALS = RegistryCredentials(token="t0ken-of-the-team")


class Server:
    """Takes every write, or answers as it is told."""

    def __init__(self, status: int = 200, body: Any = None) -> None:
        self.status, self.body = status, {} if body is None else body
        self.writes: list[tuple[str, str, Any]] = []
        self.authorizations: set[str | None] = set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.writes.append((request.method, request.path, await request.json()))
        self.authorizations.add(request.headers.get("Authorization"))
        headers = {"Location": "/elsewhere"} if 300 <= self.status < 400 else {}
        return web.json_response(self.body, status=self.status, headers=headers)


@pytest.fixture
async def client() -> AsyncIterator[MLflowRegistry]:
    registry = MLflowRegistry(timeout=0.5)
    yield registry
    await registry.close()


async def test_the_requests(serve: Serve, client: MLflowRegistry) -> None:
    server, port = Server(), client
    writer: ModelRegistryWriter = port
    url = await serve(server)
    await writer.set_tag(url, CREDENTIALS, VERSION, "steersman.dev/a/b/outcome", "Promoted")
    await writer.set_alias(url, CREDENTIALS, VERSION, "production")
    tag = {"name": "fraud", "version": "3", "key": "steersman.dev/a/b/outcome", "value": "Promoted"}
    assert server.writes == [
        ("POST", "/api/2.0/mlflow/model-versions/set-tag", tag),
        ("POST", "/api/2.0/mlflow/registered-models/alias", {"name": "fraud", "alias": "production", "version": "3"}),
    ]
    assert server.authorizations == {"Bearer t0ken-of-the-team"}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, Reason.VERSION_NOT_FOUND),
        (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "bad t0ken-of-the-team"}, Reason.REGISTRY_ERROR),
        (403, {"error_code": "PERMISSION_DENIED", "message": "Permission denied"}, Reason.REGISTRY_UNAUTHORIZED),
        (401, "who", Reason.REGISTRY_UNAUTHORIZED),
        (503, "busy", Reason.REGISTRY_UNREACHABLE),
        (307, "there", Reason.REGISTRY_ERROR),
        (404, "not MLflow", Reason.REGISTRY_ERROR),
    ],
)
async def test_refusals(serve: Serve, client: MLflowRegistry, status: int, body: Any, reason: Reason) -> None:
    server = Server(status, body)
    url = await serve(server)
    for write in (
        client.set_tag(url, CREDENTIALS, VERSION, "k", "v"),
        client.set_alias(url, CREDENTIALS, VERSION, "a"),
    ):
        with pytest.raises(RegistryError) as caught:
            await write
        assert caught.value.reason == reason and "t0ken" not in str(caught.value)
    assert len(server.writes) == 2, "a redirect is not followed"


async def test_nobody_there(client: MLflowRegistry) -> None:
    with pytest.raises(RegistryError) as caught:
        await client.set_alias("http://127.0.0.1:1", None, VERSION, "production")
    assert caught.value.reason == Reason.REGISTRY_UNREACHABLE
