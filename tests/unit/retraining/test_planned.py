"""Retraining as a part of planning: Jobs and Workflows, actions, conditions, metrics of templates."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from steersman.adapters.traffic import provider_for
from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.retraining_status import RetrainingOutcome
from steersman.core.plan import plan
from steersman.core.pod.security import violations
from steersman.core.retraining.model import Begin
from steersman.core.snapshot import RegistryAnswer
from unit.core.world import World, gateway_spec
from unit.retraining.laboratory import GITHUB, JOB, JOB_POD

EVERY_HOUR = {"name": "hourly", "schedule": {"cron": "0 * * * *"}}
SUCCEEDED = {"conditions": [{"type": "Complete", "status": "True"}]}
FAILED = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "1 pod"}]}


def trained(action: dict[str, Any] = JOB, **changes: Any) -> World:
    retraining = {"triggers": [EVERY_HOUR], "action": action, "retries": {"limit": 0}} | changes
    world = World(gateway_spec(retraining=retraining))
    world.run(120)
    assert world.status.stable is not None and world.status.rollout is None
    return world


def objects(world: World, kind: str = "Job") -> list[dict[str, Any]]:
    return [child for (found, _), child in world.children.items() if found == kind]


def end(world: World, status: dict[str, Any], kind: str = "Job") -> None:
    for found in objects(world, kind):
        if not found.get("status"):
            found["status"] = status


def test_a_job_is_made_once_owned_and_restricted() -> None:
    world = trained()
    world.run(3600, step=300)
    (job,) = objects(world)
    assert job["metadata"]["labels"]["steersman.dev/purpose"] == "retraining"
    assert job["metadata"]["ownerReferences"][0]["name"] == "fraud"
    assert violations(job["spec"]["template"]) == []
    env = {each["name"]: each["value"] for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["STEERSMAN_RETRAINING_ID"] == job["metadata"]["name"]
    assert (env["STEERSMAN_STABLE_VERSION"], env["STEERSMAN_TRIGGER"]) == ("1", "hourly")
    assert job["spec"]["activeDeadlineSeconds"] == 86400
    assert world.condition("Retraining") == ("True", "RetrainingStarted")
    uid = job["metadata"]["uid"]
    world.run(1200, step=300)
    (same,) = objects(world)
    assert same["metadata"]["uid"] == uid


def test_a_job_that_ended_is_kept_up_to_a_limit_and_metric_jobs_are_left_alone() -> None:
    world = trained({"job": {**JOB["job"], "historyLimit": 2}}, cooldown="1s")
    measuring = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "fraud-1234", "labels": {}}}
    world.children["Job", "fraud-1234"] = measuring
    for _ in range(5):
        world.run(3600, step=300)
        end(world, SUCCEEDED)
        world.run(60)
    names = [job["metadata"]["name"] for job in objects(world)]
    assert "fraud-1234" in names
    assert len(names) == 3
    assert world.status.retraining is not None
    assert {entry.id for entry in world.status.retraining.history[:2]} < set(names)


@pytest.mark.parametrize("crash_after", [0, 1, 2])
def test_a_crash_at_any_write_makes_one_job(crash_after: int) -> None:
    world = trained()
    world.act("retrain")
    world.reconcile(crash_after=crash_after)
    for _ in range(5):
        world.reconcile()
        world.settle()
    assert len(objects(world)) == 1
    assert world.status.retraining is not None and world.status.retraining.number == 1


def test_a_failed_job_is_tried_again_under_another_name() -> None:
    world = trained(retries={"limit": 1, "delay": "30s"})
    world.act("retrain")
    world.run(10)
    end(world, FAILED)
    world.run(10)
    assert world.condition("Retraining") == ("True", "RetrainingRetrying")
    world.run(60)
    names = sorted(job["metadata"]["name"] for job in objects(world))
    assert len(names) == 2 and names[1] == f"{names[0]}-2"
    end(world, FAILED)
    world.run(10)
    assert world.condition("Retraining") == ("False", "RetrainingFailed")
    assert world.status.retraining is not None
    assert "BackoffLimitExceeded: 1 pod" in world.status.retraining.history[0].message


def test_a_deleted_job_is_not_made_again() -> None:
    world = trained()
    world.act("retrain")
    world.run(10)
    (job,) = objects(world)
    del world.children["Job", job["metadata"]["name"]]
    world.run(600)
    assert objects(world) == []
    assert world.status.retraining is not None
    assert world.status.retraining.history[0].outcome == RetrainingOutcome.CANCELLED


def test_a_job_that_takes_too_long_goes() -> None:
    world = trained(timeout="10m", triggers=[])
    world.act("retrain")
    world.run(700, step=30)
    assert objects(world) == []
    assert world.condition("Retraining") == ("False", "RetrainingFailed")


def test_without_the_spec_everything_but_the_history_goes() -> None:
    world = trained()
    world.act("retrain")
    world.run(10)
    world.change_spec(gateway_spec())
    world.run(10)
    assert objects(world) == []
    assert world.status.retraining is not None and world.status.retraining.current is None
    assert [entry.outcome for entry in world.status.retraining.history] == [RetrainingOutcome.CANCELLED]
    assert not any(condition.type == "Retraining" for condition in world.status.conditions)


def test_a_workflow_from_a_template_and_from_a_spec() -> None:
    world = trained({"argoWorkflow": {"workflowTemplateRef": {"name": "train", "clusterScope": True}}})
    world.act("retrain")
    world.run(10)
    (workflow,) = objects(world, "Workflow")
    assert workflow["spec"]["workflowTemplateRef"] == {"name": "train", "clusterScope": True}
    told = {each["name"]: each["value"] for each in workflow["spec"]["arguments"]["parameters"]}
    assert told["retraining_id"] == workflow["metadata"]["name"] and told["model"] == "fraud"
    workflow["status"] = {"phase": "Error", "message": "no such template"}
    world.run(10)
    assert world.status.retraining is not None
    assert world.status.retraining.history[0].message == "no such template"
    own = {"entrypoint": "train", "arguments": {"parameters": [{"name": "model", "value": "other"}]}}
    world = trained({"argoWorkflow": {"spec": own}})
    world.act("retrain")
    world.run(10)
    (workflow,) = objects(world, "Workflow")
    told = {each["name"]: each["value"] for each in workflow["spec"]["arguments"]["parameters"]}
    assert (told["model"], told["deployment"], workflow["spec"]["entrypoint"]) == ("other", "fraud", "train")
    workflow["status"] = {"phase": "Succeeded"}
    world.run(30)
    assert world.status.retraining is not None and world.status.retraining.current is None


PRIVILEGED = {"containers": [{"name": "train", "image": "x", "securityContext": {"privileged": True}}]}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"spec": {"template": {"spec": PRIVILEGED}}}, "must not be privileged"),
        ({"spec": {"template": {"spec": {**JOB_POD, "hostNetwork": True}}}}, "hostNetwork must not be true"),
        ({"spec": {}}, "needs a template with spec.containers"),
        ({}, "needs a spec"),
        ({"metadata": {"labels": {"steersman.dev/x": "y"}}, "spec": {"template": {"spec": JOB_POD}}}, "operator's own"),
        ({"spec": {"template": {"spec": {"containers": [{"name": "t", "args": ["{{nobody}}"]}]}}}}, "{{nobody}}"),
    ],
)
def test_a_job_that_may_not_be_is_a_problem_and_rollouts_go_on(template: dict[str, Any], said: str) -> None:
    world = trained({"job": {"template": template}})
    assert world.condition("Retraining") == ("False", "RetrainingInvalid")
    assert world.status.retraining is not None and said in world.status.retraining.problem
    assert Reason.RETRAINING_INVALID in world.reasons()
    world.act("retrain")
    world.run(10)
    assert world.status.action is not None and world.status.action.result.startswith("ignored")
    assert objects(world) == []
    world.answer = RegistryAnswer("2")
    world.run(400)
    assert world.status.stable is not None and world.status.stable.version == "2"


def test_a_template_that_is_corrupt_makes_no_trouble_for_the_rest_of_the_plan() -> None:
    for template in ({"spec": "x"}, {"spec": {"template": []}}, {"spec": {"template": {"spec": {"containers": "x"}}}}):
        assert trained({"job": {"template": template}}).condition("Accepted") == ("True", "Accepted")


def test_it_waits_for_a_rollout_or_not() -> None:
    for during, begun in (("Wait", 0), ("Start", 1)):
        world = trained(duringRollout=during, triggers=[{"name": "often", "schedule": {"cron": "*/2 * * * *"}}])
        world.run(130)
        end(world, SUCCEEDED)
        world.run(700)
        world.change_spec(gateway_spec(retraining={**world.manifest["spec"]["retraining"], "cooldown": "1s"}))
        before = len(world.status.retraining.history) if world.status.retraining else 0
        world.run(10)
        end(world, SUCCEEDED)
        world.gateway_works = False
        world.answer = RegistryAnswer("2")
        world.run(5)
        assert world.status.rollout is not None
        number = world.status.retraining.number if world.status.retraining else 0
        world.run(200)
        assert world.status.rollout is not None and world.status.retraining is not None
        assert (world.status.retraining.number > number) == bool(begun), (during, before)


def test_the_action_is_offered_while_it_makes_sense() -> None:
    assert "retrain" not in World().plan_only().status.actions
    world = trained()
    assert "retrain" in world.status.actions
    world.act("retrain")
    world.run(10)
    assert "retrain" not in world.status.actions
    assert world.status.action is not None and world.status.action.result == "done: a retraining begins"
    world.act("retrain")
    world.run(10)
    assert world.status.action.result.startswith("ignored: the retraining fraud-retrain-1-")
    plain = World()
    plain.run(60)
    plain.act("retrain")
    plain.run(10)
    assert plain.status.action is not None and plain.status.action.result == "ignored: spec.retraining is not set"


def test_a_metric_of_a_template_is_asked_for_stable_under_a_name_of_its_own() -> None:
    quality = AnalysisTemplateSpec.model_validate(
        {
            "args": [{"name": "which", "value": "a"}],
            "metrics": [
                {"name": "accuracy", "threshold": {"query": 'x{r="{{stable}}",w="{{args.which}}"}', "min": 0.8}},
                {"name": "errors", "sequential": {"requests": "r", "failures": "f"}},
            ],
        }
    )
    trigger = {"name": "worse", "metric": {"template": "quality", "metric": "accuracy", "interval": "60s"}}
    trigger["metric"]["args"] = [{"name": "which", "value": "b"}]  # type: ignore[index]
    world = World(gateway_spec(retraining={"triggers": [trigger], "action": GITHUB}))
    world.templates["quality"] = quality
    world.run(130)
    world.now = 1_000_200.0
    (query,) = [query for query in world.plan_only().queries if query.metric.startswith("retraining/")]
    assert query.metric == "retraining/worse/quality/accuracy"
    assert query.text == f'x{{r="{world.stable}",w="b"}}'
    assert query.at % 60 == 0
    for metric, said in (("errors", "another judge than threshold"), ("none", "has no metric 'none'")):
        changed = copy.deepcopy(trigger)
        changed["metric"]["metric"] = metric  # type: ignore[index]
        world.change_spec(gateway_spec(retraining={"triggers": [changed], "action": GITHUB}))
        status = world.plan_only().status.retraining
        assert status is not None and said in status.problem


def test_the_templates_of_triggers_are_looked_for() -> None:
    trigger = {"name": "worse", "metric": {"template": "quality", "metric": "accuracy"}}
    spec = ModelDeploymentSpec.model_validate(gateway_spec(retraining={"triggers": [trigger], "action": GITHUB}))
    assert "quality" in spec.template_names


def test_a_request_to_begin_comes_with_the_plan_that_records_it() -> None:
    world = trained(GITHUB)
    world.act("retrain")
    decided = plan(world.snapshot(), provider_for)
    (begin,) = [errand for errand in decided.errands if isinstance(errand, Begin)]
    assert begin.fresh and begin.order.namespace == "risk"
    assert decided.status.retraining is not None and decided.status.retraining.current is not None
    assert begin.order.key == decided.status.retraining.current.key
    assert not decided.only_tells


def test_a_bad_cron_is_refused_with_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match="not a cron expression"):
        ModelDeploymentSpec.model_validate(
            gateway_spec(retraining={"triggers": [{"name": "x", "schedule": {"cron": "0 25 * * *"}}], "action": GITHUB})
        )
