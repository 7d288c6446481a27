"""What the spec asks of its traffic provider and this one cannot do."""

from __future__ import annotations

from collections.abc import Iterator

from steersman.api.conditions import Reason
from steersman.api.traffic import providers_with
from steersman.api.traffic_providers import Feature
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Problem


def unsupported(turn: Turn) -> Problem | None:
    """The first feature that is used and not offered. Much of it is refused by the API server already (CEL rules)."""
    offered = turn.spec.traffic.features
    for feature, where in _used(turn):
        if feature not in offered:
            able = ", ".join(providers_with(feature))
            return Problem(
                Reason.UNSUPPORTED,
                f"{where}: {turn.spec.traffic.name} has no {feature} (with these settings); providers that have: {able}",
            )
    return None


def _used(turn: Turn) -> Iterator[tuple[Feature, str]]:
    canary = turn.spec.strategy.canary
    if canary is not None and canary.session_affinity is not None:
        yield Feature.AFFINITY, "sessionAffinity"
    for index, step in enumerate(turn.steps):
        where = f"steps[{index}]"
        if step.set_header_route is not None:
            if any(match.headers for match in step.set_header_route.match):
                yield Feature.HEADER_ROUTES, f"{where}.setHeaderRoute"
            if any(match.cookies for match in step.set_header_route.match):
                yield Feature.COOKIE_ROUTES, f"{where}.setHeaderRoute"
        if step.set_mirror_route is not None:
            yield Feature.MIRROR, f"{where}.setMirrorRoute"
            if 0 < step.set_mirror_route.percentage < 100:
                yield Feature.MIRROR_SHARE, f"{where}.setMirrorRoute.percentage"
        if step.experiment is not None:
            yield Feature.THREE_WAY, f"{where}.experiment"
