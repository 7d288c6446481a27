"""Whatever is wrong ends in the documented condition and event, with traffic on stable (docs/reference/conditions.md)."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.errors import ClusterError
from e2e.traffic import Traffic
from e2e.workspace import Workspace, canary


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": {"canary": {"steps": [{"setWeight": 101}]}}}, "less than or equal to 100"),
        ({"strategy": {"canary": {"steps": [{"setWeight": 50}, {"setWeight": 20}]}}}, "weights must rise"),
        ({"strategy": {"canary": {"steps": [{"setWeight": 100}, {"pause": {}}]}}}, "can only be the last step"),
        ({"strategy": {"canary": {"steps": [{"pause": {}, "setWeight": 5}]}}}, "a step is exactly one of"),
        ({"strategy": {"canary": {}, "blueGreen": {}}}, "exactly one strategy"),
        ({"model": {"name": "m", "alias": "a", "version": "1"}}, "exactly one of version, alias and tags"),
        ({"traffic": {}}, "exactly one traffic provider"),
        ({"progressDeadline": "soon"}, "progressDeadline"),
        ({"replicas": 0}, "replicas"),
    ],
)
def test_wrong_manifest_is_refused_by_the_api_server(
    workspace: Workspace, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClusterError, match=message):
        workspace.apply(workspace.deployment("m", **changes))


def test_what_does_not_exist_is_said_by_name(workspace: Workspace) -> None:
    """Five kinds of registry trouble and the missing references are different conditions; nothing serves, nothing is made."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    registries = {
        "unreachable": {"mlflow": {"url": "http://127.0.0.1:9"}},
        "no-secret": {"mlflow": {"url": "http://mlflow.mlflow.svc:5000", "credentials": {"secretName": "nope"}}},
    }
    for name, spec in registries.items():
        workspace.apply(workspace.resource("ModelRegistry", name, spec))
    template = {"metrics": [{"name": "m", "threshold": {"query": "up{x={{args.missing}}}", "max": 1}}]}
    workspace.apply(workspace.resource("AnalysisTemplate", "broken", template))
    source = {"registry": "mlflow", "name": model, "alias": "champion"}
    cases: dict[str, tuple[dict[str, Any], str, str]] = {
        "registry": ({"model": source | {"registry": "nope"}}, "Accepted", "RegistryNotFound"),
        "unreachable": ({"model": source | {"registry": "unreachable"}}, "ModelResolved", "RegistryUnreachable"),
        "secret": ({"model": source | {"registry": "no-secret"}}, "ModelResolved", "CredentialsNotFound"),
        "model": ({"model": source | {"name": "no-such-model"}}, "ModelResolved", "ModelNotFound"),
        "alias": ({"model": source | {"alias": "no-such-alias"}}, "ModelResolved", "AliasNotFound"),
        "version": (
            {"model": {"registry": "mlflow", "name": model, "version": "99"}},
            "ModelResolved",
            "VersionNotFound",
        ),
        "tags": (
            {"model": {"registry": "mlflow", "name": model, "tags": {"a": "b"}}},
            "ModelResolved",
            "NoMatchingVersion",
        ),
        "hostile": (
            {"model": {"registry": "mlflow", "name": "x' OR name LIKE '%", "tags": {"a'b": '"; --'}}},
            "ModelResolved",
            "ModelNotFound",
        ),
        "runtime": ({"runtime": {"name": "nope"}}, "Accepted", "RuntimeNotFound"),
        "template": ({"analysis": {"templates": [{"name": "nope"}]}}, "Accepted", "AnalysisTemplateNotFound"),
        "broken": ({"analysis": {"templates": [{"name": "broken"}]}}, "Accepted", "AnalysisTemplateInvalid"),
        "privileged": (
            {"podTemplate": {"spec": {"hostNetwork": True}}},
            "Accepted",
            "PodSecurityViolation",
        ),
    }
    for name, (changes, _, _) in cases.items():
        workspace.apply(workspace.deployment(model, name, **changes))
    for name, (_, condition, reason) in cases.items():
        workspace.until_condition(condition, "False", reason, name)
        workspace.until_event(reason, name)
        assert workspace.status(name)["phase"] == "Pending", name
        assert workspace.status(name)["message"], name
    assert workspace.get("deployments")["items"] == []
    registry = workspace.get("modelregistry", "unreachable")["status"]["conditions"][0]
    assert (registry["type"], registry["status"], registry["reason"]) == ("Reachable", "False", "RegistryUnreachable")


