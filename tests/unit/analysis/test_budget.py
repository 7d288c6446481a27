"""One bound of false alarms, divided among a rollout's sequential metrics."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.api.analysis import AnalysisTemplateSpec, Metric
from steersman.api.status import AnalysisStage
from steersman.core.analysis.budget import divide
from steersman.core.analysis.model import BoundMetric
from steersman.core.snapshot import RegistryAnswer
from unit.core.world import ERRORS, World, gateway_spec


def sequential(own: float = 0.01, **metric: Any) -> BoundMetric:
    judge = {"requests": "r", "failures": "f", "alpha": own}
    return BoundMetric("t", Metric.model_validate({"name": "m", "sequential": judge, **metric}), 15.0)


def threshold() -> BoundMetric:
    return BoundMetric("t", Metric.model_validate({"name": "m", "threshold": {"query": "up", "min": 1}}), 15.0)


def alphas(groups: list[tuple[BoundMetric, ...]]) -> list[float | None]:
    return [each.metric.sequential.alpha if each.metric.sequential else None for group in groups for each in group]


def test_equal_parts_over_all_analyses_of_a_rollout() -> None:
    divided = divide([(sequential(), threshold()), (), (sequential(), sequential(dry_run=True))], 0.01)
    assert [len(group) for group in divided] == [2, 0, 2]
    assert alphas(divided) == [0.005, None, 0.005, 0.01], "a dry run aborts nothing, and a threshold has no alpha"


def test_a_metric_that_wants_less_gets_less_and_one_alone_gets_no_more_than_it_wants() -> None:
    assert alphas(divide([(sequential(0.001), sequential(0.3))], 0.1)) == [0.001, 0.05]
    assert alphas(divide([(sequential(0.01),)], 0.5)) == [0.01]
    assert divide([(threshold(),)], 0.01) == [(threshold(),)] and divide([], 0.01) == []


@given(st.lists(st.floats(1e-6, 0.5), max_size=12), st.floats(1e-6, 0.5))
def test_the_parts_are_never_more_than_the_whole(own: list[float], alpha: float) -> None:
    spent = [each for each in alphas(divide([tuple(map(sequential, own))], alpha)) if each is not None]
    assert sum(spent) <= alpha * (1 + 1e-9)
    assert all(part <= most for part, most in zip(spent, own, strict=True))


def test_status_says_what_each_metric_of_a_rollout_may_spend() -> None:
    """Through plan(): the metric in the background and the one of a step share; the watch has as much again."""
    spec = gateway_spec(
        analysis={"templates": [{"name": "errors"}], "alpha": 0.02},
        watch={"duration": "5m"},
        strategy={
            "canary": {
                "steps": [
                    {"setWeight": 50},
                    {"analysis": {"templates": [{"name": "errors"}, {"name": "slow"}]}},
                    {"pause": {"duration": "60s"}},
                ]
            }
        },
    )
    world = World(spec)
    judge = {"requests": "requests_total", "failures": 'requests_total{code="500"}', "alpha": 0.5}
    wide = AnalysisTemplateSpec.model_validate({"metrics": [{"name": "errors", "count": 3, "sequential": judge}]})
    world.templates = {"errors": wide, "slow": ERRORS}
    world.run(60)
    world.answer = RegistryAnswer("2")
    for _ in range(30):
        world.run(5)
        rollout = world.status.rollout
        if rollout is not None and rollout.step_analysis is not None and rollout.step_analysis.metrics[0].passes:
            break
    assert rollout is not None and rollout.analysis is not None and rollout.step_analysis is not None
    spent = [metric.sequential.alpha for metric in rollout.analysis.metrics if metric.sequential]
    own = [metric.sequential.alpha for metric in rollout.step_analysis.metrics if metric.sequential]
    assert (spent, own) == ([pytest.approx(0.02 / 3)], [pytest.approx(0.02 / 3)] * 2)
    world.run(180)
    watch = world.status.watch
    assert watch is not None and watch.analysis.stage is AnalysisStage.WATCH
    assert [metric.sequential.alpha for metric in watch.analysis.metrics if metric.sequential] == [0.02]
