"""The simulated registry answers the operator's own MLflow client as MLflow would."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from simulation import RegistryServer
from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.api.conditions import Reason
from steersman.ports import RegistryError, VersionSelector


@pytest.fixture
async def server() -> AsyncIterator[RegistryServer]:
    async with RegistryServer() as running:
        running.register("fraud", tags={"stage": "ok"})
        running.register("fraud", tags={"stage": "ok"})
        running.register("fraud", tags={"stage": "no"})
        running.point("fraud", "champion", "1")
        yield running


@pytest.fixture
async def client() -> AsyncIterator[MLflowRegistry]:
    registry = MLflowRegistry()
    yield registry
    await registry.close()


async def version(client: MLflowRegistry, server: RegistryServer, selector: VersionSelector) -> str:
    return (await client.resolve(server.url, None, selector)).version


async def test_each_selector_finds_its_version(client: MLflowRegistry, server: RegistryServer) -> None:
    assert await version(client, server, VersionSelector("fraud", version="3")) == "3"
    assert await version(client, server, VersionSelector("fraud", alias="champion")) == "1"
    assert await version(client, server, VersionSelector("fraud", tags=(("stage", "ok"),))) == "2"


async def test_an_alias_moves(client: MLflowRegistry, server: RegistryServer) -> None:
    server.point("fraud", "champion", "2")
    assert await version(client, server, VersionSelector("fraud", alias="champion")) == "2"


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        (VersionSelector("fraud", version="9"), Reason.VERSION_NOT_FOUND),
        (VersionSelector("fraud", alias="other"), Reason.ALIAS_NOT_FOUND),
        (VersionSelector("fraud", tags=(("stage", "x"),)), Reason.NO_MATCHING_VERSION),
        (VersionSelector("other", alias="champion"), Reason.MODEL_NOT_FOUND),
    ],
)
async def test_what_is_missing_is_refused_as_mlflow_does(
    client: MLflowRegistry, server: RegistryServer, selector: VersionSelector, reason: Reason
) -> None:
    with pytest.raises(RegistryError) as refused:
        await client.resolve(server.url, None, selector)
    assert refused.value.reason == reason


async def test_it_can_be_down(client: MLflowRegistry, server: RegistryServer) -> None:
    server.down = True
    with pytest.raises(RegistryError) as refused:
        await client.resolve(server.url, None, VersionSelector("fraud", alias="champion"))
    assert refused.value.reason == Reason.REGISTRY_UNREACHABLE
