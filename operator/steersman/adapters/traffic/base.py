"""What every provider's answer is made of: is the rendered split there, unchanged, and what does its controller say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import ceil
from typing import Any, TypeVar

from steersman.api.traffic_providers import Feature, TrafficSettings
from steersman.core.comparison import contains
from steersman.core.snapshot import Children, Manifest, RoutePatch
from steersman.core.traffic import Scale, TrafficIntent, TrafficState

Settings = TypeVar("Settings", bound=TrafficSettings)

Verdict = Callable[[Manifest], TrafficState]
"""What an object's controller says of it, once it carries the split."""


class OwnRoutes:
    """Of a provider whose routing objects are all our own: there is nothing of somebody else's to change."""

    def patches(self, intent: TrafficIntent, children: Children) -> list[RoutePatch]:
        """Every object is our own."""
        return []


class ExactWeights:
    """Of a provider whose routes carry exact weights, so that shares do not hang on numbers of pods."""

    exclusive_pods = False

    def scale(self, replicas: int, weight: int) -> Scale:
        """Stable stays whole; the candidate has its share, rounded up."""
        return Scale(replicas, max(1, ceil(replicas * weight / 100)))


def settings_of(intent: TrafficIntent, kind: type[Settings]) -> Settings:
    """The settings of spec.traffic. Raises ValueError when they are another provider's."""
    chosen = intent.traffic.settings
    if not isinstance(chosen, kind):
        raise ValueError(f"traffic.{intent.traffic.name} is set, not that of {kind.__name__}")
    return chosen


def settled(_: Manifest) -> TrafficState:
    """The verdict on an object whose controller says nothing: being there is all that can be known."""
    return TrafficState(True)


def read_rendered(
    intent: TrafficIntent,
    rendered: Sequence[Manifest],
    children: Children,
    verdict: Verdict = settled,
    kinds: Collection[str] = (),
) -> TrafficState:
    """Settled when every rendered object is there as rendered, none is left over of these kinds, and every verdict is good.

    What the provider cannot do is `rejected`, so that it is never dropped without a word.
    """
    missing = lacking(intent)
    if missing:
        what = ", ".join(missing)
        return TrafficState(False, f"traffic.{intent.traffic.name} does not support {what}", rejected=True)
    wanted = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered}
    objects = []
    for manifest in rendered:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        seen = children.get(kind, name)
        if seen is None:
            return TrafficState(False, f"{kind} {name} is not there yet")
        if not carries(manifest, seen):
            return TrafficState(False, f"{kind} {name} does not carry the intended split yet")
        objects.append(seen)
    for child in children:
        kind, name = child["kind"], child["metadata"]["name"]
        if kind in kinds and (kind, name) not in wanted:
            return TrafficState(False, f"{kind} {name} of an earlier split is still there")
    return first_trouble([verdict(seen) for seen in objects])


def first_trouble(states: Sequence[TrafficState]) -> TrafficState:
    """The first that is rejected, else the first that is not settled, else settled."""
    waiting = [state for state in states if not state.settled]
    refused = [state for state in waiting if state.rejected]
    return (refused or waiting or [TrafficState(True)])[0]


def carries(wanted: Manifest, seen: Manifest) -> bool:
    """Whether an object has everything that was rendered; what the API server filled in beside does not matter."""
    annotations = wanted["metadata"].get("annotations") or {}
    return (
        wanted["apiVersion"] == seen["apiVersion"]
        and contains(seen.get("spec", {}), wanted.get("spec", {}))
        and contains(seen["metadata"].get("annotations") or {}, annotations)
    )


def lacking(intent: TrafficIntent) -> list[Feature]:
    """Features that the intent needs and the provider has not, in the order of Feature."""
    offered = intent.traffic.features
    return [feature for feature in Feature if feature in _needed(intent) and feature not in offered]


def _needed(intent: TrafficIntent) -> set[Feature]:
    matches = [match for route in intent.header_routes for match in route.matches]
    needed = {
        Feature.HEADER_ROUTES: any(match.headers for match in matches),
        Feature.COOKIE_ROUTES: any(match.cookies for match in matches),
        Feature.MIRROR: intent.mirror is not None,
        Feature.MIRROR_SHARE: intent.mirror is not None and intent.mirror.percent < 100,
        Feature.AFFINITY: intent.affinity is not None,
        Feature.THREE_WAY: sum(weight > 0 for _, weight in intent.weights) > 2,
    }
    return {feature for feature, is_needed in needed.items() if is_needed}


def busiest(intent: TrafficIntent) -> str:
    """The revision with the most weight; of equals the first, which is stable."""
    return max(intent.weights, key=lambda item: item[1])[0]


def generation(manifest: Manifest) -> int:
    """metadata.generation, which the API server raises with every change of the spec."""
    return int(manifest["metadata"].get("generation") or 0)


def conditions(items: Sequence[dict[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """Conditions by their type."""
    return {str(condition.get("type")): condition for condition in items or ()}


def why(condition: dict[str, Any]) -> str:
    """Reason and message of a condition, as its controller wrote them."""
    return f"{condition.get('reason') or ''}: {condition.get('message') or ''}".strip(": ")
