"""A model registry that answers as MLflow's REST API does, in what the operator asks of it.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from simulation.loopback import LoopbackServer

API = "/api/2.0/mlflow"
_NAME = re.compile(r"""name\s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")""")
_TAG = re.compile(r"tags\.`(?P<key>[^`]*)`\s*=\s*'(?P<value>[^']*)'")


@dataclass
class RegisteredModel:
    """A model with its versions."""

    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    """Version to tags."""
    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    """Of the model itself."""


class RegistryServer(LoopbackServer):
    """Register versions and move aliases by its methods, while it runs or before."""

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, RegisteredModel] = {}
        self.requests: Counter[str] = Counter()
        """Requests by path."""
        self.down = False
        """Answer 503 to everything."""
        self.delay = 0.0
        """Seconds before each answer."""

    def register(self, model: str, version: str | None = None, tags: dict[str, str] | None = None) -> str:
        """A version, by default the next one; returns it."""
        entry = self.models.setdefault(model, RegisteredModel())
        number = version or str(max(map(int, entry.versions), default=0) + 1)
        entry.versions[number] = dict(tags or {})
        return number

    def point(self, model: str, alias: str, version: str) -> None:
        """Make an alias name a version."""
        self.models[model].aliases[alias] = version

    def routes(self) -> list[web.RouteDef]:
        return [web.get(API + "/{path:.*}", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.requests[path] += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.down:
            return web.Response(status=503, text="down for the test")
        answer = {
            "registered-models/alias": self._alias,
            "registered-models/get": self._model,
            "registered-models/search": self._models,
            "model-versions/get": self._version,
            "runs/get": self._run,
            "model-versions/search": self._search,
        }.get(path)
        if answer is None:
            return _refusal("ENDPOINT_NOT_FOUND", path, 404)
        return answer(request.query.get("name", ""), request)

    def _alias(self, name: str, request: web.Request) -> web.Response:
        alias = request.query.get("alias", "")
        version = self.models.get(name, RegisteredModel()).aliases.get(alias)
        if version is None:
            # MLflow's own choice of words and code.
            return _refusal("INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.", 400)
        return self._show(name, version)

    def _model(self, name: str, request: web.Request) -> web.Response:
        if name not in self.models:
            return _refusal("RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found", 404)
        tags = [{"key": key, "value": value} for key, value in self.models[name].tags.items()]
        return web.json_response({"registered_model": {"name": name, "tags": tags}})

    def _models(self, name: str, request: web.Request) -> web.Response:
        begin, size = int(request.query.get("page_token", "0")), int(request.query.get("max_results", "100"))
        page = sorted(self.models)[begin : begin + size]
        answer: dict[str, Any] = {"registered_models": [self._summary(model) for model in page]}
        if begin + size < len(self.models):
            answer["next_page_token"] = str(begin + size)
        return web.json_response(answer)

    def _summary(self, name: str) -> dict[str, Any]:
        model = self.models[name]
        return {
            "name": name,
            "creation_timestamp": 1_700_000_000_000,
            "last_updated_timestamp": 1_700_000_000_000,
            "latest_versions": [self._entry(name, version) for version in list(model.versions)[-1:]],
            "aliases": [{"alias": alias, "version": version} for alias, version in model.aliases.items()],
        }

    def _version(self, name: str, request: web.Request) -> web.Response:
        return self._show(name, request.query.get("version", ""))

    def _run(self, name: str, request: web.Request) -> web.Response:
        info = {"run_id": request.query.get("run_id", "")}
        return web.json_response({"run": {"info": info, "data": {}, "inputs": {}, "outputs": {}}})

    def _search(self, name: str, request: web.Request) -> web.Response:
        query = request.query.get("filter", "")
        named = _NAME.search(query)
        wanted = (named["single"] or named["double"] or "") if named else ""
        tags = {found["key"]: found["value"] for found in _TAG.finditer(query)}
        versions = self.models.get(wanted, RegisteredModel()).versions
        matching = [version for version, has in versions.items() if tags.items() <= has.items()]
        newest_first = sorted(matching, key=int, reverse=True)
        return web.json_response({"model_versions": [self._entry(wanted, version) for version in newest_first]})

    def _show(self, name: str, version: str) -> web.Response:
        if version not in self.models.get(name, RegisteredModel()).versions:
            what = f"Model Version (name={name}, version={version}) not found"
            return _refusal("RESOURCE_DOES_NOT_EXIST", what, 404)
        return web.json_response({"model_version": self._entry(name, version)})

    def _entry(self, name: str, version: str) -> dict[str, Any]:
        tags = self.models[name].versions[version]
        return {
            "name": name,
            "version": version,
            "status": "READY",
            "source": f"mlflow-artifacts:/{name}/{version}",
            "run_id": f"run-{version}",
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }


def _refusal(code: str, message: str, status: int) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status)
