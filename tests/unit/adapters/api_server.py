"""A small API server for tests, over real HTTP: one store, resourceVersions, uids, paging, patches, watches, and faults on demand."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

from aiohttp import web

RESOURCES = {
    "/api/v1": [("events", "Event", True), ("pods", "Pod", True), ("namespaces", "Namespace", False)],
    "/apis/coordination.k8s.io/v1": [("leases", "Lease", True)],
    "/apis/steersman.dev/v1alpha1": [("modeldeployments", "ModelDeployment", True)],
}


def status_body(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}


class FakeApiServer:
    """`faults` holds (status, headers, body) that are answered before anything else; `requests` what was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.requests: list[web.Request] = []
        self.bodies: list[Any] = []
        self.faults: deque[tuple[int, dict[str, str], Any]] = deque()
        self.watches: deque[list[dict[str, Any]]] = deque()
        self.delay = 0.0
        self.expire_continue = False
        self.url = ""
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self.handle)

    def put(self, path: str, item: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        metadata = {
            **item["metadata"],
            "resourceVersion": str(self.version),
            "uid": item["metadata"].get("uid") or f"uid-{self.version}",
        }
        self.objects[path] = {**item, "metadata": metadata}
        return self.objects[path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        body = await request.text()
        self.bodies.append(json.loads(body) if body else None)
        await asyncio.sleep(self.delay)
        if self.faults:
            status, headers, fault = self.faults.popleft()
            if isinstance(fault, dict):
                return web.json_response(fault, status=status, headers=headers)
            return web.Response(status=status, headers=headers, body=fault)
        path = request.path
        if path in RESOURCES:
            entries = [{"name": n, "kind": k, "namespaced": s} for n, k, s in RESOURCES[path]]
            entries.append({"name": "pods/status", "kind": "Pod", "namespaced": True})
            return web.json_response({"kind": "APIResourceList", "resources": entries})
        if path.removesuffix("/status").rpartition("/")[2] in {n for group in RESOURCES.values() for n, _, _ in group}:
            return await self._collection(request, path)
        return self._object(request, path)

    async def _collection(self, request: web.Request, path: str) -> web.StreamResponse:
        if request.method == "POST":
            item = self.bodies[-1]
            name = f"{path}/{item['metadata']['name']}"
            if name in self.objects:
                return web.json_response(status_body(409, "already exists"), status=409)
            return web.json_response(self.put(name, item), status=201)
        if request.query.get("watch"):
            return await self._watch(request)
        plural = path.rpartition("/")[2]
        scope = path.removesuffix(plural)
        found = [
            {key: value for key, value in item.items() if key not in ("apiVersion", "kind")}
            for name, item in sorted(self.objects.items())
            if name.startswith(scope) and name.rpartition("/")[0].endswith(f"/{plural}")
        ]
        begin, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 10**9))
        if begin and self.expire_continue:
            return web.json_response(status_body(410, "the provided continue parameter is too old"), status=410)
        metadata = {"resourceVersion": str(self.version)}
        if begin + limit < len(found):
            metadata["continue"] = str(begin + limit)
        return web.json_response({"kind": "List", "metadata": metadata, "items": found[begin : begin + limit]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if not self.watches:
            await asyncio.sleep(30)
        for event in self.watches.popleft():
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    def _object(self, request: web.Request, path: str) -> web.Response:
        path = path.removesuffix("/status")
        item = self.objects.get(path)
        sent = self.bodies[-1]
        if request.method == "PATCH" and request.content_type == "application/apply-patch+yaml":
            return web.json_response(self.put(path, sent))
        if item is None:
            return web.json_response(status_body(404, f"{path} not found"), status=404)
        if request.method == "PUT":
            if sent["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
                return web.json_response(status_body(409, "the object has been modified"), status=409)
            return web.json_response(self.put(path, sent))
        if request.method == "PATCH":
            return self._patch(request, path, item, sent)
        if request.method == "DELETE":
            uid = (sent or {}).get("preconditions", {}).get("uid", item["metadata"]["uid"])
            if uid != item["metadata"]["uid"]:
                return web.json_response(status_body(409, "Precondition failed: UID"), status=409)
            del self.objects[path]
            return web.json_response({"kind": "Status", "status": "Success"})
        return web.json_response(item)

    def _patch(self, request: web.Request, path: str, item: dict[str, Any], sent: Any) -> web.Response:
        item = json.loads(json.dumps(item))
        if request.content_type == "application/merge-patch+json":
            for key, value in sent.get("metadata", {}).get("annotations", {}).items():
                item["metadata"].setdefault("annotations", {})[key] = value
            item.update({key: value for key, value in sent.items() if key != "metadata"})
            return web.json_response(self.put(path, item))
        for operation in sent:
            *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
            place: Any = item
            for part in parents:
                place = place.get(part, {})
            if last not in place or (operation["op"] == "test" and place[last] != operation["value"]):
                return web.json_response(status_body(422, "the server rejected our request"), status=422)
            if operation["op"] == "remove":
                del place[last]
            elif operation["op"] == "replace":
                place[last] = operation["value"]
        return web.json_response(self.put(path, item))
