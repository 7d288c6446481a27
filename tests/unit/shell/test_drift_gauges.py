from __future__ import annotations

import math
from typing import Any

from prometheus_client import CollectorRegistry

from steersman.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from steersman.api.drift import Distance
from steersman.api.drift_status import (
    ColumnKind,
    ColumnRole,
    DataDriftStatus,
    DriftColumn,
    DriftMethod,
    DriftStatus,
)
from steersman.api.status import ModelDeploymentStatus
from steersman.core.snapshot import Plan
from steersman.shell.drift_gauges import DriftGauges
from steersman.shell.telemetry import Telemetry

KEY = ("risk", "fraud")
WHERE = {"namespace": "risk", "deployment": "fraud"}


def column(name: str, measure: Distance = Distance.PSI) -> DriftColumn:
    return DriftColumn(
        name=name,
        role=ColumnRole.FEATURE,
        kind=ColumnKind.NUMERIC,
        drifted=True,
        method=DriftMethod(measure.value),
        threshold=0.2,
        measure=measure,
        distance=0.4,
        p_value=1e-9,
    )


def status(*columns: DriftColumn, value: ConditionStatus = ConditionStatus.TRUE) -> ModelDeploymentStatus:
    condition = Condition(
        type=ConditionType.DATA_DRIFT, status=value, reason=Reason.DRIFT_DETECTED, last_transition_time=1.0
    )
    drift = DriftStatus(revision="r", started_at=1.0, data=DataDriftStatus(columns=list(columns)))
    return ModelDeploymentStatus(drift=drift, conditions=[condition])


def series(registry: CollectorRegistry) -> set[tuple[str, str]]:
    return {
        (sample.name, sample.labels.get("column", sample.labels.get("kind", "")))
        for family in registry.collect()
        for sample in family.samples
        if sample.name.startswith("steersman_drift")
    }


def value(registry: CollectorRegistry, name: str, **labels: Any) -> float | None:
    return registry.get_sample_value(name, {**WHERE, **labels})


def test_scores_follow_the_status_and_go_with_their_column() -> None:
    registry = CollectorRegistry()
    gauges = DriftGauges(registry)
    gauges.recorded(KEY, status(column("amount"), column("age")))
    assert value(registry, "steersman_drift_score", column="age", role="feature", method="PSI") == 0.4
    assert value(registry, "steersman_drift_p_value", column="age", role="feature") == 1e-9
    assert value(registry, "steersman_drift_detected", kind="data") == 1.0
    gauges.recorded(KEY, status(column("amount", Distance.JENSEN_SHANNON), value=ConditionStatus.UNKNOWN))
    assert value(registry, "steersman_drift_score", column="amount", role="feature", method="PSI") is None
    assert value(registry, "steersman_drift_score", column="amount", role="feature", method="JensenShannon") == 0.4
    assert math.isnan(value(registry, "steersman_drift_detected", kind="data") or 0.0)
    assert series(registry) == {
        ("steersman_drift_score", "amount"),
        ("steersman_drift_p_value", "amount"),
        ("steersman_drift_detected", "data"),
    }


def test_nothing_is_left_of_a_deployment_that_is_gone_or_looks_for_no_drift() -> None:
    telemetry = Telemetry()
    seen = status(column("amount"))
    telemetry.planned(KEY, Plan(seen, seen))
    telemetry.planned(("risk", "other"), Plan(seen, seen))
    assert series(telemetry.registry)
    telemetry.planned(KEY, None)
    telemetry.planned(("risk", "other"), Plan(seen, ModelDeploymentStatus()))
    assert series(telemetry.registry) == set()
