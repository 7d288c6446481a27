"""The MLflow model registry through its REST API.

Not through the mlflow package: its client keeps credentials in the process's environment, blocks, and retries for
minutes. API: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import aiohttp

from steersman.adapters.http import TooLarge, connection_trouble, new_session, one_line, read_bounded, server_url
from steersman.adapters.registries.mlflow_facts import FactsReader, Read
from steersman.api.conditions import Reason
from steersman.core.gates.facts import Needs, VersionFacts
from steersman.ports import ModelVersion, RegistryCredentials, RegistryError, VersionSelector

API: Final = "/api/2.0/mlflow"
ARTIFACT: Final = "/model-versions/get-artifact"
"""Files of a version, wherever they are: the server reads them. Not below the API."""
PAGE_SIZE: Final = 100
"""Versions per page of a search."""
MODELS_PAGE_SIZE: Final = 250
"""Models per page of a search for aliases."""
MAX_PAGES: Final = 50
"""Pages that a search by tags reads at most: the newest 5,000 versions that the server's own filter lets through."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/ -]+")
"""Tag keys and values that MLflow's filter language takes as they are; others are compared here."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
_READY: Final = "READY"

T = TypeVar("T")


class _Refusal(Exception):  # noqa: N818
    """MLflow answered with an error of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MLflowRegistry:
    """Implements steersman.ports.ModelRegistryClient. Close it when done.

    One registry's trouble does not hold up another's: turns are counted for each URL.
    """

    def __init__(self, *, timeout: float = 5.0, max_bytes: int = 4 * 1024 * 1024, concurrency: int = 8) -> None:
        """`timeout` is in seconds for one request, its wait for a turn included; a resolution takes up to three requests
        (a search by tags one for each page). `concurrency` is the number of requests to one URL at a time.
        """
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._concurrency = concurrency
        self._session: aiohttp.ClientSession | None = None
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def resolve(
        self, url: str, credentials: RegistryCredentials | None, selector: VersionSelector
    ) -> ModelVersion:
        """The version that the selector names now. Raises RegistryError."""
        try:
            base = server_url(url)
        except ValueError as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"unusable registry URL: {error}") from None
        server = _Server(self, base, _authorization(credentials))
        try:
            if selector.version is not None:
                return _named(await server.version(selector.model, selector.version))
            if selector.alias is not None:
                return _named(await server.alias(selector.model, selector.alias))
            if selector.tags:
                return _named(await server.newest_with(selector.model, dict(selector.tags)))
        except RegistryError as error:
            raise RegistryError(error.reason, _censored(str(error), credentials)) from None
        raise ValueError("a VersionSelector needs a version, an alias or tags")

    async def aliases(
        self, url: str, credentials: RegistryCredentials | None, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], str]:
        """The versions of the (model, alias) pairs that a search of all models shows, with at most a quarter as many requests.

        Some registries that speak MLflow's API leave aliases out of a search; then nothing is found. Raises RegistryError.
        """
        try:
            server = _Server(self, server_url(url), _authorization(credentials))
            return await server.aliases(set(wanted))
        except ValueError as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"unusable registry URL: {error}") from None
        except RegistryError as error:
            raise RegistryError(error.reason, _censored(str(error), credentials)) from None

    async def newest(self, url: str, credentials: RegistryCredentials | None, model: str) -> str | None:
        """The highest version of a model that is ready; None when it has none yet. Raises RegistryError."""
        try:
            server = _Server(self, server_url(url), _authorization(credentials))
            return str((await server.newest_with(model, {}))["version"])
        except ValueError as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"unusable registry URL: {error}") from None
        except RegistryError as error:
            if error.reason in (Reason.MODEL_NOT_FOUND, Reason.NO_MATCHING_VERSION):
                return None
            raise RegistryError(error.reason, _censored(str(error), credentials)) from None

    async def model_tag(self, url: str, credentials: RegistryCredentials | None, model: str, key: str) -> str | None:
        """A tag of a registered model; None when it has none of that name. Raises RegistryError."""
        try:
            server = _Server(self, server_url(url), _authorization(credentials))
            return await server.model_tag(model, key)
        except ValueError as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"unusable registry URL: {error}") from None
        except RegistryError as error:
            raise RegistryError(error.reason, _censored(str(error), credentials)) from None

    async def facts(
        self, url: str, credentials: RegistryCredentials | None, model: str, version: str, needs: Needs
    ) -> VersionFacts:
        """What the registry knows of a version, as far as it is needed. Raises RegistryError when it cannot be read.

        Up to seven requests, one after another, and one for each file to hash, which may take `HASH_SECONDS`.
        """
        try:
            base = server_url(url)
        except ValueError as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"unusable registry URL: {error}") from None
        headers = _authorization(credentials)
        server = _Server(self, base, headers)
        try:
            entry = await server.version(model, version)
        except RegistryError as error:
            raise RegistryError(error.reason, _censored(str(error), credentials)) from None

        async def get(path: str, query: Mapping[str, str]) -> Any:
            try:
                return await self.fetch(base, path, query, headers)
            except _Refusal as refusal:
                if refusal.code == _MISSING:
                    return None
                said = f"MLflow at {base} refused the request: {refusal}"
                raise RegistryError(Reason.REGISTRY_ERROR, _censored(said, credentials)) from None
            except RegistryError as error:
                raise RegistryError(error.reason, _censored(str(error), credentials)) from None

        async def artifact(path: str, read: Read[T], seconds: float) -> T | None:
            query = {"name": model, "version": version, "path": path}
            try:
                return await self._artifact(base, query, headers, read, seconds)
            except RegistryError as error:
                raise RegistryError(error.reason, _censored(str(error), credentials)) from None

        return await FactsReader(get, artifact, self._timeout).read(entry, needs)

    async def fetch(self, base: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """GET a JSON document. Raises _Refusal when MLflow answers with an error of its own, RegistryError for all else."""

        async def document(response: aiohttp.ClientResponse) -> Any:
            return _document(base, response.status, await read_bounded(response, self._max_bytes))

        return await self._ask(base, API + path, query, headers, document, self._timeout)

    async def _artifact(
        self, base: str, query: Mapping[str, str], headers: Mapping[str, str], read: Read[T], seconds: float
    ) -> T | None:
        """GET a file of a version; None when it is not there. Raises RegistryError."""

        async def file(response: aiohttp.ClientResponse) -> T | None:
            if response.status == 200:
                return await read(response)
            body = await read_bounded(response, self._max_bytes)
            if response.status == 404:
                return None
            try:
                _document(base, response.status, body)
            except _Refusal as refusal:
                if refusal.code == _MISSING:
                    return None
                raise RegistryError(Reason.REGISTRY_ERROR, f"MLflow at {base} gave no file: {refusal}") from None
            raise RegistryError(Reason.REGISTRY_ERROR, f"MLflow at {base} answered HTTP {response.status}")

        return await self._ask(base, ARTIFACT, query, headers, file, seconds)

    async def _ask(
        self,
        base: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        read: Read[T],
        seconds: float,
    ) -> T:
        """One GET, its wait for a turn included in the seconds. Raises RegistryError, and what `read` raises."""
        if self._session is None:
            self._session = new_session()
        turns = self._turns.setdefault(base, asyncio.Semaphore(self._concurrency))
        try:
            async with (
                asyncio.timeout(seconds),
                turns,
                self._session.get(base + path, params=query, headers=headers, allow_redirects=False) as response,
            ):
                return await read(response)
        except TimeoutError:
            said = f"the registry at {base} gave no answer within {seconds:g} s"
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, said) from None
        except TooLarge as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"the registry at {base}: {error}") from None
        except (aiohttp.InvalidURL, ValueError) as error:
            raise RegistryError(Reason.REGISTRY_ERROR, f"unusable registry URL {base}: {one_line(error)}") from None
        except (aiohttp.ClientError, OSError) as error:
            said = f"cannot reach the registry at {base}: {connection_trouble(error)}"
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, said) from None


