"""A cluster in memory, with an operator that answers manual actions if it is told to."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping, Sequence

from steersman.api.meta import ANNOTATION_ACTION
from steersman.ports import ApiError, NotFound
from unit.cli.samples import NOW, Manifest, ago


class InMemoryClient:
    """Implements connection.UserClient. Writes are seen by watches, as in a cluster."""

    def __init__(self, *manifests: Manifest, namespace: str = "risk", events: Sequence[Manifest] = ()) -> None:
        self.namespace = namespace
        self.context: str | None = None
        self.objects = {(m["metadata"]["namespace"], m["metadata"]["name"]): copy.deepcopy(m) for m in manifests}
        self.recorded = list(events)
        self.answers: dict[str, str] = {}
        """What the operator says to each action; it does not answer others."""
        self.failure: Exception | None = None
        """Raised by every call."""
        self.events_failure: Exception | None = None
        self.registries: dict[str, Manifest] = {}
        self.closed = False
        self.annotated: list[Mapping[str, str | None]] = []
        self._watchers: list[asyncio.Queue[tuple[str, Manifest]]] = []
        self._writes = 0

    async def get(self, name: str) -> Manifest:
        self._fail()
        found = self.objects.get((self.namespace, name))
        if found is None:
            raise NotFound(f"no ModelDeployment {name!r} in namespace {self.namespace!r}")
        return copy.deepcopy(found)

    async def list(self, all_namespaces: bool = False) -> Sequence[Manifest]:
        self._fail()
        return [
            copy.deepcopy(self.objects[key])
            for key in sorted(self.objects)
            if all_namespaces or key[0] == self.namespace
        ]

    async def watch(self, name: str | None = None, all_namespaces: bool = False) -> AsyncIterator[tuple[str, Manifest]]:
        self._fail()
        queue: asyncio.Queue[tuple[str, Manifest]] = asyncio.Queue()
        self._watchers.append(queue)
        for manifest in await self.list(all_namespaces):
            if name in (None, manifest["metadata"]["name"]):
                yield "ADDED", manifest
        while True:
            yield await queue.get()
            self._fail()

    async def registry(self, name: str) -> Manifest:
        if name not in self.registries:
            raise NotFound(f"no ModelRegistry {name!r} in namespace {self.namespace!r}")
        return self.registries[name]

    async def annotate(self, name: str, annotations: Mapping[str, str | None]) -> Manifest:
        manifest = await self.get(name)
        self.annotated.append(dict(annotations))
        manifest["metadata"].setdefault("annotations", {}).update(annotations)
        action = str(annotations.get(ANNOTATION_ACTION))[:80]
        if action in self.answers:
            self._writes += 1
            manifest["status"]["action"] = {"action": action, "at": ago(-self._writes), "result": self.answers[action]}
        self.put(manifest)
        return manifest

    async def events(self, name: str) -> Sequence[Manifest]:
        if self.events_failure is not None:
            raise self.events_failure
        return self.recorded

    async def close(self) -> None:
        self.closed = True

    def put(self, manifest: Manifest, kind: str = "MODIFIED") -> None:
        """Change an object behind the client's back."""
        metadata = manifest["metadata"]
        if kind == "DELETED":
            self.objects.pop((metadata["namespace"], metadata["name"]), None)
        else:
            self.objects[(metadata["namespace"], metadata["name"])] = copy.deepcopy(manifest)
        for queue in self._watchers:
            queue.put_nowait((kind, copy.deepcopy(manifest)))

    def fail_from_now_on(self, status: int, message: str) -> None:
        """Every call from now on is refused."""
        self.failure = ApiError(status, message)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


__all__ = ["NOW", "InMemoryClient"]
