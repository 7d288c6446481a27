"""Looking at a candidate's pods when they do not become available: seldom, and only then.

Pods are not watched: there are many of them, they change all the time, and a rollout that goes well needs nothing of them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION
from steersman.api.status import RolloutPhase
from steersman.core.capacity.diagnosis import diagnose, refusal
from steersman.core.snapshot import Problem
from steersman.ports import ApiError, KubeClient, Manifest, NotFound
from steersman.shell.queue import Key
from steersman.shell.store import Store

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""What pods may take without anybody looking at them; from the beginning of the rollout's step."""
LOOK_SECONDS = 15.0
"""Between two looks at the least; later a tenth of the time that the step has taken."""
LONGEST_LOOK_SECONDS = 300.0
PODS = 50
"""So many of a revision's pods tell enough."""


@dataclass(frozen=True)
class _Look:
    revision: str
    problem: Problem | None
    again_at: float
    """Seconds since the epoch."""


class PodInspector:
    """Says why the pods of rollouts' candidates do not become available; remembers what it saw last."""

    def __init__(self, client: KubeClient, store: Store) -> None:
        self._client = client
        self._store = store
        self._looks: dict[Key, _Look] = {}

    async def trouble(self, manifest: Manifest, now: float) -> Problem | None:
        """What keeps the pods of the ModelDeployment's rollout from becoming available, as last seen; None when nothing is known.

        One list of pods at most, and none before PATIENCE_SECONDS. A refused or failed list is trouble of its own, and is
        only logged.
        """
        key: Key = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        late = self._late(key, manifest.get("status") or {})
        if late is None:
            self.drop(key)
            return None
        revision, since, deployment = late
        last = self._looks.get(key)
        if last is not None and last.revision != revision:
            last = None
        if now < since + PATIENCE_SECONDS:
            self._looks[key] = _Look(revision, last.problem if last else None, since + PATIENCE_SECONDS)
            return self._looks[key].problem
        if last is not None and now < last.again_at:
            return last.problem
        seen = await self._look(key, revision, deployment)
        if last is not None and last.problem is not None and seen is not None:
            seen = _more_telling(last.problem, seen)
        again_in = min(LONGEST_LOOK_SECONDS, max(LOOK_SECONDS, (now - since) / 10))
        self._looks[key] = _Look(revision, seen, now + again_in)
        return seen

    def next_look(self, key: Key) -> float | None:
        """When to ask for `trouble` again although nothing changed; seconds since the epoch."""
        look = self._looks.get(key)
        return look.again_at if look is not None else None

    def drop(self, key: Key) -> None:
        """Forget a ModelDeployment."""
        self._looks.pop(key, None)

    def _late(self, key: Key, status: dict[str, Any]) -> tuple[str, float, Manifest] | None:
        """Revision, beginning of the step and Deployment of a rollout that has fewer available pods than intended."""
        rollout, candidate = status.get("rollout"), status.get("candidate")
        if not rollout or not candidate or rollout.get("phase") == RolloutPhase.ABORTING:
            return None
        deployment = self._store.get("Deployment", key[0], candidate["name"])
        if deployment is None:
            return None
        available = (deployment.get("status") or {}).get("availableReplicas") or 0
        if available >= candidate.get("replicas", 0):
            return None
        since = datetime.fromisoformat(str(rollout["stepStartedAt"]).replace("Z", "+00:00")).timestamp()
        return candidate["name"], since, deployment

    async def _look(self, key: Key, revision: str, deployment: Manifest) -> Problem | None:
        refused = refusal(deployment)
        if refused is not None:
            return refused
        labels = {LABEL_DEPLOYMENT: key[1], LABEL_REVISION: revision}
        try:
            pods = await self._client.list("v1", "Pod", key[0], labels, at_most=PODS)
        except (ApiError, NotFound) as error:
            logger.warning(
                "the pods of %s cannot be looked at: %s", revision, error, extra={"namespace": key[0], "object": key[1]}
            )
            return None
        return diagnose(deployment, pods)


def _more_telling(before: Problem, now: Problem) -> Problem:
    """While an image puller backs off, an older kubelet does not say why: what it said before holds."""
    return before if before.reason == now.reason and before.message.startswith(now.message) else now
