"""Kubernetes events about our objects: aggregated, limited, and never in the way of the work.

They are core/v1 Events with a count, as client-go's recorder writes them: `kubectl describe` and `kubectl events` show both
generations of the API alike, and the count needs no series' end to be reported. Repeats within ten minutes raise the count
of the event that is there. Limits follow client-go's EventSourceObjectSpamFilter: bursts of 25 per object, then one per 10 s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, Protocol

from steersman.ports import ApiError, Conflict, Manifest, NotFound

logger = logging.getLogger(__name__)

MESSAGE_BYTES: Final = 1024
"""The API server's limit for a message."""
AGGREGATION_SECONDS: Final = 600.0
"""Repeats within this time of the last one are counted in the same object."""
REMEMBERED_EVENTS: Final = 4096
"""Most events, and objects, that are remembered; the least recently used are forgotten."""
QUEUE_LENGTH: Final = 10_000
"""Most events that wait to be written; more are dropped."""
GIVE_WAY_SECONDS: Final = 5.0
"""Age of an event up to which work that waits comes before it."""
BURST: Final = 25
"""Events that an object may have at once."""
REFILL_SECONDS: Final = 10.0
"""Time after which an object may have one more."""


class EventWriter(Protocol):
    """The part of AioKubeClient that writes events."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create."""
        ...

    async def merge_patch(
        self, api_version: str, kind: str, namespace: str | None, name: str, patch: Manifest
    ) -> Manifest:
        """Merge a patch in."""
        ...


class EventType(StrEnum):
    """The two types that Kubernetes knows."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Outcome(StrEnum):
    """What became of an event, for the counter that the shell exports."""

    CREATED = "created"
    AGGREGATED = "aggregated"
    LIMITED = "limited"
    """Over the object's rate."""
    OVERFLOWED = "overflowed"
    """The queue was full, or the recorder was stopped."""
    FENCED = "fenced"
    """This process may no longer write."""
    FAILED = "failed"
    """The API server did not take it."""


@dataclass(frozen=True)
class _Event:
    reference: Manifest
    type: EventType
    reason: str
    message: str
    at: float

    @property
    def key(self) -> tuple[str, ...]:
        """Events with equal keys are one event and its repeats."""
        about = self.reference
        return (
            about["kind"],
            about.get("namespace", ""),
            about["name"],
            about["uid"],
            self.type,
            self.reason,
            self.message,
        )


@dataclass
class _Written:
    name: str
    namespace: str
    count: int
    last: float


