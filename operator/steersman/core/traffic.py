"""What the engine asks of a traffic provider. Providers are pure: they render manifests and read objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from steersman.api.routing import RequestMatch, SessionAffinity
from steersman.api.traffic import Traffic
from steersman.core.snapshot import Children, Manifest, RoutePatch


@dataclass(frozen=True)
class HeaderRoute:
    """Requests that meet any of the matches go to one revision, whatever the weights."""

    name: str
    matches: tuple[RequestMatch, ...]
    revision: str


@dataclass(frozen=True)
class Mirror:
    """A share of the requests is also sent to a revision, whose answers are dropped."""

    revision: str
    percent: int
    """1 to 100."""


@dataclass(frozen=True)
class Affinity:
    """Clients that a revision answered once stay with it: it sets a cookie whose value is its name."""

    revision: str
    settings: SessionAffinity


@dataclass(frozen=True)
class TrafficIntent:
    """The wanted split of a ModelDeployment's traffic."""

    namespace: str
    deployment: str
    traffic: Traffic
    weights: tuple[tuple[str, int], ...]
    """(revision, percent), summing to 100; revisions at 0 are kept known to the proxy so that a shift needs no warm-up."""
    header_routes: tuple[HeaderRoute, ...] = ()
    """In this order, before the weights."""
    mirror: Mirror | None = None
    affinity: Affinity | None = None
    adopted: Manifest | None = None
    """Somebody else's route that the settings name, as last seen."""


@dataclass(frozen=True)
class TrafficState:
    """Whether the routing objects carry the intended split."""

    settled: bool
    message: str = ""
    """What is being waited for."""
    rejected: bool = False
    """The route's controller refuses it; waiting alone will not help."""


@dataclass(frozen=True)
class Scale:
    """Pods of each side for a candidate's weight."""

    stable: int
    candidate: int


class TrafficProvider(Protocol):
    """One way of splitting traffic between revisions."""

    exclusive_pods: bool
    """Pods of every revision share the front Service while a canary has weight, so retiring ones must be gone first."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """The complete routing objects, without ownership metadata."""
        ...

    def patches(self, intent: TrafficIntent, children: Children) -> list[RoutePatch]:
        """Changes to objects of somebody else's (an adopted route); none when it carries the weights."""
        ...

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Whether the intent is in force, as far as the objects tell."""
        ...

    def scale(self, replicas: int, weight: int) -> Scale:
        """Pods that each side needs while the candidate has this weight (1 to 100)."""
        ...
