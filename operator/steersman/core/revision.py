"""Revisions: immutable snapshots of a model version and its pod template, kept as ControllerRevisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from steersman.api.capacity import AntiAffinity
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.api.status import ResolvedModel
from steersman.core.naming import revision_name
from steersman.core.pod.template import RegistryAccess, pod_template


@dataclass(frozen=True)
class Revision:
    """What a revision runs; strategy, traffic and replica count are no part of it."""

    name: str
    model: str
    version: str
    model_id: str | None
    template: dict[str, Any]
    anti_affinity: AntiAffinity | None = None
    """The term itself names the revision, so it is added when the Deployment is rendered."""

    def to_data(self) -> dict[str, Any]:
        """The form that is stored in a ControllerRevision."""
        data = {"model": self.model, "version": self.version, "modelId": self.model_id, "template": self.template}
        # Left out when not set, so that it changes the name of those only that have it.
        return data if self.anti_affinity is None else {**data, "revisionAntiAffinity": self.anti_affinity.value}

    @classmethod
    def from_data(cls, name: str, data: dict[str, Any]) -> Revision:
        """Inverse of to_data."""
        strictness = data.get("revisionAntiAffinity")
        anti_affinity = AntiAffinity(strictness) if strictness is not None else None
        return cls(name, data["model"], data["version"], data.get("modelId"), data["template"], anti_affinity)


def make_revision(
    deployment: str,
    spec: ModelDeploymentSpec,
    model: ResolvedModel,
    runtime: ServingRuntimeSpec,
    registry: RegistryAccess,
) -> Revision:
    """The revision that the spec asks for now. Raises steersman.core.pod.template.TemplateError."""
    template = pod_template(spec, model, runtime, registry)
    draft = Revision("", model.name, model.version, model.model_id, template, spec.revision_anti_affinity)
    return replace(draft, name=revision_name(deployment, model.version, draft.to_data()))
