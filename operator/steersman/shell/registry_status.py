"""The Reachable condition of ModelRegistries."""

from __future__ import annotations

import logging
from collections.abc import Callable

from steersman.api.conditions import Condition, ConditionStatus, ConditionType, Reason
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

    async def report(self, source: RegistrySource, trouble: Problem | None) -> None:
        """Record the latest result of asking a registry; the default registry has no object to record it on."""
        manifest = self._store.get("ModelRegistry", source.namespace, source.name) if source.name else None
        if manifest is None or not self._is_leader():
            return
        status = ModelRegistryStatus.model_validate(manifest.get("status") or {})
        generation = int(manifest["metadata"].get("generation", 0))
        old = next((c for c in status.conditions if c.type == ConditionType.REACHABLE), None)
        verdict = ConditionStatus.FALSE if trouble else ConditionStatus.TRUE
        reason = trouble.reason if trouble else Reason.REACHABLE
        message = trouble.message if trouble else f"{source.url} answers"
        if old is not None and (old.status, old.reason, old.message, old.observed_generation) == (
            verdict,
            reason,
            message,
            generation,
        ):
            return
        condition = Condition(
            type=ConditionType.REACHABLE,
            status=verdict,
            reason=reason,
            message=message,
            last_transition_time=old.last_transition_time if old and old.status == verdict else round(self._clock(), 3),
            observed_generation=generation,
        )
        wanted = ModelRegistryStatus(observed_generation=generation, conditions=[condition])
        try:
            self._store.put(await self._client.replace_status({**manifest, "status": wanted.to_wire()}))
        except (ApiError, Conflict, NotFound) as error:
            # The next answer of the registry brings the next chance.
            logger.info("the status of ModelRegistry %s could not be written: %s", source.name, error)