class _Server:
    """One registry with one set of credentials."""

    def __init__(self, registry: MLflowRegistry, base: str, headers: Mapping[str, str]) -> None:
        self._registry = registry
        self._base = base
        self._headers = headers

    async def version(self, model: str, version: str) -> dict[str, Any]:
        try:
            answer = await self._get("/model-versions/get", name=model, version=version)
        except _Refusal as refusal:
            if refusal.code != _MISSING:
                raise self._unexpected(refusal) from None
            await self._require_model(model)
            said = f"the registered model {model!r} has no version {version}"
            raise RegistryError(Reason.VERSION_NOT_FOUND, said) from None
        return self._entry(answer, "model_version")

    async def alias(self, model: str, alias: str) -> dict[str, Any]:
        try:
            answer = await self._get("/registered-models/alias", name=model, alias=alias)
        except _Refusal as refusal:
            # MLflow calls a missing alias, of a model that may be missing too, an invalid parameter; an alias whose
            # version is gone, a missing resource.
            if refusal.code not in (_MISSING, "INVALID_PARAMETER_VALUE"):
                raise self._unexpected(refusal) from None
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
            except _Refusal as refusal:
                raise self._unexpected(refusal) from None
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
            except _Refusal as refusal:
                raise self._unexpected(refusal) from None
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
        try:
            answer = await self._get("/registered-models/get", name=model)
        except _Refusal as refusal:
            if refusal.code != _MISSING:
                raise self._unexpected(refusal) from None
            said = f"the registry at {self._base} has no registered model {model!r}"
            raise RegistryError(Reason.MODEL_NOT_FOUND, said) from None
        found = answer.get("registered_model")
        if not isinstance(found, dict):
            raise self._malformed()
        return _tags(found).get(key)

    async def _require_model(self, model: str) -> None:
        try:
            await self._get("/registered-models/get", name=model)
        except _Refusal as refusal:
            if refusal.code != _MISSING:
                raise self._unexpected(refusal) from None
            said = f"the registry at {self._base} has no registered model {model!r}"
            raise RegistryError(Reason.MODEL_NOT_FOUND, said) from None

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer = await self._registry.fetch(self._base, path, query, self._headers)
        if not isinstance(answer, dict):
            raise self._malformed()
        return answer

    def _entry(self, answer: dict[str, Any], key: str) -> dict[str, Any]:
        entry = answer.get(key)
        if not isinstance(entry, dict) or not entry.get("name") or not entry.get("version"):
            raise self._malformed()
        return entry

    def _entries(self, page: dict[str, Any]) -> list[dict[str, Any]]:
        return [self._entry({"entry": entry}, "entry") for entry in self._list(page, "model_versions")]

    def _list(self, holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
        entries = holder.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self._malformed()
        return entries

    def _malformed(self) -> RegistryError:
        return RegistryError(Reason.REGISTRY_ERROR, f"the server at {self._base} does not answer as MLflow does")

    def _unexpected(self, refusal: _Refusal) -> RegistryError:
        return RegistryError(Reason.REGISTRY_ERROR, f"MLflow at {self._base} refused the request: {refusal}")


def _document(base: str, status: int, body: bytes) -> Any:
    """Parse an answer, or say what is wrong with it."""
    if status in (401, 403):
        said = f"the registry at {base} refused access (HTTP {status})"
        raise RegistryError(Reason.REGISTRY_UNAUTHORIZED, said)
    if status >= 500 or status == 429:
        raise RegistryError(Reason.REGISTRY_UNREACHABLE, f"the registry at {base} answered HTTP {status}")
    if 300 <= status < 400:
        said = f"the registry at {base} answered with a redirect (HTTP {status}), which is not followed"
        raise RegistryError(Reason.REGISTRY_ERROR, said)
    try:
        document = json.loads(body)
        if status == 200:
            return document
        raise _Refusal(str(document["error_code"]), one_line(document.get("message", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        said = f"the server at {base} answered HTTP {status}, but not as MLflow does"
        raise RegistryError(Reason.REGISTRY_ERROR, said) from None


def _named(entry: dict[str, Any]) -> ModelVersion:
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


def _authorization(credentials: RegistryCredentials | None) -> dict[str, str]:
    """The header that MLflow's own client would send: user and password before a token."""
    if credentials is None:
        return {}
    if any(_CONTROL.search(part) for part in _secrets(credentials)):
        said = (
            "the registry's credentials hold a control character (often a line break at the end of the Secret's value)"
        )
        raise RegistryError(Reason.REGISTRY_UNAUTHORIZED, said)
    if credentials.username and credentials.password:
        pair = f"{credentials.username}:{credentials.password}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
    if credentials.token:
        return {"Authorization": f"Bearer {credentials.token}"}
    return {}


def _secrets(credentials: RegistryCredentials) -> list[str]:
    return [part for part in (credentials.username, credentials.password, credentials.token) if part]


def _censored(message: str, credentials: RegistryCredentials | None) -> str:
    """A server may say what it was sent; the message does not."""
    for secret in (credentials.password, credentials.token) if credentials else ():
        if secret and len(secret) >= 4:
            message = message.replace(secret, "***")
    return message
