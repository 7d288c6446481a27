"""Gateway API: HTTPRoute and GRPCRoute."""

from unit.traffic.contract import Contract
from unit.traffic.gateway_status import answer, forced, refuse, weights

PUBLIC = {"parentRefs": [{"name": "public", "namespace": "gateways"}], "hostnames": ["fraud.example.com"]}
TWO = {
    "parentRefs": [
        {"name": "public", "namespace": "gateways", "sectionName": "https"},
        {"name": "internal", "port": 8080},
    ],
    "matches": [
        {"path": {"type": "Exact", "value": "/v2/models/fraud/infer"}, "method": "POST"},
        {"path": {"type": "PathPrefix", "value": "/invocations"}},
    ],
}
GRPC = {
    "kind": "GRPCRoute",
    "parentRefs": [{"name": "public"}],
    "matches": [{"method": {"service": "inference.GRPCInferenceService", "method": "ModelInfer"}}],
}

CONTRACTS = [
    Contract(
        "gateway-api",
        {"gatewayAPI": PUBLIC},
        weights,
        forced,
        accept=answer("public"),
        refuse=refuse("public"),
    ),
    Contract(
        "gateway-api-two",
        {"gatewayAPI": TWO},
        weights,
        forced,
        accept=answer("public", "internal"),
        refuse=refuse("public", "internal", condition="ResolvedRefs"),
    ),
    Contract(
        "gateway-api-grpc",
        {"gatewayAPI": GRPC},
        weights,
        forced,
        accept=answer("public"),
        refuse=refuse("public"),
    ),
]
