"""The Reachable condition of ModelRegistries."""

from __future__ import annotations

import logging
from collections.abc import Callable

from steersman.api.conditions import ConditionStatus, ConditionType, Reason, next_condition
from steersman.api.registry import ModelRegistryStatus
from steersman.core.snapshot import Problem
from steersman.ports import ApiError, Conflict, KubeClient, NotFound
from steersman.shell.registries import RegistrySource
from steersman.shell.store import Store

logger = logging.getLogger(__name__)


class RegistryReporter:
    """Writes a ModelRegistry's status when what the poller saw of it changes."""

    def __init__(
        self, client: KubeClient, store: Store, is_leader: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        """`clock` gives seconds since the epoch."""
        self._client = client
        self._store = store
        self._is_leader = is_leader
        self._clock = clock
        self._writing: set[tuple[str, str]] = set()

    async def report(self, source: RegistrySource, trouble: Problem | None) -> None:
        """Record the latest result of asking a registry; the default registry has no object to record it on."""
        manifest = self._store.get("ModelRegistry", source.namespace, source.name) if source.name else None
        key = (source.namespace, source.name)
        if manifest is None or key in self._writing or not self._is_leader():
            # Of many answers at once one is enough to tell.
            return
        status = ModelRegistryStatus.model_validate(manifest.get("status") or {})
        generation = int(manifest["metadata"].get("generation", 0))
        condition = next_condition(
            status.conditions,
            ConditionType.REACHABLE,
            ConditionStatus.FALSE if trouble else ConditionStatus.TRUE,
            trouble.reason if trouble else Reason.REACHABLE,
            trouble.message if trouble else f"{source.url} answers",
            generation=generation,
            now=round(self._clock(), 3),
        )
        if condition in status.conditions:
            return
        wanted = ModelRegistryStatus(observed_generation=generation, conditions=[condition])
        self._writing.add(key)
        try:
            self._store.put(await self._client.replace_status({**manifest, "status": wanted.to_wire()}))
        except (ApiError, Conflict, NotFound) as error:
            # The next answer of the registry brings the next chance.
            logger.info("the status of ModelRegistry %s could not be written: %s", source.name, error)
        finally:
            self._writing.discard(key)
