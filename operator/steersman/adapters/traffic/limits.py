"""What a proxy cannot express although it has the feature, said in words: no part of an intent is dropped silently."""

from __future__ import annotations

from collections.abc import Iterator

from steersman.api.routing import RequestMatch
from steersman.core.snapshot import Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

CLUSTER_DOMAIN = "cluster.local"
"""Kubernetes' own default; proxies that take a host instead of a Service need it."""


def refusal(intent: TrafficIntent, what: str) -> TrafficState:
    """The intent cannot be in force with this provider."""
    return TrafficState(False, f"traffic.{intent.traffic.name} does not support {what}", rejected=True)


def request_matches(intent: TrafficIntent) -> Iterator[RequestMatch]:
    """The matches of all header routes."""
    return (match for route in intent.header_routes for match in route.matches)


def leftover_annotations(wanted: Manifest, seen: Manifest, prefixes: tuple[str, ...]) -> TrafficState:
    """Settled unless an annotation with one of these prefixes is there that was not rendered."""
    rendered = wanted["metadata"].get("annotations") or {}
    for key in seen["metadata"].get("annotations") or {}:
        if key.startswith(prefixes) and key not in rendered:
            name = f"{seen['kind']} {seen['metadata']['name']}"
            return TrafficState(False, f"{name} still has the annotation {key} of an earlier split")
    return TrafficState(True)


def service_host(service: str, namespace: str) -> str:
    """The DNS name of a Service."""
    return f"{service}.{namespace}.svc.{CLUSTER_DOMAIN}"
