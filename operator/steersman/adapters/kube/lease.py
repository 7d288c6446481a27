"""Leader election on a coordination.k8s.io/v1 Lease by compare-and-swap on its resourceVersion.

The rules are client-go's (tools/leaderelection): a contender takes the Lease when nobody holds it, or when the record has
not changed for the holder's lease duration by the contender's own monotonic clock; timestamps of other machines decide
nothing. The holder stops being leader by its own clock `renew_deadline` after the begin of its last successful write,
which is before anybody else may take over, even when a request hangs.

A contender watches the Lease, if it is given a watch, and looks at it every `retry_period` in any case. With the default
durations a crashed leader is replaced 9 s after its last renewal plus two requests, a stopped one (it releases the Lease)
after two requests; without the watch both take up to 2 s more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from steersman.ports import ApiError, Conflict, KubeClient, Manifest, NotFound

logger = logging.getLogger(__name__)

API_VERSION: Final = "coordination.k8s.io/v1"
KIND: Final = "Lease"


@dataclass(frozen=True)
class Durations:
    """Seconds, with request < renew_deadline < lease: raises ValueError otherwise."""

    lease: float = 9.0
    """A record that has not changed for so long may be taken over."""
    renew_deadline: float = 6.0
    """The leader stops when it has not renewed for so long."""
    retry_period: float = 2.0
    """Between two looks or renewals."""
    request: float = 2.5
    """Longest wait for one request."""

    def __post_init__(self) -> None:
        if not 0 < self.retry_period < self.renew_deadline < self.lease or not 0 < self.request < self.renew_deadline:
            raise ValueError("a lease needs 0 < retry_period, request < renew_deadline < lease")


class LeaseWatch(Protocol):
    """One watch, until the server ends it (AioKubeClient.watch)."""

    def __call__(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        resource_version: str,
        fields: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[tuple[str, Manifest]]:
        """Pairs of ADDED, MODIFIED, DELETED or BOOKMARK and the object. Raises ApiError, NotFound."""
        ...


class LeaderElector:
    """One contender. Call `run` once; ask `is_leader` before each write."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        watch: LeaseWatch | None = None,
        eligible: Callable[[], bool] = lambda: True,
        durations: Durations = Durations(),
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        """`identity` must be unique among all processes that ever contend, e.g. <pod name>_<uuid>.

        While not `eligible` it looks on, but does not take the Lease. `clock` gives monotonic seconds; `wall_clock` only
        writes the timestamps that people read.
        """
        self._client = client
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._watch = watch
        self._eligible = eligible
        self._durations = durations
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._seen: tuple[str, str] | None = None
        self._seen_at = 0.0
        self._seen_duration = 0.0
        self._record: Manifest | None = None
        self._renewed_at: float | None = None
        self._held = False
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._turn = asyncio.Lock()
        self._heartbeat = clock()
        self._holder = ""
        self._transitions = 0
        self._failures = 0

    @property
    def is_leader(self) -> bool:
        """Whether this process may write now. False from the local deadline on, whatever else hangs."""
        if not self._held or self._renewed_at is None or self._stopping.is_set():
            return False
        return self._clock() - self._renewed_at < self._durations.renew_deadline

    @property
    def last_heartbeat(self) -> float:
        """When the loop last went round, with or without an answer, on the injected clock; for the liveness probe.

        While `run` is healthy it is never older than retry_period + 4 * request, also when the API server is down.
        """
        return self._heartbeat

    @property
    def holder(self) -> str:
        """Identity of the last known holder; empty when there is none."""
        return self._holder

    @property
    def transitions(self) -> int:
        """How often the Lease has changed hands, by the last known record."""
        return self._transitions

    @property
    def failures(self) -> int:
        """Requests that failed since the start, lost races not counted."""
        return self._failures

    async def run(self, on_started: Callable[[], None], on_lost: Callable[[], None]) -> None:
        """Contend until leader, call `on_started`, then renew; call `on_lost` once when leadership is lost, and return.

        Returns as well, without `on_lost`, after `release`. Trouble with the API server never ends it otherwise.
        """
        following = [asyncio.create_task(self._follow(self._watch))] if self._watch is not None else []
        try:
            while not self._stopping.is_set() and not await self._try():
                await self._pause()
        finally:
            for task in following:
                task.cancel()
        if self._stopping.is_set():
            return
        logger.info("became leader of lease %s as %s", self._name, self.identity)
        on_started()
        while True:
            await self._pause()
            # Too late, for example after the process was suspended: not even a renewal is sent.
            renewed = self.is_leader and await self._try()
            if self._stopping.is_set():
                return
            if not renewed and not self.is_leader:
                self._held = False
                logger.error("lost lease %s; its holder is now %r", self._name, self._holder)
                on_lost()
                return

    def look_now(self) -> None:
        """Do not wait for the next look: something changed, such as `eligible`."""
        self._hurry.set()

    async def release(self) -> None:
        """Stop contending and, if leader, give the Lease up so that another need not wait. Call it after the last write.

        Never raises for the API server's sake; takes two requests' timeouts at most.
        """
        self._stopping.set()
        async with self._turn:
            held, self._held = self._held, False
            if not held:
                return
            try:
                async with asyncio.timeout(self._durations.request):
                    record = self._record or await self._client.get(API_VERSION, KIND, self._namespace, self._name)
                    if (record.get("spec") or {}).get("holderIdentity") == self.identity:
                        await self._client.replace(self._with_spec(record, ""))
            except (ApiError, Conflict, NotFound, TimeoutError) as error:
                logger.warning("cannot release lease %s: %s", self._name, str(error) or "timeout")

    async def _follow(self, watch: LeaseWatch) -> None:
        """See renewals when they happen, and have the Lease tried at once when it is let go."""
        while True:
            try:
                async with asyncio.timeout(self._durations.request):
                    record = await self._client.get(API_VERSION, KIND, self._namespace, self._name)
                version, fields = record["metadata"]["resourceVersion"], {"metadata.name": self._name}
                async with contextlib.aclosing(watch(API_VERSION, KIND, self._namespace, version, fields)) as events:
                    async for what, record in events:
                        if what in ("ADDED", "MODIFIED"):
                            self._observe(record)
                            if not self._holder:
                                self._hurry.set()
            except (ApiError, Conflict, NotFound, TimeoutError) as error:
                logger.debug("cannot watch lease %s/%s: %s", self._namespace, self._name, str(error) or "timeout")
            await self._sleep(self._durations.retry_period)

    async def _pause(self) -> None:
        """Until the next try; no longer than to the own deadline, or to the moment when the record may be taken over."""
        now = self._clock()
        seconds = self._durations.retry_period
        if self._held and self._renewed_at is not None:
            if now - self._renewed_at >= seconds:
                # The last renewal failed: there are few more tries until the deadline.
                seconds /= 4
            seconds = min(seconds, self._renewed_at + self._durations.renew_deadline - now)
        elif self._holder and (left := self._seen_at + self._seen_duration - now) > 0:
            seconds = min(seconds, left)
        waiting = [
            asyncio.create_task(self._sleep(max(seconds, 0.0))),
            asyncio.create_task(self._stopping.wait()),
            asyncio.create_task(self._hurry.wait()),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hurry.clear()
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _try(self) -> bool:
        """Acquire or renew once. True when this process holds the Lease now."""
        async with self._turn:
            if self._stopping.is_set():
                return False
            try:
                return await self._acquire_or_renew()
            except Conflict:
                # Somebody else wrote first. A leader must know at once who; a contender may wait.
                self._record = None
                return self._held and await self._look_again()
            except (NotFound, ApiError, TimeoutError) as error:
                self._trouble(error)
                return False
            finally:
                self._heartbeat = self._clock()

    async def _look_again(self) -> bool:
        try:
            return await self._acquire_or_renew()
        except (Conflict, NotFound, ApiError, TimeoutError) as error:
            self._trouble(error)
            return False

    def _trouble(self, error: Exception) -> None:
        self._failures += 1
        self._record = None
        logger.warning("cannot use lease %s/%s: %s", self._namespace, self._name, str(error) or "timeout")

    async def _acquire_or_renew(self) -> bool:
        begin = self._clock()
        record = self._record if self._held else None
        if record is None:
            record = await self._look()
        if record is None:
            # A deleted Lease may still have a leader that has not noticed.
            if self._held or not self._may_take_over():
                return self._give_way()
            written = await self._answer(self._client.create(self._new_record()))
        else:
            spec = record.get("spec") or {}
            if (spec.get("holderIdentity") or "") == self.identity:
                written = await self._answer(self._client.replace(self._with_spec(record, self.identity)))
            elif self._held or not self._may_take_over():
                return self._give_way()
            else:
                written = await self._answer(self._client.replace(self._taken_over(record)))
        self._observe(written)
        self._renewed_at, self._held, self._record = begin, True, written
        return True

    def _give_way(self) -> bool:
        self._held = False
        return False

    async def _look(self) -> Manifest | None:
        try:
            record = await self._answer(self._client.get(API_VERSION, KIND, self._namespace, self._name))
        except NotFound:
            return None
        self._observe(record)
        return record

    async def _answer(self, call: Awaitable[Manifest]) -> Manifest:
        """Wait for one request; a leader no longer than to its deadline."""
        limit = self._durations.request
        if self._held and self._renewed_at is not None:
            limit = min(limit, self._renewed_at + self._durations.renew_deadline - self._clock())
        async with asyncio.timeout(max(limit, 0.0)):
            return await call

    def _observe(self, record: Manifest) -> None:
        metadata, spec = record["metadata"], record.get("spec") or {}
        seen = (metadata.get("uid", ""), metadata["resourceVersion"])
        if self._seen is not None and seen[0] == self._seen[0] and _number(seen[1]) < _number(self._seen[1]):
            # The watch is behind what was read.
            return
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        self._seen_duration = float(spec.get("leaseDurationSeconds") or self._durations.lease)
        self._holder = spec.get("holderIdentity") or ""
        self._transitions = int(spec.get("leaseTransitions") or 0)

    def _may_take_over(self) -> bool:
        expired = not self._holder or self._clock() - self._seen_at >= self._seen_duration
        return expired and self._eligible()

    def _new_record(self) -> Manifest:
        metadata = {"name": self._name, "namespace": self._namespace}
        return self._taken_over({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata}, transitions=0)

    def _taken_over(self, record: Manifest, transitions: int | None = None) -> Manifest:
        taken = self._with_spec(record, self.identity)
        spec = taken["spec"]
        spec["acquireTime"] = spec["renewTime"]
        spec["leaseTransitions"] = (
            transitions if transitions is not None else int(spec.get("leaseTransitions") or 0) + 1
        )
        return taken

    def _with_spec(self, record: Manifest, holder: str) -> Manifest:
        """The record renewed; an empty holder releases it."""
        now = datetime.fromtimestamp(self._wall_clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        # Whole seconds on the wire; rounding up keeps the other contenders behind this one's deadline.
        duration = math.ceil(self._durations.lease) if holder else 1
        spec = {
            **(record.get("spec") or {}),
            "holderIdentity": holder,
            "leaseDurationSeconds": duration,
            "renewTime": now,
        }
        return {**record, "spec": spec}


def _number(resource_version: str) -> int:
    """A number that grows with each write (KEP-5504)."""
    return int(resource_version) if resource_version.isdigit() else 0
