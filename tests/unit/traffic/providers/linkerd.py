"""Linkerd: a Service and an HTTPRoute."""

from unit.traffic.contract import Contract
from unit.traffic.gateway_status import answer, forced, refuse, weights

CONTRACTS = [
    Contract(
        "linkerd",
        {"linkerd": {}},
        weights,
        forced,
        accept=answer("fraud", kind="Service"),
        refuse=refuse("fraud", condition="ResolvedRefs", kind="Service"),
    )
]
