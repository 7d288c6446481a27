"""The objects of a revision. Complete manifests always: in server-side apply an omitted owned field is deleted."""

from __future__ import annotations

from collections.abc import Mapping

from steersman.api.meta import (
    ANNOTATION_MODEL,
    ANNOTATION_MODEL_VERSION,
    API_VERSION,
    LABEL_DEPLOYMENT,
    LABEL_MANAGED_BY,
    LABEL_REVISION,
)
from steersman.api.runtime import HTTP_PORT
from steersman.core.comparison import contains
from steersman.core.naming import content_hash, preview_name
from steersman.core.pod.spread import apart
from steersman.core.revision import Revision
from steersman.core.snapshot import Manifest

ANNOTATION_APPLIED = "steersman.dev/applied"
"""Hash of the manifest as last applied, so that what is unchanged is not written again."""

_COMPARED: dict[str, tuple[str, ...]] = {
    "Deployment": ("replicas",),
    "DaemonSet": (),
    "HorizontalPodAutoscaler": ("scaleTargetRef", "minReplicas", "maxReplicas"),
}
"""Fields of spec that are compared with what is there; the rest by hash alone, as the API server rewrites quantities and fills in defaults."""


def owned(manifest: Manifest, owner: Manifest, revision: str | None = None) -> Manifest:
    """The manifest with namespace, owner, labels and its own hash."""
    metadata = dict(manifest["metadata"])
    metadata["namespace"] = owner["metadata"]["namespace"]
    labels = {LABEL_MANAGED_BY: "steersman", LABEL_DEPLOYMENT: owner["metadata"]["name"]}
    if revision is not None:
        labels[LABEL_REVISION] = revision
    metadata["labels"] = labels
    metadata["ownerReferences"] = [
        {
            "apiVersion": API_VERSION,
            "kind": "ModelDeployment",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    complete = {**manifest, "metadata": metadata}
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION_APPLIED: content_hash(_content(complete))}
    return {**complete, "metadata": {**metadata, "annotations": annotations}}


def _content(manifest: Manifest) -> Manifest:
    """What the hash is over: a Deployment's replicas are compared by themselves, and may be an autoscaler's."""
    if manifest["kind"] != "Deployment":
        return manifest
    return {**manifest, "spec": {key: value for key, value in manifest["spec"].items() if key != "replicas"}}


def needs_apply(wanted: Manifest, seen: Manifest | None) -> bool:
    """Whether the object must be written: it is missing, was applied from another manifest, or somebody changed it since."""
    if seen is None:
        return True
    if not contains(seen["metadata"].get("annotations") or {}, wanted["metadata"]["annotations"]):
        return True
    kind = wanted["kind"]
    if kind == "ControllerRevision":
        return False
    fields = _COMPARED.get(kind, tuple(wanted["spec"]))
    return not contains(seen.get("spec", {}), {field: wanted["spec"][field] for field in fields})


def snapshot_object(revision: Revision, number: int) -> Manifest:
    """The ControllerRevision that keeps a revision; number orders them (it is the time of creation)."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": revision.name},
        "data": revision.to_data(),
        "revision": number,
    }


def deployment(
    revision: Revision, owner_name: str, replicas: int, annotations: Mapping[str, str] | None = None
) -> Manifest:
    """The Deployment that runs a revision's pods; the annotations are its own, not its pods'."""
    selector = {LABEL_DEPLOYMENT: owner_name, LABEL_REVISION: revision.name}
    metadata = revision.template.get("metadata") or {}
    pod = revision.template["spec"]
    if revision.anti_affinity is not None:
        # Here, because the term names the revision, whose name is a hash over its template.
        pod = apart(pod, revision.anti_affinity, owner_name, revision.name)
    template = {
        "metadata": {
            **metadata,
            "labels": {**(metadata.get("labels") or {}), "app.kubernetes.io/name": owner_name, **selector},
            "annotations": {
                **(metadata.get("annotations") or {}),
                ANNOTATION_MODEL: revision.model,
                ANNOTATION_MODEL_VERSION: revision.version,
            },
        },
        "spec": pod,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": revision.name,
            "annotations": {
                **(annotations or {}),
                ANNOTATION_MODEL: revision.model,
                ANNOTATION_MODEL_VERSION: revision.version,
            },
        },
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": selector},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template,
        },
    }


def revision_service(revision: str, owner_name: str) -> Manifest:
    """The Service of one revision; its selector never changes."""
    return _service(revision, owner_name, revision)


def preview_service(revision: str, owner_name: str) -> Manifest:
    """The Service that reaches the blue-green candidate, or stable outside a rollout."""
    return _service(preview_name(owner_name), owner_name, revision)


def _service(name: str, owner_name: str, revision: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": {LABEL_DEPLOYMENT: owner_name, LABEL_REVISION: revision},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": HTTP_PORT}],
        },
    }
