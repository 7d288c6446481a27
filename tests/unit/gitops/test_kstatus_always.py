"""Whatever happens, one of four holds; and the actions that are said to be possible are."""

from __future__ import annotations

import copy

from hypothesis import settings
from hypothesis.stateful import invariant

from steersman.api.conditions import ConditionStatus, ConditionType
from steersman.api.status import Phase
from steersman.core.rollout.actions import WORDS
from unit.core import test_rules
from unit.gitops.argo_cd import enabled, health
from unit.gitops.scenarios import manifest
from unit.gitops.test_argo_cd_actions import DISCOVERY
from unit.gitops.test_argo_cd_health import SCRIPT

ONE_OF = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)


class Observed(test_rules.Rollouts):
    """The same happenings, seen by GitOps tools."""

    @invariant()
    def ready_reconciling_stalled_or_paused(self) -> None:
        status = self.world.status
        if not status.conditions:
            return
        true = [c.type for c in status.conditions if c.type in ONE_OF and c.status == ConditionStatus.TRUE]
        assert len(true) == (0 if status.phase == Phase.PAUSED else 1), (status.phase, true)
        assert all(c.message for c in status.conditions if c.type in true)

    @invariant()
    def argo_cd_says_the_same(self) -> None:
        found = manifest(self.world)
        word, _ = health(SCRIPT, found)
        status = self.world.status
        held = {c.type for c in status.conditions if c.status == ConditionStatus.TRUE}
        seen = status.observed_generation == found["metadata"]["generation"]
        assert (word == "Healthy") == (seen and ConditionType.READY in held)
        assert word == "Degraded" or not (seen and ConditionType.STALLED in held)
        assert (word == "Suspended") == (seen and status.phase == Phase.PAUSED)

    @invariant()
    def possible_actions_are_carried_out_and_others_ignored(self) -> None:
        found = manifest(self.world)
        if (
            found["metadata"].get("annotations")
            or found["status"]["observedGeneration"] != found["metadata"]["generation"]
        ):
            return
        offered = enabled(DISCOVERY, found)
        for word in WORDS:
            tried = copy.deepcopy(self.world)
            tried.act(word)
            tried.reconcile()
            assert tried.status.action is not None
            assert tried.status.action.result.startswith("done") == (word in offered), word


TestObserved = Observed.TestCase
TestObserved.settings = settings(test_rules.TestRollouts.settings, max_examples=12)
