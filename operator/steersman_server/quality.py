"""Counting feedback: accuracy, precision, recall and errors follow from these metrics, by the revision that predicted."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from steersman_profile.format import Categorical, Profile, Task
from steersman_profile.values import OTHER
from steersman_server.drift import DETECTORS, ErrorStream
from steersman_server.feedback import Feedback, FeedbackError
from steersman_server.settings import ERROR_BUCKETS

_logger = logging.getLogger(__name__)

MAX_REVISIONS = 10
"""Revisions with series at one time, the pod's own among them."""
FORGET_SECONDS = 3600.0
"""A revision that was heard of longer ago than this gives way to a new one."""
MAX_CLASSES = 20
"""Classes by name of one revision; further ones are counted as (other)."""


class TooManyRevisionsError(Exception):
    """Feedback is about more revisions than have series; it may be sent again later."""


class Quality:
    """The metrics of feedback. One thread at a time counts."""

    def __init__(
        self,
        registry: CollectorRegistry,
        revision: str,
        profile: Profile | None,
        buckets: tuple[float, ...] = ERROR_BUCKETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = revision
        self._task = profile.task if profile is not None else None
        self._named = _classes(profile)
        self._clock = clock
        self._lock = threading.Lock()
        self._revisions: dict[str, _Revision] = {}
        self._metrics = QualityMetrics(registry, buckets)
        if revision:
            known = self._revisions[revision] = _Revision(clock())
            # Series that start at 0: what is born with its first count has no increase.
            if self._task is not None:
                self._metrics.begin(revision, self._task)
            if self._task == "classification":
                for name in self._named:
                    self._metrics.begin_class(revision, name)
                    known.classes.add(name)

    def count(self, feedback: Feedback) -> tuple[str, Task]:
        """Count all pairs or none; the revision and the task that they were counted for.

        Raises FeedbackError, and TooManyRevisionsError.
        """
        revision = feedback.revision or self._own
        if not revision:
            raise FeedbackError("Give revision: this server does not know its own (STEERSMAN_REVISION is not set).")
        task = feedback.task or self._task or feedback.task_by_type()
        if not feedback.pairs:
            return revision, task
        if task == "regression":
            numbers = feedback.numbers()
            with self._lock:
                self._numbers(revision, numbers)
        else:
            labels = feedback.labels()
            with self._lock:
                self._labels(revision, labels)
        return revision, task

    def _labels(self, revision: str, labels: list[tuple[str, str]]) -> None:
        known = self._known(revision, "classification")
        stream = known.stream("classification")
        right = 0
        for predicted, true in labels:
            correct = predicted == true
            right += correct
            self._drift(revision, stream, float(not correct))
            predicted, true = self._class(revision, known, predicted), self._class(revision, known, true)
            if correct:
                self._metrics.classes.labels(revision, true, "true_positive").inc()
            else:
                self._metrics.classes.labels(revision, predicted, "false_positive").inc()
                self._metrics.classes.labels(revision, true, "false_negative").inc()
        self._metrics.feedback.labels(revision, "correct").inc(right)
        self._metrics.feedback.labels(revision, "wrong").inc(len(labels) - right)
        self._metrics.show_window(revision, stream)

    def _numbers(self, revision: str, numbers: list[tuple[float, float]]) -> None:
        stream = self._known(revision, "regression").stream("regression")
        absolute = self._metrics.absolute.labels(revision)
        squared = self._metrics.squared.labels(revision)
        for predicted, true in numbers:
            error = abs(predicted - true)
            absolute.observe(error)
            squared.inc(error * error)
            self._drift(revision, stream, error)
        self._metrics.show_window(revision, stream)

    def _drift(self, revision: str, stream: ErrorStream, error: float) -> None:
        for detector in stream.add(error):
            self._metrics.drift.labels(revision, detector).inc()
            fields = {"revision": revision, "detector": detector}
            _logger.warning("Concept drift: the model is wrong more often or by more", extra={"fields": fields})

    def _known(self, revision: str, task: Task) -> "_Revision":
        now = self._clock()
        known = self._revisions.get(revision)
        if known is None:
            if len(self._revisions) >= MAX_REVISIONS:
                self._forget(now)
            known = self._revisions[revision] = _Revision(now)
        known.heard = now
        self._metrics.begin(revision, task)
        return known

    def _forget(self, now: float) -> None:
        others = {name: known.heard for name, known in self._revisions.items() if name != self._own}
        oldest = min(others, key=lambda name: others[name])
        if now - others[oldest] < FORGET_SECONDS:
            raise TooManyRevisionsError(
                f"Feedback of {MAX_REVISIONS} revisions is counted here already; "
                f"one that is not heard of for {FORGET_SECONDS:g} s gives way."
            )
        del self._revisions[oldest]
        self._metrics.forget(oldest)

    def _class(self, revision: str, known: "_Revision", name: str) -> str:
        if name in known.classes:
            return name
        if len(known.classes) >= MAX_CLASSES:
            return OTHER
        known.classes.add(name)
        self._metrics.begin_class(revision, name)
        return name


class _Revision:
    """What is known of the feedback about one revision."""

    def __init__(self, heard: float) -> None:
        self.heard = heard
        self.classes: set[str] = set()
        self._streams: dict[Task, ErrorStream] = {}

    def stream(self, task: Task) -> ErrorStream:
        """The errors of this kind."""
        if task not in self._streams:
            self._streams[task] = ErrorStream(regression=task == "regression")
        return self._streams[task]


class QualityMetrics:
    """The series of all revisions."""

    def __init__(self, registry: CollectorRegistry, buckets: tuple[float, ...]) -> None:
        self.feedback = Counter(
            "steersman_feedback",
            "Predictions with known truth, by outcome.",
            ["predicted_by", "outcome"],
            registry=registry,
        )
        self.classes = Counter(
            "steersman_feedback_class",
            "Predictions with known truth, by class: right ones, and wrong ones from either side.",
            ["predicted_by", "class", "count"],
            registry=registry,
        )
        self.absolute = Histogram(
            "steersman_feedback_absolute_error",
            "Absolute error of predictions with known truth.",
            ["predicted_by"],
            buckets=buckets,
            registry=registry,
        )
        self.squared = Counter(
            "steersman_feedback_squared_error",
            "Sum of the squared errors of predictions with known truth.",
            ["predicted_by"],
            registry=registry,
        )
        self.drift = Counter(
            "steersman_concept_drift",
            "How often a detector found a rise of the error.",
            ["predicted_by", "detector"],
            registry=registry,
        )
        self._window_errors = Gauge(
            "steersman_concept_drift_window_samples",
            "Latest errors that ADWIN takes for alike.",
            ["predicted_by"],
            registry=registry,
        )
        self._window_mean = Gauge(
            "steersman_concept_drift_window_error", "Mean error of these.", ["predicted_by"], registry=registry
        )

    def begin(self, revision: str, task: Task) -> None:
        """Have the series of a revision, at 0 where they are new."""
        if task == "classification":
            self.feedback.labels(revision, "correct")
            self.feedback.labels(revision, "wrong")
        else:
            self.absolute.labels(revision)
            self.squared.labels(revision)
        for detector in DETECTORS:
            self.drift.labels(revision, detector)

    def begin_class(self, revision: str, name: str) -> None:
        """Have the series of a class."""
        for count in ("true_positive", "false_positive", "false_negative"):
            self.classes.labels(revision, name, count)

    def show_window(self, revision: str, stream: ErrorStream) -> None:
        """Set the gauges of a revision's latest errors."""
        samples, mean = stream.window
        self._window_errors.labels(revision).set(samples)
        self._window_mean.labels(revision).set(mean)

    def forget(self, revision: str) -> None:
        """Remove the series of a revision."""
        for metric in self._all():
            metric.remove_by_labels({"predicted_by": revision})

    def _all(self) -> Iterable[Counter | Gauge | Histogram]:
        return (
            *(self.feedback, self.classes, self.absolute, self.squared),
            *(self.drift, self._window_errors, self._window_mean),
        )


def _classes(profile: Profile | None) -> tuple[str, ...]:
    """The classes that the profile names."""
    columns = profile.with_role("prediction") if profile is not None else ()
    return next((column.categories for column in columns if isinstance(column, Categorical)), ())
