"""The objects that the operator watches, as last seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from steersman.api.meta import LABEL_DEPLOYMENT
from steersman.ports import Manifest
from steersman.shell.kinds import CONFIGURATION, OWNED
from steersman.shell.lean import lean

Listener = Callable[[Manifest], None]

_STATUS_IGNORED = frozenset(watched.kind for watched in (*CONFIGURATION, *OWNED) if not watched.status_matters)


def resource_version(manifest: Manifest) -> int:
    """A number that grows with each write of an object: the API server's own order (KEP-5504)."""
    return number(str(manifest["metadata"].get("resourceVersion") or "0"))


def number(version: str) -> int:
    """A resourceVersion as a number; 0 when it is none."""
    return int(version) if version.isdigit() else 0


class Store:
    """Manifests by kind, namespace and name; older sights of an object never replace newer ones."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[tuple[str, str], Manifest]] = defaultdict(dict)
        self._owned: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call on every change, with the object as it is or was."""
        self._listeners.append(listener)

    def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """The object, or None. Do not change it."""
        return self._objects[kind].get((namespace or "", name))

    def all(self, kind: str) -> Iterator[Manifest]:
        """Every object of a kind."""
        return iter(list(self._objects[kind].values()))

    def count(self, kind: str) -> int:
        """How many objects of a kind are known."""
        return len(self._objects[kind])

    def owned_by(self, namespace: str, deployment: str) -> list[Manifest]:
        """Objects that carry the label of a ModelDeployment."""
        found = (
            self._objects[kind].get((namespace, name)) for kind, name in self._owned.get((namespace, deployment), ())
        )
        return [manifest for manifest in found if manifest is not None]

    def put(self, manifest: Manifest) -> None:
        """Take over a lean copy of an object unless a newer sight of it is known. Nobody is told when only a status changed that does not matter."""
        kind, key = manifest["kind"], _key(manifest)
        version = resource_version(manifest)
        old = self._objects[kind].get(key)
        same = old is not None and old["metadata"].get("uid") == manifest["metadata"].get("uid")
        if old is not None and same and version <= resource_version(old):
            return
        manifest = lean(manifest)
        self._objects[kind][key] = manifest
        owner = _owner(manifest)
        if owner is not None:
            self._owned[owner].add((kind, key[1]))
        if not (same and kind in _STATUS_IGNORED and old is not None and _wanted(old) == _wanted(manifest)):
            self._tell(manifest)

    def remove(self, manifest: Manifest) -> None:
        """Forget a deleted object."""
        kind, key = manifest["kind"], _key(manifest)
        old = self._objects[kind].get(key)
        if old is None or (old["metadata"].get("uid") != manifest["metadata"].get("uid")):
            return
        del self._objects[kind][key]
        owner = _owner(old)
        if owner is not None:
            self._owned[owner].discard((kind, key[1]))
            if not self._owned[owner]:
                del self._owned[owner]
        self._tell(old)

    def replace_all(self, kind: str, namespace: str | None, manifests: list[Manifest], version: str) -> None:
        """Make a kind (in one namespace or, for None, everywhere) be what a list has shown at a resourceVersion.

        What was written after that stays.
        """
        shown = {_key(manifest): manifest for manifest in manifests}
        listed_at = number(version)
        for key, old in list(self._objects[kind].items()):
            if key not in shown and (namespace is None or key[0] == namespace) and resource_version(old) <= listed_at:
                self.remove(old)
        for manifest in manifests:
            self.put(manifest)

    def _tell(self, manifest: Manifest) -> None:
        for listener in self._listeners:
            listener(manifest)


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"].get("namespace") or "", manifest["metadata"]["name"]


def _wanted(manifest: Manifest) -> Manifest:
    """The object without what its controller says of it."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "resourceVersion"}
    return {**manifest, "metadata": metadata, "status": None}


def _owner(manifest: Manifest) -> tuple[str, str] | None:
    name = (manifest["metadata"].get("labels") or {}).get(LABEL_DEPLOYMENT)
    return (manifest["metadata"].get("namespace") or "", name) if name else None
