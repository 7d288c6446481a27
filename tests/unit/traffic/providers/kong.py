"""Kong: an HTTPRoute with annotations."""

from unit.traffic.contract import Contract
from unit.traffic.gateway_status import answer, forced, refuse, weights

KONG = {
    "parentRefs": [{"name": "kong", "namespace": "kong"}],
    "hostnames": ["fraud.example.com"],
    "path": "/fraud",
    "plugins": ["key-auth", "rate-limit"],
    "stripPath": True,
}

CONTRACTS = [Contract("kong", {"kong": KONG}, weights, forced, accept=answer("kong"), refuse=refuse("kong"))]
