"""Traffic providers: pure functions from weights to routing objects, and back."""

from steersman.adapters.traffic.gateway_api import GatewayApiProvider
from steersman.adapters.traffic.service import ServiceProvider
from steersman.api.traffic import Traffic
from steersman.core.traffic import TrafficProvider


def provider_for(traffic: Traffic) -> TrafficProvider:
    """The provider that the spec chose."""
    return ServiceProvider() if traffic.service is not None else GatewayApiProvider()
