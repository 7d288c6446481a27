"""What Kayenta's MannWhitneyClassifier says of two samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steersman.api.comparison_judges import Direction, EffectSize, MannWhitneyJudge, NanStrategy
from steersman.api.judgement_status import Classification
from steersman.core.analysis.kayenta.effect import NO_CHANGE, effect
from steersman.core.analysis.kayenta.ranks import TiedError
from steersman.core.analysis.kayenta.shift import Shift, shift


@dataclass(frozen=True)
class Outcome:
    """A classification and the numbers that it rests on."""

    classification: Classification
    reason: str
    critical: bool = False
    """It fails everything."""
    effect: float = math.nan
    """NaN when it is not defined, or was not looked at."""
    shift: Shift | None = None


def classify(settings: MannWhitneyJudge, candidate: Sequence[float], stable: Sequence[float]) -> Outcome:
    """Classify two prepared samples (finite values, in any order)."""
    if not candidate or not stable:
        return _without_data(settings, "candidate" if not candidate else "stable")
    no_change = NO_CHANGE[settings.effect_size.measure]
    if sorted(candidate) == sorted(stable):
        return Outcome(Classification.PASS, "candidate and stable have the same values", effect=no_change)
    if len({*candidate, *stable}) == 1:
        return Outcome(Classification.PASS, "all values are equal", effect=no_change)
    size = effect(settings.effect_size.measure, candidate, stable)
    try:
        found = shift(candidate, stable, settings.confidence)
    except TiedError as error:
        return Outcome(Classification.ERROR, str(error), effect=size)
    return _compared(settings, found, size)


def _without_data(settings: MannWhitneyJudge, side: str) -> Outcome:
    if settings.nan_strategy is NanStrategy.REPLACE:
        return Outcome(Classification.PASS, f"{side} has no values, which stand for 0")
    reason = f"{side} has no values"
    if settings.must_have_data and not settings.critical:
        return Outcome(Classification.NODATA_FAIL_METRIC, f"{reason}, and must have some")
    return Outcome(Classification.NODATA, reason, critical=settings.critical)


def _compared(settings: MannWhitneyJudge, found: Shift, size: float) -> Outcome:
    thresholds = _Thresholds.of(settings.effect_size)
    bound = settings.tolerance * abs(found.estimate)
    up = settings.direction is not Direction.DECREASE
    down = settings.direction is not Direction.INCREASE
    # An effect that is not defined, since a mean is 0, hides nothing that is significant.
    if up and found.lower > bound and not size < thresholds.increase:
        critical = settings.critical and not size < thresholds.critical_increase
        reason = f"the shift's interval lies above {bound:.4g}"
        return Outcome(Classification.HIGH, reason, critical, size, found)
    if down and found.upper < -bound and not size > thresholds.decrease:
        critical = settings.critical and not size > thresholds.critical_decrease
        reason = f"the shift's interval lies below {-bound:.4g}"
        return Outcome(Classification.LOW, reason, critical, size, found)
    return Outcome(Classification.PASS, "no significant change", effect=size, shift=found)


@dataclass(frozen=True)
class _Thresholds:
    """Effect sizes from which on a change matters, defaults filled in."""

    increase: float
    decrease: float
    critical_increase: float
    critical_decrease: float

    @classmethod
    def of(cls, settings: EffectSize) -> _Thresholds:
        default = NO_CHANGE[settings.measure]
        given = (
            settings.allowed_increase,
            settings.allowed_decrease,
            settings.critical_increase,
            settings.critical_decrease,
        )
        return cls(*(default if value is None else value for value in given))
