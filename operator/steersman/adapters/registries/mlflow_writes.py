"""What is written to an MLflow registry: tags of a version and aliases. Saying the same twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from steersman.adapters.registries.mlflow_rest import MISSING, Refusal, Server
from steersman.api.conditions import Reason
from steersman.ports import RegistryError


class Writes:
    """Writes to one registry. Every method raises RegistryError, VersionNotFound when there is nothing to write to."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        body = {"name": model, "version": version, "key": key, "value": value}
        await self._post("/model-versions/set-tag", body, f"version {version} of {model!r}")

    async def set_alias(self, model: str, version: str, alias: str) -> None:
        """Have an alias name a version."""
        body = {"name": model, "alias": alias, "version": version}
        await self._post("/registered-models/alias", body, f"version {version} of {model!r}")

    async def _post(self, path: str, body: Mapping[str, str], about: str) -> None:
        try:
            await self._server.post(path, body)
        except Refusal as refusal:
            if refusal.code != MISSING:
                raise self._server.unexpected(refusal) from None
            said = f"the registry at {self._server.base} has no {about} any more"
            raise RegistryError(Reason.VERSION_NOT_FOUND, said) from None
