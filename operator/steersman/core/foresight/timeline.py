"""The course of a canary that nothing goes wrong with: which weight from when to when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steersman.api.steps import Step
from steersman.core.analysis.schedule import SETTLE_SECONDS


@dataclass(frozen=True)
class Looks:
    """How the analysis looks."""

    interval: float
    """Seconds between looks; they lie on whole multiples of it, and the rollout is taken to begin on one."""
    min_requests: int
    """Requests that the candidate must have answered at a weight before the next one."""


@dataclass(frozen=True)
class Stretch:
    """A time at one weight, in seconds from the candidate's first weight."""

    weight: int
    """Percent of the requests that the candidate gets."""
    begins: float
    ends: float


@dataclass(frozen=True)
class Timeline:
    """Every stretch before the promotion."""

    stretches: tuple[Stretch, ...]
    waits: int
    """Pauses without a duration: each lasts until somebody says promote, and counts as nothing here."""

    @property
    def seconds(self) -> float:
        """From the candidate's first weight to all traffic."""
        return self.stretches[-1].ends if self.stretches else 0.0

    def is_settled(self, at: float, warm_up: float) -> bool:
        """Whether a moment lies at least `warm_up` seconds after the latest new weight."""
        return any(stretch.begins + warm_up <= at < stretch.ends for stretch in self.stretches)

    def requests(self, begins: float, ends: float, per_second: float) -> tuple[float, float]:
        """Requests of candidate and stable between two moments, as expected."""
        candidate = sum(
            max(0.0, min(ends, stretch.ends) - max(begins, stretch.begins)) * stretch.weight / 100.0
            for stretch in self.stretches
        )
        span = max(0.0, min(ends, self.seconds) - max(begins, 0.0))
        return per_second * candidate, per_second * (span - candidate)


def timeline(steps: Sequence[Step], looks: Looks, per_second: float) -> Timeline:
    """The timeline of these steps at so many requests a second, candidate and stable together.

    A weight lasts as long as its pauses, and at least until a look has seen enough of it, for the next weight waits for that.
    An analysis step is taken for one look. Experiments, and the time that pods and routes need, are left out.
    Raises ValueError when no step gives the candidate requests.
    """
    stretches: list[Stretch] = []
    waits, now = 0, 0.0
    weight: int | None = None
    held = 0.0
    for step in [*steps, Step(set_weight=100)]:
        if step.set_weight is not None:
            if weight:
                ends = now + max(held, _until_seen(now, weight, looks, per_second))
                stretches.append(Stretch(weight, now, ends))
                now = ends
            weight, held = step.set_weight, 0.0
        elif step.pause is not None:
            waits += step.pause.duration is None
            held += step.pause.duration or 0.0
        elif step.analysis is not None:
            held += looks.interval
        if weight == 100:
            break
    if not stretches:
        raise ValueError("no step gives the candidate requests before its promotion")
    return Timeline(tuple(stretches), waits)


def _until_seen(since: float, weight: int, looks: Looks, per_second: float) -> float:
    """Seconds until the first look that has seen enough requests at a weight."""
    rate = per_second * weight / 100.0
    enough = since + (looks.min_requests / rate if rate > 0 else 0.0)
    look = max(math.floor(since / looks.interval) + 1, math.ceil(enough / looks.interval - 1e-9)) * looks.interval
    return look + SETTLE_SECONDS - since
