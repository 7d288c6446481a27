"""Sends what the statuses have to tell, beside the reconciles: by target, within its rate, again and again until it is taken.

What waits is in the statuses (steersman.core.notifications.outbox): a notification leaves its status after it was sent, so a
process that dies in between sends it once more, and none is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

from steersman.api.conditions import Reason
from steersman.api.notification_status import PendingNotification
from steersman.api.notifications import NotificationContent
from steersman.core.notifications import Batch, Lane, Note, notes, summary, words
from steersman.core.snapshot import EventIntent
from steersman.ports import Manifest, NotificationError, NotificationSender
from steersman.shell.notification_targets import SharedTargets, TargetAddress
from steersman.shell.queue import Key

logger = logging.getLogger(__name__)

GIVE_UP_SECONDS: Final = 3600.0
"""Age from which a notification that cannot be delivered is given up."""
FIRST_RETRY: Final = 2.0
"""Seconds after the first failure; then twice as long each time."""
LONGEST_RETRY: Final = 300.0
"""Most seconds between two attempts."""
TOLD_AFTER: Final = 3
"""Attempts in a row that fail before an event says so; at once when somebody has to change something."""

LaneKey = tuple[str, str, str]
"""Namespace, ModelDeployment and name of a target; the first two are empty for one of the operator's own."""


class Notifier:
    """What is pending of every ModelDeployment. Only the leader gives it anything."""

    def __init__(
        self,
        sender: NotificationSender,
        address: TargetAddress,
        shared: SharedTargets,
        wake: Callable[[Key], None],
        failed: Callable[[Manifest, EventIntent], None],
        may_send: Callable[[], bool],
        clock: Callable[[], float],
        count: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`wake` has a key planned again, `failed` records an event, `may_send` is asked before each message, `clock` gives
        seconds since the epoch, `count` hears of each message sent, failed, and of each notification merged or given up.
        """
        self._sender = sender
        self._address = address
        self._shared = shared
        self._wake = wake
        self._failed = failed
        self._may_send = may_send
        self._clock = clock
        self._count = count
        self._sleep = sleep
        self._open: dict[Key, dict[str, int]] = {}
        """Notifications in a status, and how many targets have not got them yet."""
        self._manifests: dict[Key, Manifest] = {}
        self._targets: dict[LaneKey, NotificationContent] = {}
        self._lanes: dict[LaneKey, Lane] = {}
        self._tasks: dict[LaneKey, asyncio.Task[None]] = {}

    @property
    def told(self) -> frozenset[Reason]:
        """Reasons of events that the operator's own targets hear of."""
        return frozenset(reason for target in self._shared.targets for reason in target.events)

    def sent(self, key: Key) -> frozenset[str]:
        """Ids in the status that need not stay there."""
        return frozenset(each for each, left in self._open.get(key, {}).items() if left == 0)

    def recorded(
        self, key: Key, manifest: Manifest, own: Iterable[NotificationContent], pending: Collection[PendingNotification]
    ) -> None:
        """What a status that was just written, or seen, has to tell. Does nothing for what is known already."""
        if not pending and key not in self._open:
            return
        known = self._open.setdefault(key, {})
        for gone in known.keys() - {each.id for each in pending}:
            del known[gone]
        self._manifests[key] = manifest
        targets: Mapping[LaneKey, NotificationContent] = {
            **{("", "", target.name): target for target in self._shared.targets},
            **{(*key, target.name): target for target in own},
        }
        for note in notes(manifest, [each for each in pending if each.id not in known]):
            (id_,) = note.ids
            hear = [where for where, target in targets.items() if note.reason in target.events]
            known[id_] = len(hear)
            for where in hear:
                self._offer(where, targets[where], note)
            if not hear:
                self._wake(key)
        if not known:
            self.drop(key)

    def drop(self, key: Key) -> None:
        """The object is gone, or has nothing more to tell."""
        self._open.pop(key, None)
        self._manifests.pop(key, None)

    async def close(self) -> None:
        """Send nothing more. What was not sent is in the statuses still."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._sender.close()

    def _offer(self, where: LaneKey, target: NotificationContent, note: Note) -> None:
        self._targets[where] = target
        lane = self._lanes.get(where)
        if lane is None or (lane.rate != target.rate and where not in self._tasks):
            lane = self._lanes[where] = Lane(target.rate)
        if not lane.offer(note, self._clock()):
            self._count("merged")
            self._settle((note,))
        elif where not in self._tasks:
            self._tasks[where] = asyncio.create_task(self._serve(where, lane), name=f"notify {where[2]}")

    async def _serve(self, where: LaneKey, lane: Lane) -> None:
        """Send until nothing waits."""
        failures = 0
        try:
            while (at := lane.ready_at(self._clock())) is not None:
                await self._sleep(max(at - self._clock(), 0.0))
                batch = lane.take(self._clock())
                if batch is None:
                    continue
                if not self._may_send():
                    return
                try:
                    await self._send(where, batch)
                except NotificationError as error:
                    failures += 1
                    self._not_sent(where, lane, batch, error, failures)
                    await self._sleep(min(FIRST_RETRY * 2 ** (failures - 1), LONGEST_RETRY))
                else:
                    failures = 0
                    lane.told(batch, self._clock())
                    self._settle((*batch.notes, *batch.counted))
        finally:
            del self._tasks[where]
            self._tidy()

    async def _send(self, where: LaneKey, batch: Batch) -> None:
        target = self._targets[where]
        url = await self._address.of(where[0], target)
        single = len(batch.notes) == 1 and not batch.counted
        said = (
            words(batch.notes[0], target, self._shared.cluster)
            if single
            else summary(batch.notes, batch.counted, self._shared.cluster)
        )
        try:
            await self._sender.send(url, said, where[0])
        except NotificationError:
            raise
        except Exception as error:
            # Its text may hold the address.
            raise NotificationError(f"it failed in an unexpected way ({type(error).__name__})") from None
        self._count("sent")

    def _not_sent(self, where: LaneKey, lane: Lane, batch: Batch, error: NotificationError, failures: int) -> None:
        self._count("failed")
        first = batch.notes[0]
        now = self._clock()
        old = [note for note in (*batch.notes, *batch.counted) if now - note.at >= GIVE_UP_SECONDS]
        if failures >= TOLD_AFTER or error.hopeless or old:
            logger.warning("notification target %r: %s", where[2], error, extra={"namespace": where[0]})
            manifest = self._manifests.get((first.namespace, first.deployment))
            if manifest is not None:
                said = f"notification target {where[2]!r} was not told: {error}"
                self._failed(manifest, EventIntent(Reason.NOTIFICATION_FAILED, said, warning=True))
        for _ in old:
            self._count("given_up")
        self._settle(old)
        kept = Batch(
            tuple(note for note in batch.notes if note not in old),
            tuple(note for note in batch.counted if note not in old),
        )
        lane.put_back(kept)

    def _settle(self, done: Iterable[Note]) -> None:
        """One target less has to hear of these."""
        for note in done:
            key = (note.namespace, note.deployment)
            open_ = self._open.get(key, {})
            for id_ in note.ids:
                if id_ in open_ and open_[id_] > 0:
                    open_[id_] -= 1
                    if open_[id_] == 0:
                        self._wake(key)

    def _tidy(self) -> None:
        now = self._clock()
        for where in [where for where, lane in self._lanes.items() if where not in self._tasks and lane.is_idle(now)]:
            del self._lanes[where], self._targets[where]
