"""Reconcile one ModelDeployment: observe, plan, record the intent, act."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from steersman.adapters.traffic import provider_for
from steersman.api.conditions import Reason
from steersman.api.meta import ANNOTATION_ACTION, API_VERSION, LABEL_REVISION
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.core.plan import plan
from steersman.core.snapshot import EventIntent, Plan, Problem, RoutePatch, Snapshot
from steersman.ports import NO_VERSION, ApiError, Conflict, KubeClient, Manifest, NotFound
from steersman.shell.desks import Desks
from steersman.shell.echoes import Echoes
from steersman.shell.news import News
from steersman.shell.observe import SnapshotBuilder
from steersman.shell.queue import Key
from steersman.shell.store import Store

logger = logging.getLogger(__name__)

OBSTACLE_SECONDS = 15.0
"""Between two looks at whether a taken name is free."""


class NotLeader(Exception):  # noqa: N818
    """Leadership was lost: nothing more may be written."""


class EventSink(Protocol):
    """Records Kubernetes events without ever failing."""

    def record(self, manifest: Manifest, event: EventIntent) -> None:
        """Record an event on an object."""
        ...


class Reconciler:
    """Carries out plans. At most one reconcile per key at a time (the workqueue sees to it)."""

    def __init__(
        self,
        client: KubeClient,
        store: Store,
        builder: SnapshotBuilder,
        desks: Desks,
        events: EventSink,
        is_leader: Callable[[], bool],
        on_planned: Callable[[Key, Plan | None], None],
        news: News,
    ) -> None:
        """`is_leader` is asked before each write; `on_planned` hears of each plan, and None when the object is gone."""
        self._client = client
        self._store = store
        self._builder = builder
        self._desks = desks
        self._events = events
        self._is_leader = is_leader
        self._on_planned = on_planned
        self._news = news
        self._taken: dict[Key, tuple[str, str, str]] = {}
        self.echoes = Echoes()

    async def reconcile(self, key: Key) -> float | None:
        """One pass; returns when to look again (seconds since the epoch). Raises ApiError, NotLeader; Conflict is retried."""
        manifest = self._store.get("ModelDeployment", *key)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            self._forget(key)
            return None
        obstacle = await self._obstacle(key, manifest)
        snapshot = await self._builder.build(manifest, obstacle)
        if (moment := self._desks.poller.worth_waiting(key)) is not None:
            # The answer wakes this key: to say in between that it is not there would be two writes for one.
            return snapshot.now + moment
        decided = plan(snapshot, provider_for)
        if (until := self._news.hold(key, decided, snapshot.now)) is not None:
            return until
        self._desks.slots.planned(key, decided.status)
        try:
            manifest = await self._record(manifest, decided)
        except NotFound:
            # Deleted since it was last seen: the watch will say so.
            return None
        self._desks.measurements.recorded(key, snapshot.results)
        self._desks.write_back.recorded(key, snapshot.written)
        if self._desks.retraining is not None:
            # At once: what is recorded as sent must be, whatever becomes of the objects.
            self._desks.retraining.recorded(key, snapshot.reports)
            self._desks.retraining.submit(key, decided.errands)
        self._on_planned(key, decided)
        if self._desks.notifier is not None:
            own = snapshot.spec.notifications if isinstance(snapshot.spec, ModelDeploymentSpec) else ()
            self._desks.notifier.recorded(key, manifest, own, decided.status.notifications)
        for event in decided.events:
            self._events.record(manifest, event)
            log = logger.warning if event.warning else logger.info
            log(
                "%s: %s",
                event.reason,
                event.message,
                extra={"namespace": key[0], "object": key[1], "reason": event.reason},
            )
        await self._act(key, manifest, snapshot, decided)
        self._desks.measurements.submit(key, decided.queries)
        self._desks.questions.submit(key, decided.questions)
        self._desks.write_back.submit(key, self._desks.poller.source(key), decided.writes)
        looks = (
            decided.requeue_at,
            snapshot.now + OBSTACLE_SECONDS if obstacle is not None else None,
            self._desks.pods.next_look(key),
            self._desks.slots.next_look(key, snapshot.now),
        )
        return min((at for at in looks if at is not None), default=None)

    async def _record(self, manifest: Manifest, decided: Plan) -> Manifest:
        """Write the status, guarded by the resourceVersion that the plan was made from."""
        if decided.status == decided.before:
            return manifest
        self._fence()
        sent = {**manifest, "status": decided.status.to_wire()}
        try:
            with self.echoes.recording(sent):
                written = await self._client.replace_status(sent)
                self._store.put(written)
        except Conflict:
            namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
            await self._read_again(API_VERSION, "ModelDeployment", namespace, name)
            raise
        return written

    async def _read_again(self, api_version: str, kind: str, namespace: str, name: str) -> None:
        """Somebody wrote first: have the next plan made from what is there now."""
        try:
            self._store.put(await self._client.get(api_version, kind, namespace, name))
        except NotFound:
            if (gone := self._store.get(kind, namespace, name)) is not None:
                self._store.remove(gone)

    async def _act(self, key: Key, manifest: Manifest, snapshot: Snapshot, decided: Plan) -> None:
        for wanted in decided.apply:
            if await self._is_foreign(key, wanted, snapshot):
                self._taken[key] = (wanted["apiVersion"], wanted["kind"], wanted["metadata"]["name"])
                raise ApiError(409, f"{wanted['kind']} {wanted['metadata']['name']!r} belongs to somebody else")
            guarded = self._guarded(key, wanted, snapshot)
            self._fence()
            try:
                with self.echoes.applying(wanted, snapshot.children.get(wanted["kind"], wanted["metadata"]["name"])):
                    self._store.put(await self._client.apply(guarded))
            except Conflict:
                await self._read_again(wanted["apiVersion"], wanted["kind"], key[0], wanted["metadata"]["name"])
                raise
            except (ApiError, NotFound) as error:
                if _is_going(error):
                    return
                raise self._failed(manifest, f"{wanted['kind']} {wanted['metadata']['name']}", error) from error
        for patch in decided.patch:
            await self._patch(manifest, patch)
        for ref in decided.delete:
            seen = snapshot.children.get(ref.kind, ref.name)
            version = seen["metadata"]["resourceVersion"] if seen is not None else None
            self._fence()
            try:
                await self._client.delete(ref.api_version, ref.kind, key[0], ref.name, ref.uid, version)
            except Conflict:
                await self._read_again(ref.api_version, ref.kind, key[0], ref.name)
                raise
            if seen is not None:
                # Else the next plan, made before the watch tells, deletes it again.
                self._store.remove(seen)
        if decided.clear_action:
            self._fence()
            try:
                await self._client.remove_annotation(manifest, ANNOTATION_ACTION)
            except Conflict:
                await self._read_again(API_VERSION, "ModelDeployment", *key)
                raise

    async def _patch(self, manifest: Manifest, patch: RoutePatch) -> None:
        """Change an adopted route, unless it is no longer the one that was planned for."""
        namespace = manifest["metadata"]["namespace"]
        self._fence()
        try:
            written = await self._client.json_patch(
                patch.api_version, patch.kind, namespace, patch.name, patch.operations
            )
        except Conflict:
            await self._desks.adopted.read_again(patch.api_version, patch.kind, namespace, patch.name)
            raise
        except (ApiError, NotFound) as error:
            raise self._failed(manifest, f"{patch.kind} {patch.name}", error) from error
        self._desks.adopted.put(written)

    def _failed(self, manifest: Manifest, what: str, error: Exception) -> ApiError:
        said = f"{what} could not be written: {error}"
        self._events.record(manifest, EventIntent(Reason.APPLY_FAILED, said, warning=True))
        return ApiError(getattr(error, "status", 404), said)

    def _guarded(self, key: Key, wanted: Manifest, snapshot: Snapshot) -> Manifest:
        """The manifest with the version that the plan was made from.

        The fence alone is not enough: a process may be suspended between it and the request, and another leader may have
        written when it goes on.
        """
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        seen = snapshot.children.get(kind, name) or self._store.get(kind, key[0], name)
        guard = {"resourceVersion": NO_VERSION}
        if seen is not None:
            guard = {field: seen["metadata"][field] for field in ("uid", "resourceVersion")}
        return {**wanted, "metadata": {**wanted["metadata"], **guard}}

    async def _is_foreign(self, key: Key, wanted: Manifest, snapshot: Snapshot) -> bool:
        """Whether an object of the same name is there that is not ours; names of revisions hold a hash and are never taken."""
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        if LABEL_REVISION in wanted["metadata"]["labels"] or snapshot.children.get(kind, name) is not None:
            return False
        return await self._look_for_foreign(key, wanted["apiVersion"], kind, name, snapshot.manifest["metadata"]["uid"])

    async def _look_for_foreign(self, key: Key, api_version: str, kind: str, name: str, uid: str) -> bool:
        try:
            there = await self._client.get(api_version, kind, key[0], name)
        except NotFound:
            return False
        return not any(owner.get("uid") == uid for owner in there["metadata"].get("ownerReferences") or [])

    async def _obstacle(self, key: Key, manifest: Manifest) -> Problem | None:
        """A name that somebody else had when it was needed, if they still have it."""
        taken = self._taken.get(key)
        if taken is None:
            return None
        if not await self._look_for_foreign(key, *taken, manifest["metadata"]["uid"]):
            del self._taken[key]
            return None
        _, kind, name = taken
        message = f"{kind} {name!r} exists and does not belong to this ModelDeployment: delete or rename one of the two"
        return Problem(Reason.NAME_CONFLICT, message)

    def _fence(self) -> None:
        if not self._is_leader():
            raise NotLeader

    def _forget(self, key: Key) -> None:
        self._desks.drop(key)
        self._news.drop(key)
        self._taken.pop(key, None)
        self._on_planned(key, None)


def _is_going(error: Exception) -> bool:
    """Whether a write was refused because the whole namespace is being deleted."""
    return isinstance(error, ApiError) and error.status == 403 and "because it is being terminated" in str(error)
