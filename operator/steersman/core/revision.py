"""Revisions: immutable snapshots of a model version and its pod template, kept as ControllerRevisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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

    def to_data(self) -> dict[str, Any]:
        """The form that is stored in a ControllerRevision."""
        return {"model": self.model, "version": self.version, "modelId": self.model_id, "template": self.template}

    @classmethod
    def from_data(cls, name: str, data: dict[str, Any]) -> Revision:
        """Inverse of to_data."""
        return cls(name, data["model"], data["version"], data.get("modelId"), data["template"])


def make_revision(
    deployment: str,
    spec: ModelDeploymentSpec,
    model: ResolvedModel,
    runtime: ServingRuntimeSpec,
    registry: RegistryAccess,
) -> Revision:
    """The revision that the spec asks for now. Raises steersman.core.pod.template.TemplateError."""
    draft = Revision("", model.name, model.version, model.model_id, pod_template(spec, model, runtime, registry))
    return Revision(
        revision_name(deployment, model.version, draft.to_data()),
        draft.model,
        draft.version,
        draft.model_id,
        draft.template,
    )
