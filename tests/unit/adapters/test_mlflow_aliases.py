"""Many aliases in few requests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.adapters.registries.mlflow_versions import MODELS_PAGE_SIZE
from steersman.api.conditions import Reason
from steersman.ports import RegistryCredentials, RegistryError

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


class Models:
    """A registry of models m0, m1, ...; each has the alias `champion` of version 1."""

    def __init__(self, number: int) -> None:
        self.models: list[Any] = [
            {"name": f"m{n}", "aliases": [{"alias": "champion", "version": "1"}]} for n in range(number)
        ]
        self.requests: list[web.Request] = []
        self.status = 200

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        begin = int(request.query.get("page_token", 0))
        end = begin + int(request.query["max_results"])
        answer = {"registered_models": self.models[begin:end]}
        if end < len(self.models):
            answer["next_page_token"] = str(end)  # type: ignore[assignment]
        return web.Response(status=self.status, body=json.dumps(answer).encode(), content_type="application/json")


@pytest.fixture
async def client() -> AsyncIterator[MLflowRegistry]:
    registry = MLflowRegistry(timeout=2.0)
    yield registry
    await registry.close()


async def test_all_pages_are_read_until_everything_is_found(serve: Serve, client: MLflowRegistry) -> None:
    models = Models(3 * MODELS_PAGE_SIZE)
    models.models[1] = {"name": "m1"}
    wanted = {(f"m{number}", "champion") for number in range(MODELS_PAGE_SIZE + 1)} | {("m0", "other")}
    found = await client.aliases(await serve(models), RegistryCredentials(token="t"), wanted)
    assert found == dict.fromkeys(wanted - {("m0", "other"), ("m1", "champion")}, "1")
    assert models.requests[0].path == "/api/2.0/mlflow/registered-models/search"
    assert models.requests[0].headers["Authorization"] == "Bearer t"
    models.requests.clear()
    first = {(f"m{number}", "champion") for number in range(2, 50)}
    assert await client.aliases(await serve(models), None, first) == dict.fromkeys(first, "1")
    assert len(models.requests) == 1


async def test_it_asks_no_more_often_than_a_quarter_of_what_is_wanted(serve: Serve, client: MLflowRegistry) -> None:
    models = Models(20 * MODELS_PAGE_SIZE)
    wanted = {(f"none{number}", "champion") for number in range(12)}
    assert await client.aliases(await serve(models), None, wanted) == {}
    assert len(models.requests) == 3


async def test_trouble_is_told_as_for_a_single_alias(serve: Serve, client: MLflowRegistry) -> None:
    models = Models(1)
    url = await serve(models)
    models.status = 403
    with pytest.raises(RegistryError) as refused:
        await client.aliases(url, None, {("m0", "champion")})
    assert refused.value.reason == Reason.REGISTRY_UNAUTHORIZED
    models.status, models.models = 200, ["odd"]
    with pytest.raises(RegistryError, match="does not answer as MLflow does"):
        await client.aliases(url, None, {("m0", "champion")})
    with pytest.raises(RegistryError, match="unusable registry URL"):
        await client.aliases("ftp://x", None, {("m0", "champion")})
