"""The MLflow model registry: what the operator and the command line read of it, and the little that they write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import aiohttp

from steersman.adapters.http import read_bounded
from steersman.adapters.registries.mlflow_facts import FactsReader, Read
from steersman.adapters.registries.mlflow_rest import MISSING, Refusal, Server, Transport, censored
from steersman.adapters.registries.mlflow_versions import Versions, named
from steersman.adapters.registries.mlflow_writes import Writes
from steersman.api.conditions import Reason
from steersman.core.gates.facts import Needs, VersionFacts
from steersman.ports import ModelVersion, RegistryCredentials, RegistryError, VersionSelector

T = TypeVar("T")


class MLflowRegistry:
    """Implements steersman.ports.ModelRegistryClient and ModelRegistryWriter. Close it when done."""

    def __init__(self, *, timeout: float = 5.0, max_bytes: int = 4 * 1024 * 1024, concurrency: int = 8) -> None:
        """`timeout` is in seconds for one request, its wait for a turn included; a resolution takes up to three requests
        (a search by tags one for each page). `concurrency` is the number of requests to one URL at a time.
        """
        self._transport = Transport(timeout, max_bytes, concurrency)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def resolve(
        self, url: str, credentials: RegistryCredentials | None, selector: VersionSelector
    ) -> ModelVersion:
        """The version that the selector names now. Raises RegistryError."""
        with censored(credentials):
            versions = Versions(Server(self._transport, url, credentials))
            if selector.version is not None:
                return named(await versions.version(selector.model, selector.version))
            if selector.alias is not None:
                return named(await versions.alias(selector.model, selector.alias))
            if selector.tags:
                return named(await versions.newest_with(selector.model, dict(selector.tags)))
        raise ValueError("a VersionSelector needs a version, an alias or tags")

    async def aliases(
        self, url: str, credentials: RegistryCredentials | None, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], str]:
        """The versions of the (model, alias) pairs that a search of all models shows, with at most a quarter as many requests.

        Some registries that speak MLflow's API leave aliases out of a search; then nothing is found. Raises RegistryError.
        """
        with censored(credentials):
            return await Versions(Server(self._transport, url, credentials)).aliases(set(wanted))

    async def newest(self, url: str, credentials: RegistryCredentials | None, model: str) -> str | None:
        """The highest version of a model that is ready; None when it has none yet. Raises RegistryError."""
        with censored(credentials):
            try:
                return str(
                    (await Versions(Server(self._transport, url, credentials)).newest_with(model, {}))["version"]
                )
            except RegistryError as error:
                if error.reason in (Reason.MODEL_NOT_FOUND, Reason.NO_MATCHING_VERSION):
                    return None
                raise

    async def model_tag(self, url: str, credentials: RegistryCredentials | None, model: str, key: str) -> str | None:
        """A tag of a registered model; None when it has none of that name. Raises RegistryError."""
        with censored(credentials):
            return await Versions(Server(self._transport, url, credentials)).model_tag(model, key)

    async def facts(
        self, url: str, credentials: RegistryCredentials | None, model: str, version: str, needs: Needs
    ) -> VersionFacts:
        """What the registry knows of a version, as far as it is needed. Raises RegistryError when it cannot be read.

        Up to seven requests, one after another, and one for each file to hash, which may take `HASH_SECONDS`.
        """
        with censored(credentials):
            server = Server(self._transport, url, credentials)
            entry = await Versions(server).version(model, version)

        async def get(path: str, query: Mapping[str, str]) -> Any:
            with censored(credentials):
                try:
                    return await server.get(path, query)
                except Refusal as refusal:
                    if refusal.code == MISSING:
                        return None
                    raise server.unexpected(refusal) from None

        async def artifact(path: str, read: Read[T], seconds: float) -> T | None:
            with censored(credentials):
                return await server.artifact({"name": model, "version": version, "path": path}, read, seconds)

        return await FactsReader(get, artifact, server.timeout).read(entry, needs)

    async def file(
        self, url: str, credentials: RegistryCredentials | None, model: str, version: str, path: str, limit: int
    ) -> bytes | None:
        """A file of the version's artifact of at most so many bytes; None when it is not there. Raises RegistryError."""

        async def read(response: aiohttp.ClientResponse) -> bytes:
            return await read_bounded(response, limit)

        with censored(credentials):
            server = Server(self._transport, url, credentials)
            return await server.artifact({"name": model, "version": version, "path": path}, read, server.timeout)

    async def set_tag(
        self, url: str, credentials: RegistryCredentials | None, version: tuple[str, str], key: str, value: str
    ) -> None:
        """Set a tag of a version, given as (model, version). Raises RegistryError, VersionNotFound when it is gone."""
        with censored(credentials):
            await Writes(Server(self._transport, url, credentials)).set_tag(*version, key, value)

    async def set_alias(
        self, url: str, credentials: RegistryCredentials | None, version: tuple[str, str], alias: str
    ) -> None:
        """Have an alias name a version, given as (model, version). Raises RegistryError, VersionNotFound when it is gone."""
        with censored(credentials):
            await Writes(Server(self._transport, url, credentials)).set_alias(*version, alias)
