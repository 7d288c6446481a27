"""From a serving runtime, a model version and the user's overlay to the pod template of a revision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import HTTP_PORT, MODEL_CONTAINER, ServingRuntimeSpec
from steersman.api.status import ResolvedModel
from steersman.core.pod.claim import with_claim
from steersman.core.pod.merge import strategic_merge
from steersman.core.pod.security import secure, violations

CREDENTIAL_KEYS = {
    "MLFLOW_TRACKING_USERNAME": "username",
    "MLFLOW_TRACKING_PASSWORD": "password",
    "MLFLOW_TRACKING_TOKEN": "token",
}
"""Environment variables of the init containers, and the key of the registry's Secret that each comes from."""

WARM_UP_REQUESTS = "WARM_UP_REQUESTS"
"""Environment variable of the MLflow runtime (steersman_server.settings)."""


class TemplateError(ValueError):
    """The runtime and the overlay do not make a pod that may be created."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class RegistryAccess:
    """How a model pod reaches the registry."""

    url: str
    """Empty: the model has none."""
    secret_name: str | None = None


def pod_template(
    spec: ModelDeploymentSpec, model: ResolvedModel, runtime: ServingRuntimeSpec, registry: RegistryAccess
) -> dict[str, Any]:
    """The complete PodTemplateSpec, without the revision's own labels. Raises TemplateError."""
    template = strategic_merge(runtime.template, spec.pod_template)
    containers = _containers(template, "containers")
    serving = [container for container in containers if container.get("name") == MODEL_CONTAINER]
    if not serving:
        raise TemplateError(Reason.RUNTIME_INVALID, f"the runtime has no container named {MODEL_CONTAINER!r}")
    if not any(port.get("name") == HTTP_PORT for port in serving[0].get("ports") or []):
        raise TemplateError(Reason.RUNTIME_INVALID, f"container {MODEL_CONTAINER!r} has no port named {HTTP_PORT!r}")
    if not serving[0].get("readinessProbe"):
        raise TemplateError(
            Reason.RUNTIME_INVALID,
            f"container {MODEL_CONTAINER!r} has no readinessProbe: without it traffic would come before the model is loaded",
        )
    facts = _facts(model.name, model.version, registry, spec.model.uri)
    pod = dict(template["spec"])
    pod["containers"] = [_with_model_settings(_with_env(c, facts), spec) for c in containers]
    if "initContainers" in pod:
        credentials = _credentials(registry)
        digest = [{"name": "MODEL_SHA256", "value": spec.model.sha256}] if spec.model.sha256 is not None else []
        pod["initContainers"] = [
            _with_env(c, facts + digest + credentials) for c in _containers(template, "initContainers")
        ]
    if spec.model.uri is not None:
        pod = with_claim(pod, spec.model.uri)
    secured = secure({"metadata": template.get("metadata") or {}, "spec": pod})
    forbidden = violations(secured)
    if forbidden:
        raise TemplateError(
            Reason.POD_SECURITY_VIOLATION,
            "the restricted Pod Security Standard forbids this pod: " + "; ".join(forbidden),
        )
    return secured


def _containers(template: Any, field: str) -> list[dict[str, Any]]:
    spec = template.get("spec") if isinstance(template, dict) else None
    containers = spec.get(field, []) if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not all(isinstance(container, dict) for container in containers):
        raise TemplateError(Reason.RUNTIME_INVALID, f"template.spec.{field} is not a list of containers")
    return containers


def model_environment(
    model: str, version: str, registry: RegistryAccess, uri: str | None = None
) -> list[dict[str, Any]]:
    """Environment variables by which a container reads a version from its registry, or from its uri."""
    return _facts(model, version, registry, uri) + _credentials(registry)


def _facts(model: str, version: str, registry: RegistryAccess, uri: str | None) -> list[dict[str, Any]]:
    tracking = [{"name": "MLFLOW_TRACKING_URI", "value": registry.url}] if registry.url else []
    return [
        {"name": "MODEL_NAME", "value": model},
        {"name": "MODEL_VERSION", "value": version},
        {"name": "MODEL_URI", "value": uri or f"models:/{model}/{version}"},
        *tracking,
    ]


def _credentials(registry: RegistryAccess) -> list[dict[str, Any]]:
    if registry.secret_name is None:
        return []
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": registry.secret_name, "key": key, "optional": True}}}
        for name, key in CREDENTIAL_KEYS.items()
    ]


def _with_env(container: dict[str, Any], env: list[dict[str, Any]]) -> dict[str, Any]:
    # Ours come first: $(MODEL_URI) expands only in variables that are defined later. They win over the same names.
    names = {variable["name"] for variable in env}
    rest = [variable for variable in container.get("env") or [] if variable.get("name") not in names]
    return {**container, "env": env + rest}


def _with_model_settings(container: dict[str, Any], spec: ModelDeploymentSpec) -> dict[str, Any]:
    if container.get("name") != MODEL_CONTAINER:
        return container
    changed = dict(container)
    if spec.runtime.env:
        changed["env"] = strategic_merge(changed["env"], spec.runtime.env, "env")
    if spec.runtime.resources is not None:
        changed["resources"] = spec.runtime.resources
    if spec.warm_up.requests is not None:
        # Only when it is asked for: an added variable makes a new revision.
        warm_up = {"name": WARM_UP_REQUESTS, "value": str(spec.warm_up.requests)}
        changed["env"] = strategic_merge(changed["env"], [warm_up], "env")
    return changed