class EventRecorder:
    """Writes events in the background. `record` never blocks nor raises; run `run` as a task and `stop` it at the end."""

    def __init__(
        self,
        client: EventWriter,
        instance: str,
        *,
        component: str = "steersman",
        clock: Callable[[], float] = time.time,
        on_outcome: Callable[[Outcome], None] | None = None,
        may_write: Callable[[], bool] = lambda: True,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`instance` is this process's name (its pod); `clock` gives seconds since the epoch; `may_write` is asked before
        each write; while `busy`, writing waits a little.
        """
        self._client = client
        self._instance = instance
        self._component = component
        self._clock = clock
        self._on_outcome = on_outcome or (lambda outcome: None)
        self._may_write = may_write
        self._busy = busy
        self._queue: asyncio.Queue[_Event | None] = asyncio.Queue(QUEUE_LENGTH)
        self._written: OrderedDict[tuple[str, ...], _Written] = OrderedDict()
        self._budgets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._stopped = False

    def record(self, about: Manifest, type_: EventType, reason: str, message: str) -> None:
        """Say something about an object (its manifest, with metadata.uid) under a CamelCase reason."""
        try:
            event = _Event(_reference(about), type_, str(reason), _shortened(message), self._clock())
            if self._stopped:
                self._on_outcome(Outcome.OVERFLOWED)
            elif not self._allowed(event):
                self._on_outcome(Outcome.LIMITED)
            else:
                self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._on_outcome(Outcome.OVERFLOWED)
        except Exception:
            # An event is a courtesy; a malformed object must not end the work that it tells about.
            logger.exception("cannot record an event (%s)", reason)
            self._on_outcome(Outcome.FAILED)

    async def run(self) -> None:
        """Write what is recorded until stopped."""
        while (event := await self._queue.get()) is not None:
            while self._busy() and not self._stopped and self._clock() - event.at < GIVE_WAY_SECONDS:  # noqa: ASYNC110
                await asyncio.sleep(GIVE_WAY_SECONDS / 50)
            try:
                outcome = await self._write(event) if self._may_write() else Outcome.FENCED
            except (ApiError, Conflict, NotFound) as error:
                logger.warning("cannot write event %s of %s: %s", event.reason, event.reference["name"], error)
                outcome = Outcome.FAILED
            except Exception:
                logger.exception("cannot write event %s of %s", event.reason, event.reference["name"])
                outcome = Outcome.FAILED
            self._on_outcome(outcome)

    async def stop(self, running: asyncio.Task[None], drain: float = 2.0) -> None:
        """Take no more, write what waits for up to `drain` seconds, and end the task of `run`."""
        self._stopped = True
        ending = asyncio.create_task(self._queue.put(None))
        await asyncio.wait({running}, timeout=drain)
        if not running.done():
            logger.warning("stopped with events unwritten, %d or more", self._queue.qsize())
        for task in (ending, running):
            task.cancel()
        await asyncio.gather(ending, running, return_exceptions=True)

    def _allowed(self, event: _Event) -> bool:
        """Token bucket per object."""
        uid = event.reference["uid"]
        tokens, since = self._budgets.pop(uid, (float(BURST), event.at))
        tokens = min(float(BURST), tokens + max(event.at - since, 0.0) / REFILL_SECONDS)
        allowed = tokens >= 1.0
        self._budgets[uid] = (tokens - 1.0 if allowed else tokens, event.at)
        if len(self._budgets) > REMEMBERED_EVENTS:
            self._budgets.popitem(last=False)
        return allowed

    async def _write(self, event: _Event) -> Outcome:
        before = self._written.get(event.key)
        if before is not None and event.at - before.last < AGGREGATION_SECONDS and await self._count(event, before):
            return Outcome.AGGREGATED
        created = await self._client.create(self._manifest(event))
        metadata = created["metadata"]
        self._remember(event, _Written(metadata["name"], metadata["namespace"], 1, event.at))
        return Outcome.CREATED

    async def _count(self, event: _Event, before: _Written) -> bool:
        """Raise the count of an event; False when it is gone (events live for an hour by default)."""
        count = before.count + 1
        patch = {"count": count, "lastTimestamp": _timestamp(event.at)}
        try:
            await self._client.merge_patch("v1", "Event", before.namespace, before.name, patch)
        except NotFound:
            return False
        self._remember(event, _Written(before.name, before.namespace, count, event.at))
        return True

    def _remember(self, event: _Event, written: _Written) -> None:
        self._written[event.key] = written
        self._written.move_to_end(event.key)
        if len(self._written) > REMEMBERED_EVENTS:
            self._written.popitem(last=False)

    def _manifest(self, event: _Event) -> Manifest:
        about, moment = event.reference, _timestamp(event.at)
        # Unique without a random source: the same event is created again only later.
        digest = sha256(repr((event.key, event.at, self._instance)).encode()).hexdigest()[:16]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            # Cluster-scoped objects have their events in `default`, where kubectl describe looks for them.
            "metadata": {
                "name": f"{about['name'][:200].rstrip('.-')}.{digest}",
                "namespace": about.get("namespace") or "default",
            },
            "involvedObject": about,
            "type": event.type.value,
            "reason": event.reason,
            "message": event.message,
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }


def _reference(about: Mapping[str, Any]) -> Manifest:
    metadata = about["metadata"]
    reference = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    if metadata.get("namespace"):
        reference["namespace"] = metadata["namespace"]
    return reference


def _shortened(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= MESSAGE_BYTES:
        return message
    mark = "…"
    return encoded[: MESSAGE_BYTES - len(mark.encode())].decode(errors="ignore") + mark


def _timestamp(seconds: float) -> str:
    """RFC 3339 in whole seconds, as metav1.Time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
