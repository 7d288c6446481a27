"""Traffic providers: pure functions from weights to routing objects, and back."""

from steersman.adapters.traffic.alb import ALBProvider
from steersman.adapters.traffic.apisix import ApisixProvider
from steersman.adapters.traffic.contour import ContourProvider
from steersman.adapters.traffic.gateway_api import GatewayApiProvider
from steersman.adapters.traffic.istio import IstioProvider
from steersman.adapters.traffic.kong import KongProvider
from steersman.adapters.traffic.linkerd import LinkerdProvider
from steersman.adapters.traffic.nginx import NginxProvider
from steersman.adapters.traffic.service import ServiceProvider
from steersman.adapters.traffic.traefik import TraefikProvider
from steersman.api.traffic import Traffic
from steersman.core.traffic import TrafficProvider

_PROVIDERS: dict[str, TrafficProvider] = {
    "gatewayAPI": GatewayApiProvider(),
    "istio": IstioProvider(),
    "nginx": NginxProvider(),
    "traefik": TraefikProvider(),
    "contour": ContourProvider(),
    "alb": ALBProvider(),
    "apisix": ApisixProvider(),
    "kong": KongProvider(),
    "linkerd": LinkerdProvider(),
    "service": ServiceProvider(),
}
"""Field of spec.traffic to its provider."""


def provider_for(traffic: Traffic) -> TrafficProvider:
    """The provider that the spec chose."""
    return _PROVIDERS[traffic.name]
