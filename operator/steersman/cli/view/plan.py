"""Where a rollout stands in its plan: the current step, the weights now and next."""

from __future__ import annotations

from collections.abc import Sequence

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import RolloutStatus
from steersman.api.steps import Step
from steersman.api.strategy import Canary


def steps_of(md: ModelDeployment) -> Sequence[Step]:
    """The canary's steps; of a blue-green rollout the default ones, which nobody asks for."""
    return (md.spec.strategy.canary or Canary()).plan


def current_step(md: ModelDeployment, rollout: RolloutStatus) -> Step | None:
    """The canary step that is carried out; None after the last one."""
    steps = steps_of(md)
    return steps[rollout.step] if rollout.step < len(steps) else None


def weight_of(md: ModelDeployment, revision: str) -> int:
    """Intended weight of a revision, percent."""
    return next((share.weight for share in md.status.weights if share.revision == revision), 0)


def candidate_weight(md: ModelDeployment, rollout: RolloutStatus) -> int:
    """Intended weight of the candidate, percent."""
    return weight_of(md, rollout.revision)


def next_weight(md: ModelDeployment, rollout: RolloutStatus) -> int:
    """The first weight at or after the current step; 100 when no step sets one."""
    return next((step.set_weight for step in steps_of(md)[rollout.step :] if step.set_weight is not None), 100)
