"""Gauges of drift: what status says of the columns, over time. Bounded as status is, and gone with the deployment."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge

from steersman.api.conditions import ConditionStatus, ConditionType
from steersman.api.status import ModelDeploymentStatus
from steersman.shell.queue import Key

_LABELS = ("namespace", "deployment", "column", "role")
_KINDS = {ConditionType.DATA_DRIFT: "data", ConditionType.CONCEPT_DRIFT: "concept"}
_VALUES = {ConditionStatus.TRUE: 1.0, ConditionStatus.FALSE: 0.0, ConditionStatus.UNKNOWN: float("nan")}


class _Shown(NamedTuple):
    """Label values of the series of one ModelDeployment."""

    columns: frozenset[tuple[str, ...]] = frozenset()
    kinds: frozenset[str] = frozenset()


class DriftGauges:
    """Follows the recorded statuses."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._score = Gauge(
            "steersman_drift_score",
            "Distance of a column from its reference, less what sampling adds to it",
            [*_LABELS, "method"],
            registry=registry,
        )
        self._p_value = Gauge(
            "steersman_drift_p_value",
            "Corrected probability of a column's difference if nothing had changed",
            _LABELS,
            registry=registry,
        )
        self._detected = Gauge(
            "steersman_drift_detected",
            "1 while the condition is True, 0 while it is False, NaN while it is Unknown",
            ["namespace", "deployment", "kind"],
            registry=registry,
        )
        self._shown: dict[Key, _Shown] = {}

    def recorded(self, key: Key, status: ModelDeploymentStatus | None) -> None:
        """A status is on record, or the object is gone (None)."""
        before = self._shown.pop(key, _Shown())
        shown = self._set(key, status) if status is not None and status.drift is not None else _Shown()
        for labels in before.columns - shown.columns:
            with contextlib.suppress(KeyError):
                self._score.remove(*key, *labels)
        for column in {labels[:2] for labels in before.columns} - {labels[:2] for labels in shown.columns}:
            with contextlib.suppress(KeyError):
                self._p_value.remove(*key, *column)
        for kind in before.kinds - shown.kinds:
            with contextlib.suppress(KeyError):
                self._detected.remove(*key, kind)
        if shown != _Shown():
            self._shown[key] = shown

    def _set(self, key: Key, status: ModelDeploymentStatus) -> _Shown:
        columns: set[tuple[str, ...]] = set()
        kinds: set[str] = set()
        for column in status.drift.data.columns if status.drift is not None else ():
            labels = (column.name, column.role.value, column.measure.value)
            self._score.labels(*key, *labels).set(column.distance)
            self._p_value.labels(*key, *labels[:2]).set(column.p_value)
            columns.add(labels)
        for condition in status.conditions:
            if (kind := _KINDS.get(condition.type)) is not None:
                self._detected.labels(*key, kind).set(_VALUES[condition.status])
                kinds.add(kind)
        return _Shown(frozenset(columns), frozenset(kinds))
