"""The splits that every provider is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steersman.api.routing import CookieMatch, HeaderMatch, RequestMatch, SessionAffinity
from steersman.api.traffic import Traffic
from steersman.core.traffic import Affinity, HeaderRoute, Mirror, TrafficIntent

NAMESPACE, DEPLOYMENT = "risk", "fraud"
V1, V2, V3 = "fraud-v1-0a1b2c3d", "fraud-v2-11111111", "fraud-v3-22222222"

BETA = HeaderRoute("beta", (RequestMatch(headers=[HeaderMatch(name="X-Beta", exact="yes")]),), V2)
"""One header, exactly."""
SEVERAL = HeaderRoute(
    "several",
    (
        RequestMatch(headers=[HeaderMatch(name="X-Beta", exact="yes"), HeaderMatch(name="X-Team", prefix="risk.")]),
        RequestMatch(headers=[HeaderMatch(name="User-Agent", regex="Mozilla/5\\.0 .*(Firefox|Chrome).*")]),
    ),
    V2,
)
"""Two headers at once, or another one by a regular expression."""
COOKIE = HeaderRoute("cookie", (RequestMatch(cookies=[CookieMatch(name="cohort", value="b.2")]),), V2)
BOTH = HeaderRoute(
    "both",
    (
        RequestMatch(
            headers=[HeaderMatch(name="X-Beta", exact="yes")],
            cookies=[CookieMatch(name="cohort", value="b.2"), CookieMatch(name="plan", value="gold")],
        ),
    ),
    V2,
)
"""A header and two cookies at once."""
STICKY = Affinity(V2, SessionAffinity(cookie_name="steersman-candidate", max_age_seconds=3600))


@dataclass(frozen=True)
class Case:
    """What is asked for, without the provider's settings."""

    weights: tuple[tuple[str, int], ...]
    header_routes: tuple[HeaderRoute, ...] = ()
    mirror: Mirror | None = None
    affinity: Affinity | None = None

    def intent(self, traffic: dict[str, Any]) -> TrafficIntent:
        """The intent with these settings (spec.traffic)."""
        return TrafficIntent(
            NAMESPACE,
            DEPLOYMENT,
            Traffic.model_validate(traffic),
            self.weights,
            self.header_routes,
            self.mirror,
            self.affinity,
        )


SPLIT = ((V1, 80), (V2, 20))

CASES: dict[str, Case] = {
    "first": Case(((V1, 100),)),
    "starting": Case(((V1, 100), (V2, 0))),
    "canary": Case(SPLIT),
    "promoted": Case(((V2, 100), (V1, 0))),
    "retiring": Case(((V1, 95), (V3, 5), (V2, 0))),
    "header": Case(((V1, 100), (V2, 0)), (BETA,)),
    "headers": Case(SPLIT, (BETA, SEVERAL)),
    "cookie": Case(SPLIT, (COOKIE,)),
    "both": Case(SPLIT, (BETA, COOKIE, BOTH)),
    "mirror": Case(((V1, 100), (V2, 0)), mirror=Mirror(V2, 100)),
    "mirror-share": Case(((V1, 100), (V2, 0)), mirror=Mirror(V2, 25)),
    "affinity": Case(SPLIT, affinity=STICKY),
    "experiment": Case(((V1, 80), (V2, 10), (V3, 10))),
    "everything": Case(SPLIT, (BETA, COOKIE), Mirror(V2, 25), STICKY),
}
GOLDEN = ("canary", "headers", "both", "mirror-share", "mirror", "affinity", "experiment", "everything")
"""Cases whose manifests are kept in golden/."""
