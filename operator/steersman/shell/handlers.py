"""kopf as informer: the handlers put what they see into the store and do nothing else.

Only on.event is used: every other kind of kopf handler writes finalizers or annotations on the objects that it handles.
"""

from __future__ import annotations

import logging
from typing import Any

import kopf

from steersman.shell.kinds import WatchedKind
from steersman.shell.store import Store

logger = logging.getLogger(__name__)


class _NoDiffBase(kopf.DiffBaseStorage):
    """No last state is kept and none is compared: only on.event is used, and it needs neither.

    kopf would copy every object of every event twice for it, which was more than a third of the operator's CPU time.
    """

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        pass


class _NoProgress(kopf.ProgressStorage):
    """No progress of handlers is kept: on.event handlers have none."""

    def fetch(self, *, key: Any, body: Any) -> Any:
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        pass

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        pass

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        pass

    def clear(self, *, essence: Any) -> Any:
        return essence


def register(registry: kopf.OperatorRegistry, kinds: tuple[WatchedKind, ...], store: Store) -> None:
    """Watch these kinds into the store."""
    for watched in kinds:
        _watch(registry, watched, store)

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def settings_for(kinds: tuple[WatchedKind, ...], scan: bool) -> kopf.OperatorSettings:
    """Kopf's settings: no peering (not an election), no events of its own, and a watch that notices that it is dead."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.scanning.disabled = not scan
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    # What a handler does takes microseconds: there is nothing to wait for at the end.
    settings.queueing.exit_timeout = 0.2
    for watched in kinds:
        if watched.labels:
            selector = ",".join(f"{label}={value}" for label, value in watched.labels.items())
            settings.watching.label_selectors[watched.group, watched.plural] = selector
    return settings


def _watch(registry: kopf.OperatorRegistry, watched: WatchedKind, store: Store) -> None:
    @kopf.on.event(watched.group, watched.version, watched.plural, registry=registry, id=f"watch-{watched.plural}")
    async def seen(event: kopf.RawEvent, **_: Any) -> None:
        manifest = watched.complete(dict(event["object"]))
        manifest["metadata"] = dict(manifest["metadata"])
        if event["type"] == "DELETED":
            store.remove(manifest)
        else:
            store.put(manifest)
