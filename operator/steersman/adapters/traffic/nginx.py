"""Ingress-NGINX: a main Ingress for stable, and one with canary annotations for the other revision.

https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary

Everything here is such that no order of writes, and no end between two of them, ever shows a wrong weight:

- The main Ingress never changes: it names the front Service, whose selector is stable's. So a promotion does not reload NGINX,
  and main and canary never name one Service, which would make the controller drop the main one's location.
- The canary Ingress is always there. While one revision has everything it names that one, at 100 %. So a promotion moves
  the front Service behind a canary that takes all requests, for as long as the endpoints need to follow; the next rollout's
  first weight, and every step and the way back, is a change of the one canary Ingress, which NGINX takes without a reload.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from steersman.adapters.traffic.base import ExactWeights, OwnRoutes, read_rendered, settings_of
from steersman.adapters.traffic.front import front_service
from steersman.adapters.traffic.limits import leftover_annotations, refusal, request_matches, service_host
from steersman.adapters.traffic.matching import cookie_pattern, header_pattern
from steersman.api.routing import RequestMatch
from steersman.api.traffic_providers import NGINX_PREFIX, Nginx
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

_OURS = (f"{NGINX_PREFIX}canary", f"{NGINX_PREFIX}mirror-")
_HEADER_NAME = re.compile(r"^[-._~A-Za-z0-9]+$")
"""Names that the controller lets an annotation have (BasicCharsRegex of its annotations/parser)."""
_PATTERN_CHARACTER = re.compile(r"[-._~a-zA-Z0-9/:^$\[\](){}*+?|&=\\]")
"""Characters that the controller lets a pattern have (IsValidRegex of its annotations/parser)."""
_UNSPELLABLE = re.compile(r"\{\d*,|\(\?P?<|\\Q")
"""Parts of a regular expression that need a character which the controller refuses, and cannot be written otherwise."""


class NginxProvider(OwnRoutes, ExactWeights):
    """A front Service, and the Ingresses `<name>` and `<name>-canary`."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """The front Service on the first revision, the main Ingress, and the canary Ingress."""
        nginx = settings_of(intent, Nginx)
        main = dict(nginx.annotations)
        if intent.mirror is not None:
            main[f"{NGINX_PREFIX}mirror-target"] = (
                f"http://{service_host(intent.mirror.revision, intent.namespace)}$request_uri"
            )
        canary = _canary(intent)
        annotations = {
            **nginx.annotations,
            f"{NGINX_PREFIX}canary": "true",
            f"{NGINX_PREFIX}canary-weight": str(dict(intent.weights)[canary]),
            **_header_annotations(intent),
        }
        stable = intent.weights[0][0]
        return [
            front_service(intent, stable),
            _ingress(intent.deployment, nginx, intent.deployment, main, nginx.tls_secret_name),
            _ingress(f"{intent.deployment}-canary", nginx, canary, annotations, None),
        ]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the objects carry the split: the controller does not say what is in force."""
        unexpressed = _unexpressed(intent)
        if unexpressed is not None:
            return refusal(intent, unexpressed)
        rendered = self.render(intent)
        by_name = {manifest["metadata"]["name"]: manifest for manifest in rendered if manifest["kind"] == "Ingress"}

        def verdict(seen: Manifest) -> TrafficState:
            if seen["kind"] != "Ingress":
                return TrafficState(True)
            return leftover_annotations(by_name[seen["metadata"]["name"]], seen, _OURS)

        return read_rendered(intent, rendered, children, verdict, ("Ingress",))


def _canary(intent: TrafficIntent) -> str:
    """The revision of the canary Ingress: that of the header routes, or one beside stable with weight, or stable itself."""
    (stable, _), *others = intent.weights
    if intent.header_routes:
        return intent.header_routes[0].revision
    return next((revision for revision, weight in others if weight > 0), stable)


def _ingress(name: str, nginx: Nginx, service: str, annotations: dict[str, str], secret: str | None) -> Manifest:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    path = {"path": nginx.path, "pathType": "Prefix", "backend": backend}
    spec: dict[str, Any] = {
        "ingressClassName": nginx.ingress_class_name,
        "rules": [{"host": host, "http": {"paths": [path]}} for host in nginx.hosts],
    }
    if secret is not None:
        spec["tls"] = [{"hosts": list(nginx.hosts), "secretName": secret}]
    metadata: dict[str, Any] = {"name": name}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def _header_annotations(intent: TrafficIntent) -> dict[str, str]:
    """One header and one pattern for all matches of all header routes; what matches goes to the canary before its weight is asked."""
    matches = list(request_matches(intent))
    if not matches or _unexpressed(intent) is not None:
        return {}
    patterns = [_spelled(_pattern(match)) for match in matches]
    return {
        f"{NGINX_PREFIX}canary-by-header": _header_name(matches[0]),
        f"{NGINX_PREFIX}canary-by-header-pattern": patterns[0] if len(patterns) == 1 else _any_of(patterns),
    }


def _any_of(patterns: Sequence[str]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def _header_name(match: RequestMatch) -> str:
    return match.headers[0].name if match.headers else "Cookie"


def _pattern(match: RequestMatch) -> str:
    return header_pattern(match.headers[0]) if match.headers else cookie_pattern(match.cookies)


def _spelled(pattern: str) -> str:
    """The same expression in the characters that the controller accepts, as PCRE reads it."""
    found = []
    escaped = False
    for character in pattern:
        if _PATTERN_CHARACTER.fullmatch(character):
            found.append(character)
        else:
            if escaped:
                # The backslash before it is not needed any more, and would be one before the code's own.
                found.pop()
            found += [f"\\x{byte:02x}" for byte in character.encode()]
        escaped = character == "\\" and not escaped
    return "".join(found)


def _unexpressed(intent: TrafficIntent) -> str | None:
    """A canary Ingress has a condition on one header, and there is one canary Ingress."""
    matches = list(request_matches(intent))
    if len({route.revision for route in intent.header_routes}) > 1:
        return "header routes to more than one revision"
    if any(len(match.headers) + bool(match.cookies) > 1 for match in matches):
        return "more than one condition in a match (several cookies count as one)"
    if len({_header_name(match).lower() for match in matches}) > 1:
        return "header routes on more than one header"
    for match in matches:
        for header in match.headers:
            if not _HEADER_NAME.fullmatch(header.name):
                return f"a header route on {header.name}: Ingress-NGINX refuses the characters of this name"
            if header.regex is not None and (_UNSPELLABLE.search(header.regex) or not header.regex.isascii()):
                return (
                    f"the regular expression {header.regex!r}: Ingress-NGINX refuses the comma of a quantifier, "
                    "named groups, \\Q and characters beyond ASCII"
                )
    return None
