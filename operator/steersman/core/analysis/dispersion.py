"""How many failures one cause brings, estimated from stable's counts.

If causes come independently and each brings some failures, the variance of the failures in an interval divided by their mean is the
mean square of what a cause brings divided by its mean: 1 for single failures, s for bursts of s (a compound Poisson process). The
variance is taken from differences of successive counts (J. von Neumann, Distribution of the ratio of the mean square successive
difference to the variance, Annals of Mathematical Statistics 12, 1941), so that a drift does not enter. Of many differences the two
greatest are left out: one outage begins and ends with such.

The likelihood ratios of a look enter the evidence with the power 1/size. The size is known before the look, and a power below 1 of a ratio
whose mean is at most 1 has a mean of at most 1 (Jensen's inequality). So the bound of false alarms holds whatever the estimate is, if failures are
independent, and for bursts up to the estimated size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

OUTAGE: Final = 2
"""How many of the greatest differences are left out."""
MANY: Final = 20
"""From so many differences on."""
NOISE: Final = 1.6
"""Below this the estimate may well be that of single failures."""
MARGIN: Final = 1.5
"""By how much an estimate above it is raised: of few bursts it is not exact."""


@dataclass(frozen=True)
class Spread:
    """Sums over differences of successive counts."""

    squares: float = 0.0
    """Half the squared differences, all."""
    level: float = 0.0
    """The means of the two counts, all."""
    greatest: tuple[float, ...] = ()
    """The greatest of the squares."""
    number: int = 0
    """How many differences."""
    latest: float | None = None
    """The count that the next one is compared with."""

    def add(self, failures: float) -> Spread:
        """With the failures of the interval that follows."""
        if self.latest is None:
            return replace(self, latest=failures)
        square = (failures - self.latest) ** 2 / 2.0
        return Spread(
            squares=self.squares + square,
            level=self.level + (failures + self.latest) / 2.0,
            greatest=tuple(sorted([*self.greatest, square])[-OUTAGE:]),
            number=self.number + 1,
            latest=failures,
        )

    def skip(self) -> Spread:
        """After an interval of another length: the next count has nothing to be compared with."""
        return replace(self, latest=None)

    @property
    def size(self) -> float:
        """How many failures count as one, at least 1."""
        if self.level <= 0.0:
            return 1.0
        counted = self.squares - (sum(self.greatest) if self.number >= MANY else 0.0)
        estimate = counted / self.level
        return 1.0 if estimate < NOISE else estimate * MARGIN


def of_past(counts: Iterable[float]) -> Spread:
    """Of stable's failures in successive intervals before the rollout."""
    spread = Spread()
    for count in counts:
        spread = spread.add(count)
    return spread.skip()
