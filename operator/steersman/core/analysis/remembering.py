"""Between the sequential judge's memory and status, where it is kept."""

from __future__ import annotations

from steersman.api.analysis import SequentialJudge
from steersman.api.status import SequentialStatus, SpreadStatus
from steersman.core.analysis import evidence
from steersman.core.analysis.caution import Memory
from steersman.core.analysis.dispersion import Spread
from steersman.core.analysis.weighing import Prudence, Weighed


def memory_of(state: SequentialStatus) -> Memory:
    """What status remembers of the looks; of another number of alternatives nothing."""
    start = evidence.start()
    known = len(state.log_likelihood_ratios) == len(start)
    return Memory(
        list(state.log_likelihood_ratios) if known else start,
        [list(look) for look in state.greatest_looks if len(look) == len(start)],
        list(state.unsettled) if len(state.unsettled) == len(start) else start,
    )


def prudence_of(settings: SequentialJudge, state: SequentialStatus) -> Prudence:
    """With the size of bursts as it was known before the look."""
    if settings.burst is not None:
        return Prudence(settings.outliers, float(settings.burst))
    return Prudence(settings.outliers, spread_of(state.spread).size)


def spread_of(status: SpreadStatus | None) -> Spread:
    """What is known of bursts; nothing without a status."""
    if status is None:
        return Spread()
    return Spread(
        status.squares, status.level, tuple(status.greatest), status.number, status.latest, status.latest_variance
    )


def with_spread(state: SequentialStatus, spread: Spread) -> SequentialStatus:
    """The judge's memory with what is known of bursts."""
    return state.model_copy(update={"spread": shown_spread(spread)})


def shown_spread(spread: Spread) -> SpreadStatus:
    """What is known of bursts, for status."""
    return SpreadStatus(
        squares=spread.squares,
        level=spread.level,
        greatest=list(spread.greatest),
        number=spread.number,
        latest=spread.latest,
        latest_variance=spread.latest_variance,
    )


def remembered(seen: SequentialStatus, weighed: Weighed, size: float) -> SequentialStatus:
    """The judge's memory with what was weighed; `size` is how many failures count as one."""
    return seen.model_copy(
        update={
            "log_likelihood_ratios": weighed.memory.logs,
            "greatest_looks": weighed.memory.greatest,
            "unsettled": weighed.memory.unsettled,
            "evidence": weighed.decisive,
            "burst": size,
        }
    )
