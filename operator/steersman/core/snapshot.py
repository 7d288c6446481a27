"""What one reconcile of one ModelDeployment sees, and what it decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.api.status import ModelDeploymentStatus, Phase
from steersman.core.analysis.model import MetricQuery, QueryResult
from steersman.core.gates.questions import Answers, Question
from steersman.core.pod.template import RegistryAccess
from steersman.core.writes import RegistryWrite, Written

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """Something that the object refers to is missing or wrong."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class RegistryAnswer:
    """The version that the registry names for the spec's model, alias or tags."""

    version: str
    model_id: str | None = None
    run_id: str | None = None


class Children:
    """The objects that a ModelDeployment owns, as last seen, and the routes of others that it adopts."""

    def __init__(self, manifests: Sequence[Manifest] = (), adopted: Sequence[Manifest] = ()) -> None:
        self._by_key = {(m["kind"], m["metadata"]["name"]): m for m in manifests}
        self._adopted = {(m["kind"], m["metadata"]["name"]): m for m in adopted}

    def get(self, kind: str, name: str) -> Manifest | None:
        """The owned object, or None."""
        return self._by_key.get((kind, name))

    def adopted(self, kind: str, name: str) -> Manifest | None:
        """Somebody else's object that is adopted, or None."""
        return self._adopted.get((kind, name))

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self._by_key.values())

    def available(self, revision: str) -> int:
        """Available pods of a revision's Deployment: ready, so model loaded and smoke request passed."""
        deployment = self.get("Deployment", revision)
        return int((deployment or {}).get("status", {}).get("availableReplicas") or 0)


@dataclass(frozen=True)
class Snapshot:
    """Everything that planning needs to know; nothing in it is fetched later."""

    manifest: Manifest
    """The ModelDeployment."""
    spec: ModelDeploymentSpec | ValidationError
    """Its spec, or why that is not valid."""
    now: float
    """Seconds since the epoch, whole milliseconds."""
    registry: RegistryAccess | Problem
    answer: RegistryAnswer | Problem
    runtime: ServingRuntimeSpec | Problem
    templates: Mapping[str, AnalysisTemplateSpec | Problem]
    """Every analysis template that the spec refers to, by name."""
    children: Children = field(default_factory=Children)
    results: Sequence[QueryResult] = ()
    obstacle: Problem | None = None
    """Something that stood in the way of acting on an earlier plan."""
    trouble: Problem | None = None
    """Why the candidate's pods do not become available, as its pods tell."""
    answers: Answers = field(default_factory=dict)
    """To the questions of earlier plans."""
    written: Written = field(default_factory=dict)
    """What came of the writes of earlier plans to the registry."""
    cluster: str = ""
    """What tells this cluster from others that write to the same registry."""
    slot: Problem | None = None
    """Set when no further rollout may begin now: so many are under way in the namespace or the cluster."""
    told: frozenset[Reason] = frozenset()
    """Reasons of events that the operator tells somebody of, whatever the spec says."""
    sent: frozenset[str] = frozenset()
    """Ids of notifications in the status that were sent, or given up."""


@dataclass(frozen=True)
class EventIntent:
    """A Kubernetes event to be recorded on the ModelDeployment."""

    reason: Reason
    message: str
    warning: bool = False


@dataclass(frozen=True)
class ObjectRef:
    """An object to delete."""

    api_version: str
    kind: str
    name: str
    uid: str | None


@dataclass(frozen=True)
class RoutePatch:
    """A change of somebody else's object: a JSON patch (RFC 6902) that holds for one resourceVersion only."""

    api_version: str
    kind: str
    name: str
    operations: tuple[dict[str, Any], ...]
    """The first tests metadata.resourceVersion, so that a change made meanwhile is never overwritten."""


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order: write status, apply, patch, delete, clear the action; then query and come back."""

    before: ModelDeploymentStatus
    """The status that was found."""
    status: ModelDeploymentStatus
    """The status that is to be written."""
    apply: tuple[Manifest, ...] = ()
    patch: tuple[RoutePatch, ...] = ()
    delete: tuple[ObjectRef, ...] = ()
    events: tuple[EventIntent, ...] = ()
    queries: tuple[MetricQuery, ...] = ()
    questions: tuple[Question, ...] = ()
    """All that is to be asked or kept asking; what stands here no more is forgotten."""
    writes: tuple[RegistryWrite, ...] = ()
    """All that is to be written to the registry; what stands here no more is left."""
    requeue_at: float | None = None
    """When to look again although nothing changed."""
    clear_action: bool = False

    @property
    def only_tells(self) -> bool:
        """Whether nothing is decided and nothing is to be done: the status only tells what was seen."""
        todo = self.apply or self.patch or self.delete or self.events or self.queries or self.clear_action
        return not todo and self.status != self.before and _decided(self.status) == _decided(self.before)


def _decided(status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    """The status without what only tells how things are."""
    seen = {
        field: revision.model_copy(update={"available_replicas": 0})
        for field in ("stable", "candidate")
        if (revision := getattr(status, field)) is not None
    }
    return status.model_copy(
        update={
            "phase": Phase.PENDING,
            "message": "",
            "actions": [],
            "conditions": [],
            "lineage": None,
            "notifications": [],
            **seen,
        }
    )
