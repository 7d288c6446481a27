"""Where requests come in and by what they are split. Each provider's settings say which features it has."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from steersman.api.meta import ApiModel
from steersman.api.traffic_providers import (
    ALB,
    Apisix,
    Contour,
    Feature,
    GatewayAPI,
    Istio,
    Kong,
    Linkerd,
    Nginx,
    ServiceTraffic,
    Traefik,
    TrafficSettings,
)

PROVIDERS: dict[str, type[TrafficSettings]] = {
    "gatewayAPI": GatewayAPI,
    "istio": Istio,
    "nginx": Nginx,
    "traefik": Traefik,
    "contour": Contour,
    "linkerd": Linkerd,
    "alb": ALB,
    "apisix": Apisix,
    "kong": Kong,
    "service": ServiceTraffic,
}
"""Field of Traffic to the settings of its provider."""

_MESSAGE = f"give exactly one traffic provider: {', '.join(PROVIDERS)}"


class Traffic(ApiModel):
    """Exactly one traffic provider."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in PROVIDERS) + " == 1", "message": _MESSAGE}
            ]
        }
    )

    gateway_api: Annotated[GatewayAPI | None, Field(alias="gatewayAPI")] = None
    istio: Istio | None = None
    nginx: Nginx | None = None
    traefik: Traefik | None = None
    contour: Contour | None = None
    linkerd: Linkerd | None = None
    alb: ALB | None = None
    apisix: Apisix | None = None
    kong: Kong | None = None
    service: ServiceTraffic | None = None

    @model_validator(mode="after")
    def _one(self) -> Traffic:
        if len(self._given) != 1:
            raise ValueError(_MESSAGE)
        return self

    @cached_property
    def _given(self) -> list[tuple[str, TrafficSettings]]:
        return [
            (field.alias or name, value)
            for name, field in type(self).model_fields.items()
            if (value := getattr(self, name)) is not None
        ]

    @property
    def name(self) -> str:
        """The chosen provider as written in the manifest."""
        return self._given[0][0]

    @property
    def settings(self) -> TrafficSettings:
        """The chosen provider's settings."""
        return self._given[0][1]

    @property
    def features(self) -> frozenset[Feature]:
        """What the chosen provider can do beside weights."""
        return self.settings.offered


def providers_with(feature: Feature) -> tuple[str, ...]:
    """Names of the providers that have a feature."""
    return tuple(name for name, settings in PROVIDERS.items() if feature in settings.features)