def test_alias_that_vanishes_in_mid_rollout(workspace: Workspace) -> None:
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    workspace.apply(workspace.deployment(model, strategy=canary(50, pause="10m"), analysis={}, replicas=1))
    v1 = workspace.until_stable("1")["stable"]["name"]
    workspace.version(model)
    workspace.until("v2 at 50 %", lambda: workspace.status().get("candidateWeight") == 50)
    workspace.remove_alias(model)
    workspace.until_condition("ModelResolved", "False", "AliasNotFound")
    workspace.until_event("RolloutCancelled")
    workspace.until("only v1 in the route", lambda: workspace.route() == {v1: 100})
    assert workspace.condition("Available")[0] == "True"


def test_metrics_that_never_answer(workspace: Workspace) -> None:
    """PromQL that does not parse, and a Prometheus that is down for the whole rollout: held, explained, then the fallback."""
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    down = {
        "metrics": [
            {"name": "m", "prometheus": {"address": "http://127.0.0.1:9"}, "threshold": {"query": "up", "max": 1}}
        ]
    }
    nonsense = {"metrics": [{"name": "m", "threshold": {"query": "sum(up", "max": 1}}]}
    workspace.apply(workspace.resource("AnalysisTemplate", "down", down))
    workspace.apply(workspace.resource("AnalysisTemplate", "nonsense", nonsense))
    for name in ("down", "nonsense"):
        analysis = {
            "templates": [{"name": name}],
            "interval": "2s",
            "inconclusive": {"after": "12s", "action": "Abort"},
        }
        spec = {"strategy": canary(50, pause="2s"), "analysis": analysis, "replicas": 1, "traffic": {"service": {}}}
        workspace.apply(workspace.deployment(model, name, **spec))
        workspace.until_stable("1", name)
    workspace.version(model)
    for name, words in (("down", "127.0.0.1:9"), ("nonsense", "parse error")):
        workspace.until_event("AnalysisError", name, timeout=60)
        workspace.until("aborted", lambda name=name: workspace.status(name).get("quarantine"), name=name)
        assert workspace.status(name)["quarantine"]["reason"] == "InconclusiveLimitExceeded"
        assert words in workspace.status(name)["quarantine"]["message"]
        assert workspace.status(name)["stable"]["version"] == "1"
        workspace.until_event("InconclusiveLimitExceeded", name)


def test_prometheus_down_may_wait_for_a_person_instead(workspace: Workspace) -> None:
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    down = {
        "metrics": [
            {"name": "m", "prometheus": {"address": "http://127.0.0.1:9"}, "threshold": {"query": "up", "max": 1}}
        ]
    }
    workspace.apply(workspace.resource("AnalysisTemplate", "down", down))
    analysis = {"templates": [{"name": "down"}], "interval": "2s", "inconclusive": {"after": "4s"}}
    workspace.apply(workspace.deployment(model, strategy=canary(50, pause="1s"), analysis=analysis, replicas=1))
    workspace.until_stable("1")
    workspace.version(model)
    workspace.until_condition("Progressing", "Unknown", "InconclusiveLimitExceeded")
    assert workspace.status()["phase"] == "Paused"
    workspace.act("promote")
    workspace.until_stable("2")


def test_pods_that_never_get_ready_end_at_the_deadline(workspace: Workspace) -> None:
    workspace.light_runtime({"2": {"ready": False}})
    model = workspace.model()
    workspace.version(model)
    workspace.apply(workspace.deployment(model, progressDeadline="15s", analysis={}))
    v1 = workspace.until_stable("1")["stable"]["name"]
    with Traffic(workspace.cluster.gateway_url, workspace.host, rate=20) as traffic:
        workspace.version(model)
        workspace.until("aborted", lambda: workspace.status().get("quarantine"))
    assert workspace.status()["quarantine"]["reason"] == "ProgressDeadlineExceeded"
    assert "0 of 1 pods" in workspace.status()["quarantine"]["message"]
    workspace.until_event("ProgressDeadlineExceeded")
    workspace.until("only v1 in the route", lambda: workspace.route() == {v1: 100})
    assert traffic.lost() == [] and set(traffic.versions()) == {"1"}


def test_service_of_somebody_else_is_left_alone(workspace: Workspace) -> None:
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    workspace.kubectl("create", "service", "clusterip", "fraud", "--tcp=80:80")
    before = workspace.get("service", "fraud")["spec"]
    workspace.apply(workspace.deployment(model, traffic={"service": {}}, analysis={}, replicas=1))
    workspace.until_condition("Accepted", "False", "NameConflict")
    assert workspace.get("service", "fraud")["spec"] == before
    workspace.kubectl("delete", "service", "fraud")
    workspace.until_stable("1")
