"""When drift is looked for, and what an answer changes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from steersman.api.conditions import Reason
from steersman.api.drift import Drift
from steersman.api.drift_status import MAX_COLUMNS, ConceptDriftStatus, DataDriftStatus, DetectorStatus, DriftStatus
from steersman.core.analysis.model import MetricQuery, Part, QueryResult, Sample
from steersman.core.analysis.schedule import SETTLE_SECONDS
from steersman.core.drift.columns import PART, read
from steersman.core.drift.judge import chosen, judge
from steersman.core.drift.queries import DETECTOR, FEEDBACK, METRIC, queries
from steersman.core.drift.words import no_reference, summary, too_few, unreadable_columns

PATIENCE: Final = 3
"""Looks in a row that may fail before the conditions say that nothing is known."""


@dataclass(frozen=True)
class Subject:
    """Whose drift it is."""

    namespace: str
    deployment: str
    stable: str
    """Name of the stable revision."""


def begin(before: DriftStatus | None, subject: Subject, settings: Drift, now: float) -> DriftStatus:
    """The status to go on from: a new one for a new stable revision, or when the clock was far ahead."""
    if before is None or before.revision != subject.stable or before.started_at > now + settings.window:
        return DriftStatus(revision=subject.stable, started_at=now)
    return before


def due(settings: Drift, status: DriftStatus, subject: Subject, now: float) -> tuple[tuple[MetricQuery, ...], float]:
    """The queries to send now, and when the next look is due. A look that was missed is not made up for: its window is in the next."""
    shift = _shift(subject, settings.interval)
    at = math.floor((now - SETTLE_SECONDS - shift) / settings.interval) * settings.interval + shift
    asked: tuple[MetricQuery, ...] = ()
    if at > max(status.started_at, status.last_attempt_at or 0.0):
        asked = queries(settings, subject.namespace, subject.stable, status.started_at, at)
    following = max(at, status.started_at, status.last_attempt_at or 0.0)
    steps = math.floor((following - shift) / settings.interval) + 1
    return asked, steps * settings.interval + shift + SETTLE_SECONDS


def _shift(subject: Subject, interval: float) -> float:
    """Each deployment's own place on the grid, so that not all of them ask and write at one moment."""
    digest = hashlib.sha256(f"{subject.namespace}/{subject.deployment}".encode()).digest()
    return math.floor(int.from_bytes(digest[:4]) / 2**32 * interval)


def fold(settings: Drift, status: DriftStatus, subject: Subject, results: Sequence[QueryResult]) -> DriftStatus:
    """Take the answers of one look into the status. Answers for another revision, or of an earlier look, count nothing."""
    ours = [result for result in results if result.query.metric == METRIC]
    for at in sorted({result.query.at for result in ours}):
        if at <= max(status.started_at, status.last_attempt_at or 0.0):
            continue
        asked = queries(settings, subject.namespace, subject.stable, status.started_at, at)
        answers = {result.query.part: result for result in ours if result.query in asked}
        if len(answers) == len(asked):
            status = _folded(settings, status, answers, at)
    return status


def _folded(settings: Drift, status: DriftStatus, answers: dict[Part, QueryResult], at: float) -> DriftStatus:
    error = next((result.error for result in answers.values() if result.error is not None), None)
    if error is not None:
        return status.model_copy(update={"last_attempt_at": at, "error": error[:512]})
    update: dict[str, object] = {"last_attempt_at": at, "last_look_at": at, "error": "", "concept": None}
    update["data"] = data(settings, status, answers[Part.DISTRIBUTIONS].samples, at)
    if Part.DETECTORS in answers:
        update["concept"] = concept(settings, status, answers[Part.DETECTORS].samples, at)
    return status.model_copy(update=update)


def data(settings: Drift, status: DriftStatus, samples: Sequence[Sample], at: float) -> DataDriftStatus:
    """What a look at the columns changes. A window that cannot be judged neither begins nor ends a drift."""
    before, reading = status.data, read(samples)
    columns = chosen(reading.columns, settings)
    found = judge(columns, settings)
    unreadable = unreadable_columns(reading.unreadable or {})
    if not found.columns:
        reason, message = Reason.NOT_ENOUGH_DATA, too_few(found.samples, settings)
        if not columns:
            reason, message = Reason.NO_REFERENCE, no_reference(status.revision, bool(reading.columns), unreadable)
        update = {"samples": round(found.samples), "judged": 0, "drifted": 0, "columns": []}
        return before.model_copy(update={**update, "not_judged": reason, "message": message})
    seen_since = (before.seen_since or at) if found.is_drift else None
    clear_since = (before.clear_since or at) if before.detected_at is not None and not found.is_drift else None
    detected_at, lasts = before.detected_at, (settings.consecutive - 1) * settings.window
    if seen_since is not None and detected_at is None and at - seen_since >= lasts:
        detected_at = at
    if clear_since is not None and at - clear_since >= lasts:
        detected_at = clear_since = None
    return DataDriftStatus(
        samples=round(found.samples),
        judged=len(found.columns),
        drifted=len(found.drifted),
        columns=list(found.columns[:MAX_COLUMNS]),
        seen_since=seen_since,
        clear_since=clear_since,
        detected_at=detected_at,
        message=summary(found, unreadable),
    )


def concept(settings: Drift, status: DriftStatus, samples: Sequence[Sample], at: float) -> ConceptDriftStatus:
    """What a look at the detectors changes."""
    values = [sample for sample in samples if math.isfinite(sample.value) and sample.value >= 0.0]
    feedback = max((sample.value for sample in values if sample.labels.get(PART) == FEEDBACK), default=0.0)
    fired = dict.fromkeys(sorted(set(settings.concept.detectors)), 0.0)
    for sample in values:
        name = sample.labels.get(DETECTOR, "")
        if name in fired:
            fired[name] = max(fired[name], sample.value)
    before = status.concept.detected_at if status.concept is not None else None
    return ConceptDriftStatus(
        feedback=round(feedback),
        detectors=[DetectorStatus(name=name, fired=round(value, 2)) for name, value in fired.items()],
        detected_at=(before or at) if any(fired.values()) else None,
    )
