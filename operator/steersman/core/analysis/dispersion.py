"""How many failures one cause brings, estimated from stable's counts.

If causes come independently and each brings some failures, the variance of the failures in an interval divided by their mean is the
mean square of what a cause brings divided by its mean: 1 for single failures, s for bursts of s (a compound Poisson process). The
variance is taken from differences of successive counts (J. von Neumann, Distribution of the ratio of the mean square successive
difference to the variance, Annals of Mathematical Statistics 12, 1941), so that a drift does not enter. Of many differences the two
greatest are left out: one outage begins and ends with such.

Means are treated alike: in the place of a look's count stands its mean, and in the place of the variance that single failures would have stands that of
the mean of independent observations, which the look's own spread tells. A pause that delays all requests of a moment makes the means differ more.

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
    """The means of the two counts, all; they are the variances that single failures would have."""
    greatest: tuple[float, ...] = ()
    """The greatest of the squares."""
    number: int = 0
    """How many differences."""
    latest: float | None = None
    """The count, or the mean, that the next one is compared with."""
    latest_variance: float | None = None
    """Of a mean: the variance that it would have if observations were independent. None of a count, which is its own."""

    def add(self, count: float, variance: float | None = None) -> Spread:
        """With the failures of the interval that follows, or with its mean and the variance that this would have if observations were independent."""
        if self.latest is None:
            return replace(self, latest=count, latest_variance=variance)
        square = (count - self.latest) ** 2 / 2.0
        expected = (
            (self.latest if self.latest_variance is None else self.latest_variance),
            (count if variance is None else variance),
        )
        return Spread(
            squares=self.squares + square,
            level=self.level + sum(expected) / 2.0,
            greatest=tuple(sorted([*self.greatest, square])[-OUTAGE:]),
            number=self.number + 1,
            latest=count,
            latest_variance=variance,
        )

    def skip(self) -> Spread:
        """After an interval of another length: the next count has nothing to be compared with."""
        return replace(self, latest=None, latest_variance=None)

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
