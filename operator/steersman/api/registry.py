"""ModelRegistry: an MLflow server and how to reach it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from steersman.api.conditions import Condition
from steersman.api.duration import Interval
from steersman.api.meta import DNS_SUBDOMAIN, KEYED_BY_TYPE, ApiModel


class CredentialsRef(ApiModel):
    """A Secret of the same namespace with the keys `username` and `password`, or `token`."""

    secret_name: Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]


class MLflowServer(ApiModel):
    """An MLflow tracking server with its model registry."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$", max_length=2048)]
    """Base URL as seen from the operator and from the model pods, without user information."""
    credentials: CredentialsRef | None = None


class SecretKey(ApiModel):
    """A key of a Secret of the same namespace."""

    name: Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
    """Of the Secret."""
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)] = "secret"


class Webhook(ApiModel):
    """MLflow's deliveries at `/webhooks/<namespace>/<name>` of the operator are a reason to look at once."""

    secret_ref: SecretKey
    """What MLflow signs its deliveries with: the webhook's secret, of at least 16 characters."""


class ModelRegistrySpec(ApiModel):
    """Where model versions come from."""

    mlflow: MLflowServer
    poll_interval: Interval = 15.0
    """Time between looks at each alias or tag set in use; jittered by a tenth. A version that is named by its number is looked
    for as often until it is found, and then every five minutes, as it can only be deleted.
    """
    webhook: Webhook | None = None


class ModelRegistryStatus(ApiModel):
    """What the operator saw of the registry."""

    observed_generation: int = 0
    conditions: Annotated[list[Condition], Field(json_schema_extra=KEYED_BY_TYPE)] = []
