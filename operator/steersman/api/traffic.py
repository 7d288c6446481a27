"""Where requests come in and by what they are split."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from steersman.api.meta import DNS_LABEL, DNS_SUBDOMAIN, HOSTNAME, ApiModel
from steersman.api.runtime import FreeForm


class ParentRef(ApiModel):
    """A Gateway (or one of its listeners) that the route attaches to."""

    name: Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
    namespace: Annotated[str | None, Field(pattern=DNS_LABEL, max_length=63)] = None
    section_name: Annotated[str | None, Field(pattern=DNS_SUBDOMAIN, max_length=253)] = None
    port: Annotated[int | None, Field(ge=1, le=65535)] = None


class GatewayAPI(ApiModel):
    """An HTTPRoute made by Steersman, named as the ModelDeployment, whose backendRefs carry exact weights."""

    parent_refs: Annotated[list[ParentRef], Field(min_length=1, max_length=32)]
    hostnames: Annotated[list[Annotated[str, Field(pattern=HOSTNAME, max_length=253)]], Field(max_length=16)] = []
    matches: Annotated[list[FreeForm], Field(max_length=8)] = []
    """HTTPRouteMatch items; default: every path."""


class ServiceTraffic(ApiModel):
    """A plain Service named as the ModelDeployment.

    It carries no weights: a canary's share is the share of pods (rounded to whole pods), blue-green moves the selector.
    """


class Traffic(ApiModel):
    """Exactly one traffic provider."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.gatewayAPI) != has(self.service)",
                    "message": "give exactly one traffic provider: gatewayAPI or service",
                }
            ]
        }
    )

    gateway_api: Annotated[GatewayAPI | None, Field(alias="gatewayAPI")] = None
    service: ServiceTraffic | None = None

    @model_validator(mode="after")
    def _one(self) -> Traffic:
        if (self.gateway_api is None) == (self.service is None):
            raise ValueError("give exactly one traffic provider: gatewayAPI or service")
        return self
