"""From runtime and overlay to a pod that the restricted Pod Security Standard accepts."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.api.status import ResolvedModel
from steersman.core.pod.merge import strategic_merge
from steersman.core.pod.security import secure, violations
from steersman.core.pod.template import RegistryAccess, TemplateError, pod_template
from steersman.core.revision import make_revision
from unit.core.world import RUNTIME, gateway_spec

MODEL = ResolvedModel(name="fraud", selector="alias a", version="7", resolved_at=0)
REGISTRY = RegistryAccess("http://mlflow", "creds")


def spec(**changes: Any) -> ModelDeploymentSpec:
    return ModelDeploymentSpec.model_validate(gateway_spec(**changes))


def build(**changes: Any) -> dict[str, Any]:
    return pod_template(spec(**changes), MODEL, RUNTIME, REGISTRY)["spec"]


def test_facts_are_in_every_container_and_credentials_only_in_init_containers() -> None:
    pod = build()
    serving = {v["name"]: v for v in pod["containers"][0]["env"]}
    fetching = {v["name"]: v for v in pod["initContainers"][0]["env"]}
    assert serving["MODEL_URI"]["value"] == fetching["MODEL_URI"]["value"] == "models:/fraud/7"
    assert "MLFLOW_TRACKING_TOKEN" not in serving
    reference = fetching["MLFLOW_TRACKING_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "creds", "key": "token", "optional": True}


def test_every_pod_is_restricted_and_without_a_token() -> None:
    pod = build()
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in pod["containers"] + pod["initContainers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"hostPID": True}, "hostPID"),
        ({"securityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
        ({"securityContext": {"runAsUser": 0}}, "user 0"),
        ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, "seccomp"),
        ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, "sysctl"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "hostPath"),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "service-account token",
        ),
        ({"containers": [{"name": "model", "securityContext": {"privileged": True}}]}, "privileged"),
        ({"containers": [{"name": "model", "securityContext": {"allowPrivilegeEscalation": True}}]}, "Escalation"),
        (
            {"containers": [{"name": "model", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
            "capability",
        ),
        ({"containers": [{"name": "model", "securityContext": {"capabilities": {"drop": []}}}]}, "drop ALL"),
        ({"containers": [{"name": "model", "ports": [{"containerPort": 1, "hostPort": 1}]}]}, "hostPort"),
        ({"containers": [{"name": "side", "securityContext": {"procMount": "Unmasked"}}]}, "procMount"),
    ],
)
def test_what_the_standard_forbids_is_refused_by_name(overlay: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateError, match=words) as refused:
        build(podTemplate={"spec": overlay})
    assert refused.value.reason == Reason.POD_SECURITY_VIOLATION


def test_token_cannot_be_asked_for() -> None:
    assert build(podTemplate={"spec": {"automountServiceAccountToken": True}})["automountServiceAccountToken"] is False


def test_secured_pods_never_violate() -> None:
    assert violations(secure({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "b"}]}})) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({}, "not a list|no container"),
        ({"spec": {"containers": [{"name": "other"}]}}, "no container named 'model'"),
        ({"spec": {"containers": [{"name": "model"}]}}, "no port named 'http'"),
        (
            {"spec": {"containers": [{"name": "model", "ports": [{"name": "http", "containerPort": 1}]}]}},
            "readinessProbe",
        ),
        ({"spec": {"containers": "model"}}, "not a list"),
    ],
)
def test_runtime_that_cannot_serve_says_why(template: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateError, match=words) as refused:
        pod_template(spec(), MODEL, ServingRuntimeSpec(template=template), REGISTRY)
    assert refused.value.reason == Reason.RUNTIME_INVALID


def test_overlay_merges_as_kubectl_does() -> None:
    base = {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}], "args": ["p", "q"]}, {"name": "b"}]}
    overlay = {
        "containers": [
            {"name": "a", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "3"}], "args": ["r"]},
            {"name": "b", "$patch": "delete"},
            {"name": "c"},
        ]
    }
    merged = strategic_merge(base, overlay)
    assert merged == {
        "containers": [
            {"name": "a", "env": [{"name": "X", "value": "3"}, {"name": "Y", "value": "2"}], "args": ["r"]},
            {"name": "c"},
        ]
    }
    assert len(base["containers"]) == 2, "the runtime is not changed"
    assert strategic_merge({"a": 1, "b": {"c": 1}}, {"a": None, "b": {"d": 2}}) == {"b": {"c": 1, "d": 2}}


def test_revision_names_follow_content_and_nothing_else() -> None:
    first = make_revision("fraud", spec(), MODEL, RUNTIME, REGISTRY)
    assert first.name.startswith("fraud-v7-") and len(first.name) <= 63
    same = make_revision("fraud", spec(replicas=9, paused=True, progressDeadline="1m"), MODEL, RUNTIME, REGISTRY)
    assert same == first
    other = make_revision("fraud", spec(runtime={"env": [{"name": "A", "value": "b"}]}), MODEL, RUNTIME, REGISTRY)
    assert other.name != first.name
    model_id = MODEL.model_copy(update={"model_id": "m-1"})
    assert make_revision("fraud", spec(), model_id, RUNTIME, REGISTRY).name != first.name
