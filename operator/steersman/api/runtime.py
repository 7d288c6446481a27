"""ServingRuntime and ClusterServingRuntime: how a model version becomes a pod."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from steersman.api.meta import DNS_SUBDOMAIN, ApiModel

FreeForm = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""A Kubernetes object that the API server checks when it is used, not when it is stored here."""

MODEL_CONTAINER = "model"
"""Name of the container that serves the model."""
HTTP_PORT = "http"
"""Name of the container port that takes requests."""


class ServingRuntimeSpec(ApiModel):
    """A pod template for models.

    Steersman adds to every container the environment variables MODEL_NAME, MODEL_VERSION, MODEL_URI
    (models:/<name>/<version>, or spec.model.uri) and MLFLOW_TRACKING_URI, so that `$(MODEL_URI)` works in command and args; init containers also get
    MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD and MLFLOW_TRACKING_TOKEN by reference to the registry's Secret.
    What the restricted Pod Security Standard asks for, and a read-only root file system, is filled in where the template is silent;
    what the standard forbids is refused.
    """

    template: FreeForm
    """A PodTemplateSpec. It must have a container `model` with a port named `http` and a readiness probe."""


class RuntimeRef(ApiModel):
    """Reference to a ServingRuntime of the same namespace or, when there is none, a ClusterServingRuntime."""

    name: Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)] = "mlflow"
    env: Annotated[list[FreeForm], Field(max_length=100)] = []
    """Environment variables (EnvVar) added to the model container."""
    resources: FreeForm | None = None
    """ResourceRequirements of the model container, instead of the runtime's."""
