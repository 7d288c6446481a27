"""Jobs and Workflows that train: rendered once, while the retraining starts, and then only read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from steersman.api.meta import GROUP
from steersman.api.retraining_actions import ArgoWorkflowAction, JobAction, Target
from steersman.api.retraining_status import RetrainingPhase, RetrainingRun
from steersman.core.analysis import job
from steersman.core.analysis.placeholders import PlaceholderError
from steersman.core.manifests import owned
from steersman.core.retraining.model import Run, RunState
from steersman.core.retraining.parameters import parameters, values
from steersman.core.retraining.work import Work
from steersman.core.snapshot import Manifest

LABEL_PURPOSE: Final = f"{GROUP}/purpose"
PURPOSE: Final = "retraining"
ANNOTATION_ID: Final = f"{GROUP}/retraining"
KINDS: Final = {Target.JOB: "Job", Target.ARGO_WORKFLOW: "Workflow"}
LEAST_TTL: Final = 3600
"""Seconds: what ended is seen before it goes."""
_ENDED: Final = {"Succeeded": RunState.SUCCEEDED, "Failed": RunState.FAILED, "Error": RunState.FAILED}


def kind(target: str) -> str:
    """The object's kind."""
    return KINDS[Target(target)]


def is_ours(manifest: Manifest) -> bool:
    """Whether an owned object is a retraining's."""
    return (manifest["metadata"].get("labels") or {}).get(LABEL_PURPOSE) == PURPOSE


def seen(work: Work, key: str, target: str) -> Manifest | None:
    """The object of an attempt, if it is there."""
    found = work.view.children.get(kind(target), key)
    return found if found is not None and is_ours(found) and not found["metadata"].get("deletionTimestamp") else None


def owned_by(manifest: Manifest, owner: Manifest) -> Manifest:
    """The manifest with namespace, owner and labels."""
    complete = owned(manifest, owner)
    labels = {**manifest["metadata"].get("labels", {}), **complete["metadata"]["labels"], LABEL_PURPOSE: PURPOSE}
    return {**complete, "metadata": {**complete["metadata"], "labels": labels}}


def wanted(work: Work) -> list[Manifest]:
    """The object to make: only while its retraining starts, so that nothing is made a second time."""
    run = work.status.current
    if run is None or run.target not in KINDS or run.phase != RetrainingPhase.STARTING:
        return []
    return [manifest(work, run)] if seen(work, run.key, run.target) is None else []


def kept(work: Work) -> frozenset[tuple[str, str]]:
    """Kind and name of the objects that stay: of what is under way, and of the latest that ended."""
    names: set[tuple[str, str]] = set()
    run, settings = work.status.current, work.spec.action.settings
    if run is not None and run.target in KINDS:
        earlier = [run.key] if run.attempt == 1 else [run.id, *(f"{run.id}-{n}" for n in range(2, run.attempt + 1))]
        names |= {(kind(run.target), name) for name in earlier}
    limit = settings.history_limit if isinstance(settings, JobAction | ArgoWorkflowAction) else 0
    timed_out = work.before.current is not None and work.status.current is None
    for number, entry in enumerate(entry for entry in work.status.history if entry.target in KINDS):
        if number < limit and not (timed_out and number == 0 and _unfinished(work, entry.keys[-1], entry.target)):
            names |= {(kind(entry.target), name) for name in entry.keys}
    return frozenset(names)


def _unfinished(work: Work, key: str, target: str) -> bool:
    found = seen(work, key, target)
    return found is not None and read(found).state == RunState.RUNNING


def read(found: Manifest) -> Run:
    """How a Job or Workflow stands."""
    uid, status = str(found["metadata"].get("uid", "")), found.get("status") or {}
    if found["kind"] == "Workflow":
        state = _ENDED.get(status.get("phase", ""), RunState.RUNNING)
        return Run(state, uid, message=str(status.get("message") or ""))
    for condition in status.get("conditions") or []:
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            failed = condition["type"] == "Failed"
            said = f"{condition.get('reason', '')}: {condition.get('message', '')}" if failed else ""
            return Run(RunState.FAILED if failed else RunState.SUCCEEDED, uid, message=said)
    return Run(RunState.RUNNING, uid)


