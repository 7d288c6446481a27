"""Detectors of concept drift: River's ADWIN and Page-Hinkley on the errors that feedback brings, in the order in which it comes.

Both take numbers in [0, 1]: 1 for a wrong label and 0 for a right one, or an absolute error as a part of four times what it usually is. What is
usual is the mean of a detector's first 100 errors, which is why a regression's detector says nothing before that.

Only a rise counts. A detector that found a change, also a fall, begins anew with the next error: what is there after it is what is usual then.
Nothing else resets it but the end of the process, or of the revision's series.
"""

from __future__ import annotations

from statistics import fmean
from typing import Protocol

CALIBRATION = 100
"""Errors of a regression from which a detector learns what is usual."""
USUAL_PART = 0.25
"""What the usual absolute error is mapped to; one of four times this, or more, is 1."""

ADWIN_DELTA = 0.002
"""ADWIN's bound on false alarms, by its analysis."""
PAGE_HINKLEY_ALLOWANCE = 0.05
"""A rise of the mean error that Page-Hinkley does not mind."""
PAGE_HINKLEY_THRESHOLD = 25.0
"""How much error above the allowance has to come together."""
FIRST = 100
"""Errors that a detector has seen before it can fire."""

DETECTORS = ("adwin", "page_hinkley")


class _Detector(Protocol):
    """A detector of changes of a mean."""

    changed: bool
    """It found a change at the latest number, and begins anew with the next."""
    rose: bool
    """And the mean has risen."""

    def update(self, part: float) -> None:
        """Take a number in [0, 1]."""


class ErrorStream:
    """The errors of one revision's predictions, and the detectors that watch them."""

    def __init__(self, regression: bool) -> None:
        self.regression = regression
        self._adwin = _Adwin()
        self._watched = {
            "adwin": _Scaled(self._adwin, regression),
            "page_hinkley": _Scaled(_PageHinkley(), regression),
        }

    def add(self, error: float) -> list[str]:
        """Take one error (0 or 1, or an absolute error); the names of the detectors that fire at it."""
        return [name for name, detector in self._watched.items() if detector.add(error)]

    @property
    def window(self) -> tuple[int, float]:
        """How many of the latest errors ADWIN takes for alike, and their mean; of a regression those above four times the usual as that."""
        mean = self._adwin.mean
        return self._adwin.width, mean if not self.regression else mean * self._watched["adwin"].unit


class _Adwin:
    """River's ADWIN, which also knows the mean of its window."""

    def __init__(self) -> None:
        from river.drift import ADWIN

        self._detector = ADWIN(delta=ADWIN_DELTA, grace_period=FIRST, min_window_length=30)
        self.changed = self.rose = False

    def update(self, part: float) -> None:
        before = self.mean
        self._detector.update(part)
        self.changed = self._detector.drift_detected
        self.rose = self.changed and self.mean > before

    @property
    def width(self) -> int:
        return int(self._detector.width)

    @property
    def mean(self) -> float:
        return float(self._detector.estimation)


class _PageHinkley:
    """River's Page-Hinkley test for a rise."""

    def __init__(self) -> None:
        from river.drift import PageHinkley

        # Without forgetting (alpha): a sum that fades wanders further than the threshold by itself.
        self._detector = PageHinkley(
            min_instances=FIRST,
            delta=PAGE_HINKLEY_ALLOWANCE,
            threshold=PAGE_HINKLEY_THRESHOLD,
            alpha=1.0,
            mode="up",
        )
        self.changed = self.rose = False

    def update(self, part: float) -> None:
        self._detector.update(part)
        self.changed = self.rose = self._detector.drift_detected


class _Scaled:
    """A detector with errors in [0, 1]."""

    def __init__(self, detector: _Detector, regression: bool) -> None:
        self._detector = detector
        self._regression = regression
        self._first: list[float] = []
        self.unit = 1.0
        """The error that is mapped to 1."""

    def add(self, error: float) -> bool:
        """Take one error; whether the detector fires."""
        if not self._regression:
            self._detector.update(error)
            return self._detector.rose
        if len(self._first) < CALIBRATION:
            self._first.append(error)
            if len(self._first) == CALIBRATION:
                self.unit = fmean(self._first) / USUAL_PART
                for first in self._first:
                    self._detector.update(self._part(first))
            return False
        self._detector.update(self._part(error))
        if self._detector.changed:
            self._first.clear()
        return self._detector.rose

    def _part(self, error: float) -> float:
        # A model that was never wrong has no unit: any error of it is a full one.
        return min(error / self.unit, 1.0) if self.unit > 0 else float(error > 0)
