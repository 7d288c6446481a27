"""Models, versions and aliases of an MLflow registry, and which version a selector means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from steersman.adapters.http import one_line
from steersman.adapters.registries.mlflow_rest import MISSING, Refusal, Server
from steersman.api.conditions import Reason
from steersman.ports import ModelVersion, RegistryError

PAGE_SIZE: Final = 100
"""Versions per page of a search."""
MODELS_PAGE_SIZE: Final = 250
"""Models per page of a search for aliases."""
MAX_PAGES: Final = 50
"""Pages that a search by tags reads at most: the newest 5,000 versions that the server's own filter lets through."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/ -]+")
"""Tag keys and values that MLflow's filter language takes as they are; others are compared here."""
_READY: Final = "READY"


class Versions:
    """What one registry says of models, versions and aliases. Every method raises RegistryError."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def version(self, model: str, version: str) -> dict[str, Any]:
        """A version's entry."""
        try:
            answer = await self._get("/model-versions/get", name=model, version=version)
        except Refusal as refusal:
            if refusal.code != MISSING:
                raise self._server.unexpected(refusal) from None
            await self._require_model(model)
            said = f"the registered model {model!r} has no version {version}"
            raise RegistryError(Reason.VERSION_NOT_FOUND, said) from None
        return self._entry(answer, "model_version")

    async def alias(self, model: str, alias: str) -> dict[str, Any]:
        """The entry of the version that an alias names."""
        try:
            answer = await self._get("/registered-models/alias", name=model, alias=alias)
        except Refusal as refusal:
            # MLflow calls a missing alias, of a model that may be missing too, an invalid parameter; an alias whose
            # version is gone, a missing resource.
            if refusal.code not in (MISSING, "INVALID_PARAMETER_VALUE"):
                raise self._server.unexpected(refusal) from None
            await self._require_model(model)
            said = f"the registered model {model!r} has no alias {alias!r}"
            raise RegistryError(Reason.ALIAS_NOT_FOUND, said) from None
        return self._entry(answer, "model_version")

    async def newest_with(self, model: str, tags: Mapping[str, str]) -> dict[str, Any]:
        """The highest READY version with all the tags. MLflow filters what can be said to it safely; all is checked here."""
        query = {
            "filter": _filter(model, tags),
            "order_by": "version_number DESC",
            "max_results": str(PAGE_SIZE),
        }
        unready = None
        for _ in range(MAX_PAGES):
            try:
                page = await self._get("/model-versions/search", **query)
            except Refusal as refusal:
                raise self._server.unexpected(refusal) from None
            for entry in self._entries(page):
                if entry["name"] == model and tags.items() <= _tags(entry).items():
                    if entry.get("status", _READY) == _READY:
                        return entry
                    unready = unready or entry
            if not page.get("next_page_token"):
                break
            query["page_token"] = page["next_page_token"]
        if unready is not None:
            return unready
        await self._require_model(model)
        wanted = ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))
        said = f"the registered model {model!r} has no version with the tags {one_line(wanted, 200)}"
        raise RegistryError(Reason.NO_MATCHING_VERSION, said)

    async def aliases(self, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Page through all models, until every wanted alias is found or asking one by one would have been cheaper."""
        query, found = {"max_results": str(MODELS_PAGE_SIZE)}, dict[tuple[str, str], str]()
        for _ in range(max(1, len(wanted) // 4)):
            try:
                page = await self._get("/registered-models/search", **query)
            except Refusal as refusal:
                raise self._server.unexpected(refusal) from None
            for model in self._list(page, "registered_models"):
                for entry in self._list(model, "aliases"):
                    pair = str(model.get("name")), str(entry.get("alias"))
                    if pair in wanted and entry.get("version"):
                        found[pair] = str(entry["version"])
            if len(found) == len(wanted) or not page.get("next_page_token"):
                break
            query["page_token"] = str(page["next_page_token"])
        return found

    async def model_tag(self, model: str, key: str) -> str | None:
        """A tag of the registered model."""
        found = (await self._require_model(model)).get("registered_model")
        if not isinstance(found, dict):
            raise self._server.malformed()
        return _tags(found).get(key)

    async def _require_model(self, model: str) -> dict[str, Any]:
        try:
            return await self._get("/registered-models/get", name=model)
        except Refusal as refusal:
            if refusal.code != MISSING:
                raise self._server.unexpected(refusal) from None
            said = f"the registry at {self._server.base} has no registered model {model!r}"
            raise RegistryError(Reason.MODEL_NOT_FOUND, said) from None

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer = await self._server.get(path, query)
        if not isinstance(answer, dict):
            raise self._server.malformed()
        return answer

    def _entry(self, answer: dict[str, Any], key: str) -> dict[str, Any]:
        entry = answer.get(key)
        if not isinstance(entry, dict) or not entry.get("name") or not entry.get("version"):
            raise self._server.malformed()
        return entry

    def _entries(self, page: dict[str, Any]) -> list[dict[str, Any]]:
        return [self._entry({"entry": entry}, "entry") for entry in self._list(page, "model_versions")]

    def _list(self, holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
        entries = holder.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self._server.malformed()
        return entries


def named(entry: dict[str, Any]) -> ModelVersion:
    """A ready version. Raises RegistryError when its registration is pending or failed."""
    model, version = str(entry["name"]), str(entry["version"])
    status = str(entry.get("status", _READY))
    if status != _READY:
        said = f"version {version} of {model!r} is not ready: {one_line(status, 40)}"
        if entry.get("status_message"):
            said += f" ({one_line(entry['status_message'], 200)})"
        raise RegistryError(Reason.REGISTRY_ERROR, said)
    model_id = entry.get("model_id")
    source = str(entry.get("source", ""))
    if not model_id and source.startswith("models:/m-"):
        model_id = source.removeprefix("models:/").partition("/")[0]
    return ModelVersion(model, version, model_id=model_id or None, run_id=entry.get("run_id") or None)


def _filter(model: str, tags: Mapping[str, str]) -> str:
    """MLflow's filter has no escapes: a literal may hold one kind of quotes, in the other kind."""
    if "'" not in model:
        clauses = [f"name='{model}'"]
    elif '"' not in model:
        clauses = [f'name="{model}"']
    else:
        said = f"{model!r}: MLflow cannot search a model whose name holds both kinds of quotes; use an alias"
        raise RegistryError(Reason.REGISTRY_ERROR, said)
    clauses += [
        f"tags.`{key}`='{value}'"
        for key, value in sorted(tags.items())
        if _PLAIN.fullmatch(key) and _PLAIN.fullmatch(value)
    ]
    return " AND ".join(clauses)


def _tags(entry: Mapping[str, Any]) -> dict[str, str]:
    tags = entry.get("tags", [])
    return {str(tag.get("key")): str(tag.get("value", "")) for tag in tags if isinstance(tag, dict)}
