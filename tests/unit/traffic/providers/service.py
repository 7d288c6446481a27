"""A plain Service, which has no weights."""

from unit.traffic.cases import V1, V2, V3
from unit.traffic.contract import Contract

PODS = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": revision},
        "spec": {"replicas": 1},
        "status": {"replicas": 1},
    }
    for revision in (V1, V2, V3)
]

CONTRACTS = [Contract("service", {"service": {}}, None, beside=PODS)]
