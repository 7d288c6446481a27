"""Evidence that must survive doubt: without its two worst looks, and without the time after each new weight.

The bound of false alarms (evidence.py) takes failures to be independent, and a candidate as good at its start as later. Neither is
sure: one client's retries may fall into a look, and a cold process may fail more in its first half minute. So beside the
evidence of all looks two lesser ones are kept, and the least of all decides:

- Winsorized: in those looks that speak most against the candidate the logarithms of its likelihood ratios are lowered to that of the
  next (C. P. Winsor's treatment of outliers; J. W. Tukey, The Future of Data Analysis, Annals of Mathematical Statistics 33, 1962).
- Settled: what speaks against the candidate in unsettled looks, those soon after a new weight, is left out.

Both are at most the evidence itself, so that its bound holds for them. Alternatives are treated each by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from steersman.core.analysis import evidence


@dataclass(frozen=True)
class Memory:
    """What is kept of all looks; every list has one number per alternative (evidence.ODDS)."""

    logs: list[float] = field(default_factory=evidence.start)
    """Logarithms of the likelihood ratios, summed over looks."""
    greatest: list[list[float]] = field(default_factory=list)
    """The greatest positive ones of single looks, the least first: one more than outliers are allowed."""
    unsettled: list[float] = field(default_factory=evidence.start)
    """The positive ones of unsettled looks, summed."""

    def take(self, look: Sequence[float], *, settled: bool, outliers: int) -> Memory:
        """With one look's logarithms more. `outliers` is how many looks are lowered, 0 for none."""
        gains = [max(0.0, each) for each in look]
        unsettled = self.unsettled if settled else [a + b for a, b in zip(self.unsettled, gains, strict=True)]
        return Memory(
            [a + b for a, b in zip(self.logs, look, strict=True)],
            _greatest([*self.greatest, gains], outliers + 1) if outliers else [],
            list(unsettled),
        )

    @property
    def total(self) -> float:
        """The evidence of all looks, as it is."""
        return evidence.mixture(self.logs)

    def winsorized(self, outliers: int) -> float:
        """The evidence with the worst looks lowered to the next."""
        kept = _greatest(self.greatest, outliers + 1)
        if not outliers or not kept:
            return self.total
        # With too few looks there is no next one yet: nothing is left of them.
        level = kept[0] if len(kept) > outliers else evidence.start()
        worst = kept[-outliers:]
        excess = [sum(look[n] - level[n] for look in worst) for n in range(len(self.logs))]
        return evidence.mixture([log - each for log, each in zip(self.logs, excess, strict=True)])

    def settled(self) -> float:
        """The evidence without what unsettled looks say against the candidate."""
        return evidence.mixture([log - each for log, each in zip(self.logs, self.unsettled, strict=True)])


def _greatest(looks: Sequence[Sequence[float]], number: int) -> list[list[float]]:
    """The greatest `number` of each alternative, the least first."""
    if not looks:
        return []
    columns = [sorted(column)[-number:] for column in zip(*looks, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]
