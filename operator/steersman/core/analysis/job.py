"""Jobs that measure: from a template's JobSpec to the Job that is created."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from steersman.api.meta import GROUP, LABEL_DEPLOYMENT, LABEL_MANAGED_BY
from steersman.core.analysis.languages import plain
from steersman.core.analysis.placeholders import PlaceholderError, has_placeholder
from steersman.core.pod.security import secure, violations

LABEL_METRIC = f"{GROUP}/metric"
"""On a Job: a hash of the metric's name, which may be longer than a label."""
TTL_SECONDS = 300
"""How long a Job stays that nobody deleted, because the operator ended before it could."""


def filled_spec(spec: Mapping[str, Any], strings: Mapping[str, str], window: int | None) -> dict[str, Any]:
    """A JobSpec with its placeholders filled and its pod secured. Raises PlaceholderError, also for a pod that may not be."""
    template = spec.get("template")
    pod = template.get("spec") if isinstance(template, Mapping) else None
    if not isinstance(template, Mapping) or not isinstance(pod, Mapping) or not pod.get("containers"):
        raise PlaceholderError("job.spec needs a template with spec.containers")
    filled = dict(pod)
    for field in ("initContainers", "containers"):
        containers = pod.get(field, [])
        if not isinstance(containers, list) or not all(isinstance(each, Mapping) for each in containers):
            raise PlaceholderError(f"job.spec.template.spec.{field} is not a list of containers")
        if field in pod:
            filled[field] = [_container(each, strings, window) for each in containers]
    if pod.get("ephemeralContainers"):
        raise PlaceholderError("job.spec.template.spec.ephemeralContainers may not be set")
    filled.setdefault("restartPolicy", "Never")
    metadata = {key: template.get("metadata", {}).get(key) for key in ("labels", "annotations")}
    labels = metadata["labels"] or {}
    if any(str(label).startswith(f"{GROUP}/") for label in labels):
        raise PlaceholderError(f"labels of {GROUP} are the operator's own: a job's pod may not carry them")
    secured = secure({"metadata": {key: value for key, value in metadata.items() if value}, "spec": filled})
    if forbidden := violations(secured):
        raise PlaceholderError("the restricted Pod Security Standard forbids this job's pod: " + "; ".join(forbidden))
    ours = {"template": secured, "backoffLimit": spec.get("backoffLimit", 0)}
    whole = {**spec, **ours}
    _refuse_placeholders({**spec, "template": {**template, "spec": _without_filled(pod)}})
    return whole


def _container(container: Mapping[str, Any], strings: Mapping[str, str], window: int | None) -> dict[str, Any]:
    changed = dict(container)
    for field in ("command", "args"):
        if isinstance(container.get(field), list):
            changed[field] = [_text(each, strings, window) for each in container[field]]
    if isinstance(container.get("env"), list):
        changed["env"] = [
            {**each, "value": _text(each["value"], strings, window)}
            if isinstance(each, Mapping) and "value" in each
            else each
            for each in container["env"]
        ]
    return changed


def _text(value: Any, strings: Mapping[str, str], window: int | None) -> Any:
    return plain.text(value, strings, window) if isinstance(value, str) else value


def _without_filled(pod: Mapping[str, Any]) -> dict[str, Any]:
    rest = dict(pod)
    for field in ("initContainers", "containers"):
        if field in pod:
            rest[field] = [
                {key: value for key, value in container.items() if key not in ("command", "args", "env")}
                for container in pod[field]
            ]
    return rest


def _refuse_placeholders(rest: Mapping[str, Any]) -> None:
    # In JSON two braces never stand beside each other but in a string.
    if has_placeholder(json.dumps(rest, default=str)):
        raise PlaceholderError("in a job placeholders may stand only in command, args and values of env")


def metric_label(metric: str) -> str:
    """The value of LABEL_METRIC."""
    return hashlib.sha256(metric.encode()).hexdigest()[:16]


def name_of(namespace: str, deployment: str, metric: str, at: float, settings: str) -> str:
    """The name of a look's Job: the same after a restart of the operator, so that it is found instead of made again."""
    digest = hashlib.sha256(json.dumps([namespace, deployment, metric, at, settings]).encode()).hexdigest()[:10]
    return f"{deployment[:45].rstrip('-.')}-{digest}"


def manifest(
    name: str, owner: Mapping[str, Any], metric: str, spec: Mapping[str, Any], deadline: float
) -> dict[str, Any]:
    """The Job, owned by its ModelDeployment, which ends by itself even when nobody looks after it any more."""
    metadata = owner["metadata"]
    limit = math.ceil(deadline)
    given = spec.get("activeDeadlineSeconds")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {
                LABEL_MANAGED_BY: "steersman",
                LABEL_DEPLOYMENT: metadata["name"],
                LABEL_METRIC: metric_label(metric),
            },
            "annotations": {f"{GROUP}/metric-name": metric},
            "ownerReferences": [
                {
                    "apiVersion": owner["apiVersion"],
                    "kind": owner["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            **spec,
            "activeDeadlineSeconds": min(given, limit) if isinstance(given, int) and given > 0 else limit,
            "ttlSecondsAfterFinished": TTL_SECONDS,
            "suspend": False,
        },
    }
