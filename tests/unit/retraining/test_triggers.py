"""What each trigger takes for a reason, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from steersman.api.analysis import Metric
from steersman.api.conditions import Condition, ConditionStatus, Reason
from steersman.api.retraining import Retraining
from steersman.core.analysis.model import BoundMetric
from steersman.core.retraining.model import Look, RunState
from unit.retraining.laboratory import GITHUB, START, Laboratory, spec

HOUR, DAY = 3600.0, 86400.0
NIGHTLY = {"name": "nightly", "schedule": {"cron": "0 3 * * *"}}


def data(**settings: Any) -> dict[str, Any]:
    return {"name": "data", "data": {"interval": "60s"} | settings}


DVC = data(http={"url": "https://data.example.com/x.dvc"})
TAG = data(gitTag={"url": "https://git.example.com/data.git", "pattern": "data-*"})
ROWS = data(growth={"template": "rows", "metric": "rows", "by": 100})
WORSE = {"name": "worse", "metric": {"template": "q", "metric": "accuracy", "looks": 3, "interval": "60s"}}
DRIFT = {"name": "drift", "drift": {"for": "10m"}}


def finish(lab: Laboratory) -> None:
    """The pipeline succeeds and registers a version."""
    lab.go(60)
    lab.newest += 1
    lab.target.end(RunState.SUCCEEDED, lab.true_time)
    lab.go(60)
    assert lab.status.current is None, lab.status


def drift(lab: Laboratory, since: float | None, kind: str = "DataDrift") -> None:
    if since is None:
        lab.conditions = []
        return
    lab.conditions = [
        Condition.model_construct(
            type=kind,  # type: ignore[arg-type]
            status=ConditionStatus.TRUE,
            reason=Reason.ACCEPTED,
            message="PSI of amount is 0.4",
            last_transition_time=since,
        )
    ]


def measuring(lab: Laboratory, trigger: str, **threshold: float) -> None:
    metric = Metric.model_validate({"name": "m", "threshold": {"query": "x"} | (threshold or {"min": 0.8})})
    lab.metrics = {trigger: BoundMetric(f"retraining/{trigger}/t", metric, 60.0)}


def test_a_schedule_begins_once_at_each_moment() -> None:
    lab = Laboratory(spec(NIGHTLY))
    lab.go(2 * HOUR)
    assert lab.begun == []
    lab.go(HOUR + 60)
    assert [run.reason for run in lab.begun] == ["the schedule's moment 2026-01-01T03:00:00.000Z"]
    finish(lab)
    lab.go(DAY)
    assert len(lab.begun) == 2


def test_after_a_downtime_only_the_last_moment_is_met_and_not_when_it_is_too_late() -> None:
    lab = Laboratory(spec({"name": "often", "schedule": {"cron": "*/5 * * * *"}}))
    lab.go(60)
    lab.now = lab.true_time = START + 3 * DAY + 60
    lab.go(120)
    assert [run.reason for run in lab.begun] == ["the schedule's moment 2026-01-04T00:00:00.000Z"]
    late = Laboratory(spec(NIGHTLY))
    late.go(60)
    late.now = late.true_time = START + 5 * HOUR
    late.go(60)
    assert late.begun == []
    assert late.reasons == [Reason.RETRAINING_SKIPPED]
    assert "2026-01-01T03:00:00.000Z is left out" in late.events[0][1]


def test_a_moment_that_something_else_held_up_is_met_later_or_skipped_with_the_reason() -> None:
    lab = Laboratory(spec(NIGHTLY))
    lab.go(60)
    lab.busy = "a rollout is under way"
    lab.go(3 * HOUR + 1200)
    assert lab.begun == []
    assert lab.status.waiting == (
        "nightly (the schedule's moment 2026-01-01T03:00:00.000Z) waits: a rollout is under way"
    )
    lab.busy = ""
    lab.go(60)
    assert len(lab.begun) == 1
    other = Laboratory(spec(NIGHTLY, suspend=True))
    other.go(5 * HOUR)
    assert other.reasons == [Reason.RETRAINING_SKIPPED]
    assert "spec.retraining.suspend is set" in other.events[0][1]


def test_another_schedule_under_the_same_name_begins_anew() -> None:
    lab = Laboratory(spec(NIGHTLY))
    lab.go(4 * HOUR)
    finish(lab)
    lab.spec = spec({"name": "nightly", "schedule": {"cron": "30 3 * * *"}}, cooldown="1s")
    lab.go(HOUR)
    assert len(lab.begun) == 1


def test_content_that_changed_is_new_data_and_what_was_there_is_not() -> None:
    lab = Laboratory(spec(DVC))
    lab.go(600)
    assert lab.begun == []
    lab.data = "2"
    lab.go(120)
    assert [(run.trigger, run.reason) for run in lab.begun] == [("data", "the content of the data's resource changed")]
    finish(lab)
    lab.go(2 * HOUR)
    assert len(lab.begun) == 1
    # What comes while a training runs, or in the cooldown, is for the next one.
    lab.data = "3"
    lab.go(120)
    lab.data = "4"
    finish(lab)
    lab.go(HOUR - 300)
    assert len(lab.begun) == 2
    lab.go(600)
    assert len(lab.begun) == 3


def test_a_retraining_of_any_trigger_takes_the_data_that_is_there() -> None:
    lab = Laboratory(spec(DVC, duringRollout="Wait"))
    lab.go(120)
    lab.busy, lab.data = "a rollout is under way", "2"
    lab.go(120)
    lab.asked = True
    lab.go(60)
    assert [run.trigger for run in lab.begun] == ["manual"]
    lab.busy = ""
    finish(lab)
    lab.go(3 * HOUR)
    assert len(lab.begun) == 1


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("data-10@0123", "git tag data-10"),
        ("data-9@beef", "git tag data-9"),
        ("data-8@0123", None),
    ],
)
def test_a_higher_tag_and_a_moved_one_are_news_and_one_that_goes_is_not(tag: str, reason: str | None) -> None:
    lab = Laboratory(spec(TAG))
    lab.data = "data-9@0123"
    lab.go(120)
    lab.data = tag
    lab.go(120)
    assert [run.reason for run in lab.begun] == ([reason] if reason else [])


def test_a_number_that_grew_since_the_last_training() -> None:
    lab = Laboratory(spec(ROWS))
    measuring(lab, "data", min=0)
    lab.value = 1000.0
    lab.go(180)
    lab.value = 1099.0
    lab.go(180)
    assert lab.begun == []
    lab.value = 1100.0
    lab.go(180)
    assert [run.reason for run in lab.begun] == ["rows/rows grew from 1000 to 1100"]
    finish(lab)
    lab.value = 1199.0
    lab.go(2 * HOUR)
    assert len(lab.begun) == 1
    lab.value = 1200.0
    lab.go(180)
    assert len(lab.begun) == 2


def test_growth_in_percent() -> None:
    lab = Laboratory(spec(data(growth={"template": "rows", "metric": "rows", "percent": 50})))
    measuring(lab, "data", min=0)
    lab.value = 200.0
    lab.go(180)
    lab.value = 299.0
    lab.go(180)
    assert lab.begun == []
    lab.value = 300.0
    lab.go(180)
    assert len(lab.begun) == 1


def test_quality_must_be_outside_in_looks_in_a_row() -> None:
    lab = Laboratory(spec(WORSE))
    measuring(lab, "worse")
    lab.value = 0.7
    lab.go(119, step=10)
    assert lab.status.triggers[0].outside == 2
    lab.value = 0.9
    lab.go(60, step=10)
    lab.value = 0.7
    lab.go(119, step=10)
    assert lab.begun == [] and lab.status.triggers[0].outside == 2
    lab.go(60, step=10)
    assert [run.reason for run in lab.begun] == ["q/accuracy was outside its bounds in 3 looks in a row, latest 0.7"]
    # While it goes on, not again; with another version, or after it was fine, again.
    finish(lab)
    lab.go(5 * HOUR)
    assert len(lab.begun) == 1
    lab.stable_version = "8"
    lab.go(300)
    assert len(lab.begun) == 2
    finish(lab)
    lab.value = 0.9
    lab.go(2 * HOUR)
    lab.value = 0.7
    lab.go(300)
    assert len(lab.begun) == 3


def test_no_data_is_no_reason() -> None:
    lab = Laboratory(spec(WORSE))
    measuring(lab, "worse")
    lab.value = float("nan")
    lab.go(HOUR)
    assert lab.begun == []
    assert "no measurement" in lab.status.triggers[0].error


def test_drift_must_last_and_fires_once_for_a_version() -> None:
    lab = Laboratory(spec(DRIFT))
    drift(lab, START + 60)
    lab.go(600)
    assert lab.begun == []
    lab.go(120)
    assert [run.reason for run in lab.begun] == ["DataDrift: PSI of amount is 0.4"]
    finish(lab)
    lab.go(10 * HOUR)
    assert len(lab.begun) == 1
    lab.stable_version = "8"
    lab.go(60)
    assert len(lab.begun) == 2
    finish(lab)
    drift(lab, None)
    lab.go(2 * HOUR)
    drift(lab, lab.now, "ConceptDrift")
    lab.go(900)
    assert [run.trigger for run in lab.begun] == ["drift"] * 3


def test_drift_may_repeat() -> None:
    lab = Laboratory(spec({"name": "drift", "drift": {"repeatAfter": "24h"}}))
    drift(lab, START)
    lab.go(60)
    finish(lab)
    lab.go(DAY - 600)
    assert len(lab.begun) == 1
    lab.go(1200)
    assert len(lab.begun) == 2


def test_drift_of_another_kind_does_not_count() -> None:
    lab = Laboratory(spec({"name": "drift", "drift": {"conditions": ["ConceptDrift"]}}))
    drift(lab, START - 10 * HOUR)
    lab.go(HOUR)
    assert lab.begun == []


def test_nothing_begins_without_a_stable_version_but_by_hand() -> None:
    lab = Laboratory(spec(DRIFT))
    lab.stable_version = ""
    drift(lab, START - HOUR)
    lab.go(HOUR)
    assert lab.begun == [] and "no version is stable yet" in lab.status.waiting
    lab.asked = True
    lab.go(60)
    assert [run.trigger for run in lab.begun] == ["manual"]


def test_looks_lie_on_a_grid_and_are_asked_once() -> None:
    lab = Laboratory(spec(DVC, {"name": "dataset", "data": {"modelTag": {"key": "dataset"}, "interval": "60s"}}))
    looks = []
    for second in range(0, 300, 7):
        lab.now = START + second
        looks += [errand for errand in lab.turn().errands if isinstance(errand, Look)]
        lab.work()
    assert {look.at for look in looks} == {START + minute * 60 for minute in range(5)}
    assert len([look for look in looks if look.kind == "http"]) == 5
    assert {look.kind for look in looks} == {"http", "modelTag"}


def test_a_metric_that_cannot_be_bound_is_a_problem_and_says_so() -> None:
    lab = Laboratory(spec(WORSE, NIGHTLY))
    lab.metrics = {"worse": "there is no AnalysisTemplate or ClusterAnalysisTemplate 'q'"}
    lab.go(4 * HOUR)
    assert lab.status.problem == "trigger worse: there is no AnalysisTemplate or ClusterAnalysisTemplate 'q'"
    assert lab.begun == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"triggers": [{"name": "x"}]}, "exactly one of schedule, data, metric and drift"),
        ({"triggers": [{"name": "x", "data": {}}]}, "exactly one of gitTag, http, modelTag and growth"),
        ({"triggers": [data(growth={"template": "a", "metric": "b"})]}, "exactly one of by and percent"),
        ({"triggers": [NIGHTLY, NIGHTLY]}, "names of the triggers must differ"),
        ({"triggers": [NIGHTLY | {"name": "manual"}]}, "the name manual is taken"),
        ({"action": {}}, "exactly one of job, argoWorkflow, airflow"),
        (
            {"action": GITHUB | {"webhook": {"url": "https://a", "secret": {"secretName": "a", "key": "b"}}}},
            "one of job",
        ),
        ({"action": {"argoWorkflow": {}}}, "exactly one of workflowTemplateRef and spec"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Retraining.model_validate({"action": GITHUB} | wrong)
