from __future__ import annotations

import aiohttp

from steersman.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from steersman.api.status import (
    HistoryEntry,
    ModelDeploymentStatus,
    Outcome,
    Phase,
    RolloutPhase,
    RolloutStatus,
    StrategyName,
)
from steersman.core.snapshot import Plan
from steersman.shell.telemetry import Telemetry, serve

KEY = ("risk", "fraud")
ROLLOUT = RolloutStatus(
    revision="fraud-v2-x",
    version="2",
    strategy=StrategyName.CANARY,
    phase=RolloutPhase.STEPPING,
    started_at=10,
    step_started_at=10,
)
ENDED = HistoryEntry(
    revision="fraud-v2-x",
    version="2",
    strategy=StrategyName.CANARY,
    outcome=Outcome.ABORTED,
    reason="AnalysisFailed",
    message="",
    started_at=10,
    ended_at=20,
)


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    telemetry.count_phases()
    return telemetry.registry.get_sample_value(name, labels)


def test_a_rollout_is_counted_once_when_it_ends() -> None:
    telemetry = Telemetry()
    under_way = ModelDeploymentStatus(phase=Phase.PROGRESSING, rollout=ROLLOUT, candidate_weight=25)
    over = ModelDeploymentStatus(phase=Phase.DEGRADED, history=[ENDED])
    telemetry.planned(KEY, Plan(ModelDeploymentStatus(), under_way))
    where = {"namespace": "risk", "deployment": "fraud"}
    assert value(telemetry, "steersman_candidate_weight_percent", **where) == 25
    for _ in range(3):
        telemetry.planned(KEY, Plan(ModelDeploymentStatus(), over))
    assert value(telemetry, "steersman_rollouts_total", outcome="Aborted", reason="AnalysisFailed") == 1
    assert value(telemetry, "steersman_candidate_weight_percent", **where) is None
    assert value(telemetry, "steersman_modeldeployments", phase="Degraded") == 1
    assert value(telemetry, "steersman_modeldeployments", phase="Progressing") == 0


def test_a_deleted_object_leaves_no_series() -> None:
    telemetry = Telemetry()
    telemetry.planned(
        KEY,
        Plan(
            ModelDeploymentStatus(),
            ModelDeploymentStatus(phase=Phase.PROGRESSING, rollout=ROLLOUT, candidate_weight=25),
        ),
    )
    telemetry.planned(KEY, None)
    telemetry.planned(KEY, None)
    where = {"namespace": "risk", "deployment": "fraud"}
    assert value(telemetry, "steersman_candidate_weight_percent", **where) is None
    assert value(telemetry, "steersman_modeldeployments", phase="Progressing") == 0


async def test_the_endpoint_serves_metrics_and_readiness(unused_tcp_port: int) -> None:
    telemetry, ready = Telemetry(), [False]
    runner = await serve(telemetry, unused_tcp_port, lambda: ready[0], lambda: telemetry.leader.set(1))
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{unused_tcp_port}") as session:
            async with session.get("/readyz") as answer:
                assert answer.status == 503
            ready[0] = True
            async with session.get("/readyz") as answer:
                assert answer.status == 200
            async with session.get("/metrics") as answer:
                assert "steersman_leader 1.0" in await answer.text()
    finally:
        await runner.cleanup()


def test_every_condition_is_one_series_that_says_what_holds_now() -> None:
    def condition(status: ConditionStatus, reason: Reason) -> ModelDeploymentStatus:
        made = Condition(type=ConditionType.READY, status=status, reason=reason, last_transition_time=0.0)
        return ModelDeploymentStatus(conditions=[made])

    def series(telemetry: Telemetry) -> list[dict[str, str]]:
        return [
            sample.labels
            for family in telemetry.registry.collect()
            for sample in family.samples
            if sample.name == "steersman_deployment_condition" and sample.value == 1
        ]

    telemetry = Telemetry()
    for status, reason in (
        (ConditionStatus.FALSE, Reason.ROLLOUT_PROGRESSING),
        (ConditionStatus.TRUE, Reason.ROLLOUT_COMPLETE),
    ):
        telemetry.planned(KEY, Plan(ModelDeploymentStatus(), condition(status, reason)))
        wanted = {"namespace": "risk", "deployment": "fraud", "type": "Ready", "status": status, "reason": reason}
        assert series(telemetry) == [wanted]
    telemetry.planned(KEY, None)
    assert series(telemetry) == []