def manifest(work: Work, run: RetrainingRun) -> Manifest:
    """The object, without what `owned` adds. Raises PlaceholderError, also for a pod that may not be."""
    filled = values(run, work.view.name, work.view.namespace, work.view.model)
    told = parameters(work.spec, filled)
    settings = work.spec.action.settings
    if isinstance(settings, JobAction):
        return _job(run.key, settings, filled, told, work.spec.timeout)
    if isinstance(settings, ArgoWorkflowAction):
        return _workflow(run.key, settings, told, work.spec.timeout)
    raise ValueError(f"{run.target} is no Kubernetes object")


def _job(
    name: str, settings: JobAction, filled: Mapping[str, str], told: Mapping[str, str], timeout: float
) -> Manifest:
    spec = settings.template.get("spec")
    if not isinstance(spec, Mapping):
        raise PlaceholderError("job.template needs a spec, which is a JobSpec")
    spec = job.filled_spec(spec, filled, None)
    pod = spec["template"]["spec"]
    for field in ("initContainers", "containers"):
        if field in pod:
            pod = {**pod, field: [_with_environment(container, told) for container in pod[field]]}
    limit = int(timeout)
    deadline, ttl = spec.get("activeDeadlineSeconds"), spec.get("ttlSecondsAfterFinished")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(name, settings.template.get("metadata")),
        "spec": {
            **spec,
            "template": {**spec["template"], "spec": pod},
            "activeDeadlineSeconds": min(deadline, limit) if isinstance(deadline, int) and deadline > 0 else limit,
            **({"ttlSecondsAfterFinished": max(LEAST_TTL, ttl)} if isinstance(ttl, int) else {}),
            "suspend": False,
        },
    }


def _with_environment(container: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, Any]:
    given = list(container.get("env") or [])
    names = {each.get("name") for each in given if isinstance(each, Mapping)}
    ours = {f"STEERSMAN_{name.upper()}": value for name, value in told.items()}
    added = [{"name": name, "value": value} for name, value in ours.items() if name not in names]
    # First, so that $(STEERSMAN_...) works in the others.
    return {**container, "env": [*added, *given]}


def _workflow(name: str, settings: ArgoWorkflowAction, told: Mapping[str, str], timeout: float) -> Manifest:
    spec: dict[str, Any] = dict(settings.spec or {})
    if settings.workflow_template_ref is not None:
        ref = settings.workflow_template_ref
        spec["workflowTemplateRef"] = {"name": ref.name, **({"clusterScope": True} if ref.cluster_scope else {})}
    arguments = spec.get("arguments") or {}
    own = arguments.get("parameters") if isinstance(arguments, Mapping) else None
    if not isinstance(arguments, Mapping) or not isinstance(own or [], list):
        raise PlaceholderError("argoWorkflow.spec.arguments.parameters is not a list")
    own = [each for each in own or [] if isinstance(each, Mapping)]
    names = {each.get("name") for each in own}
    added = [{"name": name, "value": value} for name, value in told.items() if name not in names]
    spec["arguments"] = {**arguments, "parameters": [*own, *added]}
    given = spec.get("activeDeadlineSeconds")
    spec["activeDeadlineSeconds"] = min(given, int(timeout)) if isinstance(given, int) and given > 0 else int(timeout)
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": _metadata(name, None),
        "spec": spec,
    }


def _metadata(name: str, given: Any) -> dict[str, Any]:
    labels, annotations = (_map(given, field) for field in ("labels", "annotations"))
    if any(str(key).startswith(f"{GROUP}/") for key in (*labels, *annotations)):
        raise PlaceholderError(f"labels and annotations of {GROUP} are the operator's own: a job may not carry them")
    return {"name": name, "labels": labels, "annotations": {**annotations, ANNOTATION_ID: name}}


def _map(given: Any, field: str) -> dict[str, Any]:
    found = given.get(field) if isinstance(given, Mapping) else None
    if found is not None and not isinstance(found, Mapping):
        raise PlaceholderError(f"job.template.metadata.{field} is not a map")
    return dict(found or {})
