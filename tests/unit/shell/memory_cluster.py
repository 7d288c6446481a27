"""An API server in memory, behind the KubeClient port."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from steersman.ports import ApiError, Conflict, NotFound

Key = tuple[str, str, str]


class MemoryCluster:
    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.lists: list[str] = []
        """Kinds that were listed."""
        self.refuse: set[str] = set()
        """Kinds that cannot be written."""
        self.unreadable: dict[str, Exception] = {}
        """Kinds that cannot be listed at a version."""
        self.watches: list[tuple[Key, asyncio.Queue[Any]]] = []
        """Watches of single objects that are open: what is to be yielded, or raised."""
        self._version = 0

    def put(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        manifest = copy.deepcopy(manifest)
        manifest["metadata"]["resourceVersion"] = str(self._version)
        manifest["metadata"].setdefault("uid", f"uid-{self._version}")
        self.objects[self._key(manifest)] = manifest
        self._tell("MODIFIED", manifest)
        return copy.deepcopy(manifest)

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object as somebody else would."""
        gone = self.objects.pop((kind, namespace, name))
        self._version += 1
        gone["metadata"]["resourceVersion"] = str(self._version)
        self._tell("DELETED", gone)

    def _tell(self, what: str, manifest: dict[str, Any]) -> None:
        for key, events in self.watches:
            if key == self._key(manifest):
                events.put_nowait((what, copy.deepcopy(manifest)))

    async def list_at(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> tuple[list[dict[str, Any]], str]:
        assert fields is not None
        self.lists.append(kind)
        if kind in self.unreadable:
            raise self.unreadable[kind]
        there = self.objects.get((kind, namespace or "", fields["metadata.name"]))
        return [copy.deepcopy(there)] if there else [], str(self._version)

    async def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        resource_version: str,
        fields: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        assert fields is not None
        mine = ((kind, namespace or "", fields["metadata.name"]), asyncio.Queue[Any]())
        there = self.objects.get(mine[0])
        if there is not None and int(there["metadata"]["resourceVersion"]) > int(resource_version):
            mine[1].put_nowait(("MODIFIED", copy.deepcopy(there)))
        self.watches.append(mine)
        try:
            while True:
                event = await mine[1].get()
                if isinstance(event, Exception):
                    raise event
                if event is None:
                    return
                yield event
        finally:
            self.watches.remove(mine)

    async def json_patch(
        self, api_version: str, kind: str, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        if kind in self.refuse:
            raise ApiError(403, "forbidden by policy")
        changed = copy.deepcopy(self._find(kind, namespace, name))
        for operation in operations:
            *parents, last = [int(part) if part.isdigit() else part for part in operation["path"].split("/")[1:]]
            place: Any = changed
            for part in parents:
                place = place[part]
            if operation["op"] == "test" and place[last] != operation["value"]:
                raise Conflict("the object has been modified")
            if operation["op"] == "replace":
                place[last] = operation["value"]
        self.writes.append(f"patch {kind}")
        return self.put(changed)

    async def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> dict[str, Any]:
        return copy.deepcopy(self._find(kind, namespace, name))

    async def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        *,
        at_most: int | None = None,
    ) -> list[dict[str, Any]]:
        self.lists.append(kind)
        found = [
            copy.deepcopy(m)
            for (k, ns, _), m in self.objects.items()
            if k == kind
            and namespace in (None, ns)
            and (labels or {}).items() <= (m["metadata"].get("labels") or {}).items()
        ]
        return found[:at_most]

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] in self.refuse:
            raise ApiError(403, "forbidden by policy")
        old = self.objects.get(self._key(manifest), {"metadata": {}})
        guard = manifest["metadata"].get("resourceVersion")
        if guard not in (None, old["metadata"].get("resourceVersion", guard)):
            raise Conflict("the object has been modified")
        self.writes.append(f"apply {manifest['kind']}")
        merged = {**copy.deepcopy(manifest), "status": old.get("status", {})}
        merged["metadata"]["uid"] = old["metadata"].get("uid") or f"uid-{self._version}"
        return self.put(merged)

    async def replace_status(self, manifest: dict[str, Any]) -> dict[str, Any]:
        there = self._find(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        if there["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        self.writes.append(f"status {manifest['kind']}")
        return self.put({**there, "status": manifest["status"]})

    async def remove_annotation(self, manifest: dict[str, Any], key: str) -> None:
        self.writes.append("annotation")
        there = self._find(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        there["metadata"].get("annotations", {}).pop(key, None)
        self.put(there)

    async def delete(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        name: str,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        there = self.objects.get((kind, namespace or "", name))
        if there is not None and resource_version not in (None, there["metadata"]["resourceVersion"]):
            raise Conflict("the object has been modified")
        self.writes.append(f"delete {kind}")
        self.objects.pop((kind, namespace or "", name), None)

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return self.put(manifest)

    async def replace(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return self.put(manifest)

    def _find(self, kind: str, namespace: str | None, name: str) -> dict[str, Any]:
        try:
            return self.objects[kind, namespace or "", name]
        except KeyError:
            raise NotFound(f"{kind} {name} not found") from None

    @staticmethod
    def _key(manifest: dict[str, Any]) -> Key:
        return manifest["kind"], manifest["metadata"].get("namespace") or "", manifest["metadata"]["name"]
