"""Writes to registries, in the background: tried until they are done, and never in the way of a rollout."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from steersman.api.conditions import Reason
from steersman.core.writes import RegistryWrite, TagWrite, Written
from steersman.ports import ModelRegistryWriter, RegistryError
from steersman.shell.credentials import RegistrySecrets
from steersman.shell.queue import Key
from steersman.shell.registries import RegistrySource

logger = logging.getLogger(__name__)

FIRST_BACKOFF: Final = 2.0
"""Seconds until a write that failed is tried again; the time doubles up to LAST_BACKOFF."""
LAST_BACKOFF: Final = 300.0


class WriteBackDesk:
    """Carries out the writes of plans, those of one ModelDeployment one after the other."""

    def __init__(
        self,
        registry: ModelRegistryWriter,
        secrets: RegistrySecrets,
        enqueue: Callable[[Key], None],
        may_write: Callable[[], bool],
        observe: Callable[[str], None] = lambda result: None,
        first_backoff: float = FIRST_BACKOFF,
    ) -> None:
        """`may_write` is asked before each request; `observe` hears the result of each attempt."""
        self._registry = registry
        self._secrets = secrets
        self._enqueue = enqueue
        self._may_write = may_write
        self._observe = observe
        self._first_backoff = first_backoff
        self._wanted: dict[Key, tuple[RegistrySource, tuple[RegistryWrite, ...]]] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._written: dict[Key, dict[RegistryWrite, str | None]] = defaultdict(dict)

    def written(self, key: Key) -> Written:
        """What was done, or failed, since it was recorded."""
        return dict(self._written[key]) if key in self._written else {}

    def recorded(self, key: Key, written: Written) -> None:
        """These are in the status now."""
        for write, trouble in written.items():
            if self._written[key].get(write, "") == trouble:
                del self._written[key][write]
        if not self._written[key]:
            del self._written[key]

    def submit(self, key: Key, source: RegistrySource | None, writes: Sequence[RegistryWrite]) -> None:
        """Have these written, and nothing else any more."""
        done = self._written.get(key, {})
        wanted = tuple(write for write in writes if done.get(write, "") is not None)
        if source is None or not wanted:
            self._stop(key)
        elif self._wanted.get(key) != (source, wanted):
            self._stop(key)
            self._wanted[key] = source, wanted
            self._tasks[key] = asyncio.create_task(self._run(key, source, wanted), name=f"write back {key[0]}/{key[1]}")

    def drop(self, key: Key) -> None:
        """The object is gone: what was not written never will be."""
        self._stop(key)
        self._written.pop(key, None)

    async def close(self) -> None:
        """Cancel what is under way; another leader does it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stop(self, key: Key) -> None:
        self._wanted.pop(key, None)
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    async def _run(self, key: Key, source: RegistrySource, writes: Sequence[RegistryWrite]) -> None:
        left, backoff = list(writes), self._first_backoff
        while True:
            for write in list(left):
                trouble = await self._try(source, write)
                if trouble is None:
                    left.remove(write)
                if self._written[key].get(write, "") != trouble:
                    self._written[key][write] = trouble
            self._enqueue(key)
            if not left:
                return
            await asyncio.sleep(backoff * random.uniform(0.75, 1.25))  # noqa: S311
            backoff = min(2 * backoff, LAST_BACKOFF)

    async def _try(self, source: RegistrySource, write: RegistryWrite) -> str | None:
        """Write; None when there is nothing more to do, else why it failed."""
        try:
            credentials = await self._secrets.read(source.namespace, source.secret_name)
            version = write.model, write.version
            for key, value in write.tags if isinstance(write, TagWrite) else ():
                self._fence()
                await self._registry.set_tag(source.url, credentials, version, key, value)
            if not isinstance(write, TagWrite):
                self._fence()
                await self._registry.set_alias(source.url, credentials, version, write.alias)
        except RegistryError as error:
            if error.reason == Reason.VERSION_NOT_FOUND:
                self._observe("gone")
                return None
            if error.reason == Reason.REGISTRY_UNAUTHORIZED:
                self._secrets.forget(source.namespace, source.secret_name)
            self._observe("failed")
            return str(error)
        except Exception:
            logger.exception("a registry could not be written to in an unexpected way")
            self._observe("failed")
            return "it failed in an unexpected way: see the operator's log"
        self._observe("written")
        return None

    def _fence(self) -> None:
        if not self._may_write():
            raise asyncio.CancelledError
