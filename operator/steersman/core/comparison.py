"""Whether an object that was seen is what it should be."""

from __future__ import annotations

from typing import Any

_TELLING = frozenset(
    {
        *("filters", "headers", "mirror", "percent", "responseHeadersPolicy"),
        # Istio, Traefik, APISIX, Ingress
        *("match", "weighted", "mirroring", "sticky", "exprs", "plugins", "sample_ratio", "tls"),
    }
)
"""Fields of routing objects that change what becomes of requests by being there: where they are not wanted they must not be."""
_WHOLE = frozenset({"selector"})
"""Maps that mean something else with one entry more."""


def contains(seen: Any, wanted: Any) -> bool:
    """Whether everything wanted is there; lists as a whole. Objects may have more fields, which the API server fills in."""
    if isinstance(wanted, dict):
        return (
            isinstance(seen, dict)
            and not any(seen[key] for key in (seen.keys() & _TELLING) - wanted.keys())
            and all(
                key in seen and (seen[key] == value if key in _WHOLE else contains(seen[key], value))
                for key, value in wanted.items()
            )
        )
    if isinstance(wanted, list):
        return isinstance(seen, list) and len(seen) == len(wanted) and all(map(contains, seen, wanted))
    return bool(seen == wanted)
