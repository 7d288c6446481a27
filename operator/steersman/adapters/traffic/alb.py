"""AWS Load Balancer Controller: an Ingress whose forward action carries the weights.

https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/#traffic-routing

The load balancer itself is out of sight: what is in force there can only be seen in AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from steersman.adapters.traffic.base import ExactWeights, OwnRoutes, read_rendered, settings_of
from steersman.adapters.traffic.limits import leftover_annotations, refusal, request_matches
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.api.traffic_providers import ALB, ALB_PREFIX
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

_ACTIONS, _CONDITIONS = f"{ALB_PREFIX}actions.", f"{ALB_PREFIX}conditions."
_TARGET_TYPE = f"{ALB_PREFIX}target-type"
TARGET_GROUPS = 5
"""Most target groups of one action, a quota of AWS."""
CONDITION_VALUES = 5
"""Most values of all conditions of one rule, a quota of AWS; host and path are among them."""
_NAME_LENGTH, _VALUE_LENGTH = 40, 128
"""Longest name of a header in a condition, and longest value."""
_PLAIN = re.compile(r"[!-)+->@-\[\]-~]*")
"""Printable ASCII but for the wildcards * and ? and the backslash."""


class ALBProvider(OwnRoutes, ExactWeights):
    """An Ingress named as the ModelDeployment."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """One Ingress: paths for the header routes, then one for the weights, which lead to actions in annotations."""
        alb = settings_of(intent, ALB)
        # The revisions' Services have no node ports, which targets of the default type `instance` need.
        annotations = {_TARGET_TYPE: "ip", **alb.annotations}
        names = []
        routed = [(route.revision, match) for route in intent.header_routes for match in route.matches]
        for number, (revision, match) in enumerate(routed):
            if match.cookies or _unexpressed_match(match, _conditions_of_path(alb)) is not None:
                # A part of its conditions would be a rule for more requests; read() tells of it.
                continue
            name = f"{intent.deployment}-header-{number}"
            names.append(name)
            annotations[_CONDITIONS + name] = _json([_condition(header) for header in match.headers])
            annotations[_ACTIONS + name] = _forward([(revision, 100)])
        split = f"{intent.deployment}-split"
        annotations[_ACTIONS + split] = _forward(_registered(intent.weights))
        # Paths of equal length keep their order.
        paths = [_path(alb.path, name) for name in [*names, split]]
        spec = {
            "ingressClassName": alb.ingress_class_name,
            "rules": [{"host": host, "http": {"paths": paths}} for host in alb.hosts] or [{"http": {"paths": paths}}],
        }
        metadata = {"name": intent.deployment, "annotations": annotations}
        return [{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the Ingress carries the split: its controller does not say what is in force."""
        unexpressed = _unexpressed(intent)
        if unexpressed is not None:
            return refusal(intent, unexpressed)
        rendered = self.render(intent)
        ours = (_ACTIONS, _CONDITIONS)
        return read_rendered(
            intent, rendered, children, lambda seen: leftover_annotations(rendered[0], seen, ours), ("Ingress",)
        )


def _registered(weights: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """As many revisions as an action may have; those that come first are the ones that have weight or get it soonest."""
    return sorted(weights, key=lambda item: item[1] == 0)[:TARGET_GROUPS]


def _forward(weights: Sequence[tuple[str, int]]) -> str:
    groups = [{"serviceName": revision, "servicePort": 80, "weight": weight} for revision, weight in weights]
    return _json({"type": "forward", "forwardConfig": {"targetGroups": groups}})


def _condition(header: HeaderMatch) -> dict[str, Any]:
    value = header.exact if header.exact is not None else f"{header.prefix}*"
    return {"field": "http-header", "httpHeaderConfig": {"httpHeaderName": header.name, "values": [value]}}


def _path(path: str, action: str) -> Mapping[str, Any]:
    backend = {"service": {"name": action, "port": {"name": "use-annotation"}}}
    return {"path": path, "pathType": "Prefix", "backend": backend}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _unexpressed(intent: TrafficIntent) -> str | None:
    others = _conditions_of_path(settings_of(intent, ALB))
    reasons = (_unexpressed_match(match, others) for match in request_matches(intent))
    return next((reason for reason in reasons if reason is not None), None)


def _conditions_of_path(alb: ALB) -> int:
    """Values that each rule's host and path take. A prefix is two patterns, `/x` and `/x/*`; that of everything is one."""
    return (1 if alb.path == "/" else 2) + bool(alb.hosts)


def _unexpressed_match(match: RequestMatch, others: int) -> str | None:
    for header in match.headers:
        text = header.exact if header.exact is not None else header.prefix
        if text is None:
            return "regular expressions"
        if not _PLAIN.fullmatch(text):
            return f"the header value {text!r}: blanks, *, ?, backslashes and what is not ASCII"
        if len(header.name) > _NAME_LENGTH or len(text) >= _VALUE_LENGTH:
            return f"header names above {_NAME_LENGTH} and values above {_VALUE_LENGTH - 1} characters"
    if len(match.headers) + others > CONDITION_VALUES:
        return f"more than {CONDITION_VALUES - others} headers in one match: AWS limits a rule's conditions"
    return None
