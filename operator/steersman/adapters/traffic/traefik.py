"""Traefik: exact weights in a TraefikService, to which an IngressRoute leads.

https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/crd/http/traefikservice/

Traefik builds its configuration from what it has seen so far of each kind, in no order between kinds, and leaves out a route that
refers to something that it has not seen. So the IngressRoute always refers to the one TraefikService, and what comes and
goes is other TraefikServices, written before and deleted after the one that refers to them.
It also leaves out a TraefikService if one of its Services has no endpoints (unless allowEmptyServices is on), so revisions
without weight are not named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from steersman.adapters.traffic.base import ExactWeights, OwnRoutes, read_rendered, settings_of
from steersman.adapters.traffic.matching import cookie_pattern, header_pattern, literal
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.api.traffic_providers import Traefik
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import Affinity, TrafficIntent, TrafficState

API_VERSION = "traefik.io/v1alpha1"
SERVICE, ROUTE = "TraefikService", "IngressRoute"


class TraefikProvider(OwnRoutes, ExactWeights):
    """A TraefikService and an IngressRoute named as the ModelDeployment, and more TraefikServices for affinity and mirroring."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """What is referred to comes before what refers to it."""
        rendered: list[Manifest] = []
        if intent.affinity is not None:
            rendered.append(_service(_sticky_name(intent), _sticky(intent.affinity)))
        weighted = {"weighted": {"services": list(_weighted(intent))}}
        if intent.mirror is None:
            rendered.append(_service(intent.deployment, weighted))
        else:
            split = f"{intent.deployment}-split"
            mirror = {**_kubernetes(intent.mirror.revision), "percent": intent.mirror.percent}
            rendered.append(_service(split, weighted))
            rendered.append(_service(intent.deployment, {"mirroring": {**_traefik(split), "mirrors": [mirror]}}))
        return [*rendered, _route(intent, settings_of(intent, Traefik))]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the objects carry the split: Traefik writes no status."""
        return read_rendered(intent, self.render(intent), children, kinds=(SERVICE, ROUTE))


def _service(name: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": SERVICE, "metadata": {"name": name}, "spec": spec}


def _kubernetes(revision: str) -> dict[str, Any]:
    return {"kind": "Service", "name": revision, "port": 80}


def _traefik(name: str) -> dict[str, Any]:
    return {"kind": SERVICE, "name": name}


def _weighted(intent: TrafficIntent) -> Iterable[dict[str, Any]]:
    for revision, weight in intent.weights:
        if weight > 0:
            sticks = intent.affinity is not None and intent.affinity.revision == revision
            backend = _traefik(_sticky_name(intent)) if sticks else _kubernetes(revision)
            yield {**backend, "weight": weight}


def _sticky_name(intent: TrafficIntent) -> str:
    return f"{intent.deployment}-affinity"


def _sticky(affinity: Affinity) -> dict[str, Any]:
    """A TraefikService of the candidate alone: only its answers set the cookie. Traefik chooses the cookie's value."""
    cookie = {"name": _cookie_name(affinity), "maxAge": affinity.settings.max_age_seconds, "httpOnly": True}
    return {"weighted": {"services": [{**_kubernetes(affinity.revision), "weight": 1}], "sticky": {"cookie": cookie}}}


def _cookie_name(affinity: Affinity) -> str:
    """The revision is in the name, as it cannot be the value: the cookie of an earlier rollout means nothing."""
    return f"{affinity.settings.cookie_name}-{affinity.revision}"


def _route(intent: TrafficIntent, traefik: Traefik) -> Manifest:
    everything = _everything(traefik)
    split = {"kind": "Rule", "match": everything, "services": [_traefik(intent.deployment)]}
    spec: dict[str, Any] = {"routes": [*_forced(intent, everything), split]}
    if traefik.entry_points:
        spec["entryPoints"] = list(traefik.entry_points)
    if traefik.tls_secret_name is not None:
        spec["tls"] = {"secretName": traefik.tls_secret_name}
    return {"apiVersion": API_VERSION, "kind": ROUTE, "metadata": {"name": intent.deployment}, "spec": spec}


def _forced(intent: TrafficIntent, everything: str) -> list[dict[str, Any]]:
    """Routes that come before the weights. Traefik's default priority is the length of the rule: theirs are just above that."""
    rules = [(_any_of([_match(match) for match in route.matches]), route.revision) for route in intent.header_routes]
    if intent.affinity is not None:
        name = literal(_cookie_name(intent.affinity))
        rules.append((_call("HeaderRegexp", "Cookie", rf"(?:^|;)\s*{name}="), intent.affinity.revision))
    highest = len(everything) + len(rules)
    return [
        {
            "kind": "Rule",
            "match": f"{everything} && {rule}",
            "priority": highest - number,
            "services": [_kubernetes(revision)],
        }
        for number, (rule, revision) in enumerate(rules)
    ]


def _everything(traefik: Traefik) -> str:
    return f"{_any_of([_host(host) for host in traefik.hosts])} && {_path(traefik.path)}"


def _path(prefix: str) -> str:
    """The path itself and everything below it, as in an Ingress; PathPrefix(`/x`) alone would also mean `/xyz`."""
    if prefix.endswith("/"):
        return _call("PathPrefix", prefix)
    return _any_of([_call("Path", prefix), _call("PathPrefix", f"{prefix}/")])


def _host(host: str) -> str:
    if host.startswith("*."):
        return _call("HostRegexp", rf"^[^.]+{literal(host[1:])}$")
    return _call("Host", host)


def _match(match: RequestMatch) -> str:
    conditions = [_header(header) for header in match.headers]
    # A browser may send its cookies in several headers (RFC 9113, section 8.2.3), so each is a condition of its own.
    conditions += [_call("HeaderRegexp", "Cookie", cookie_pattern([cookie])) for cookie in match.cookies]
    return " && ".join(conditions)


def _header(header: HeaderMatch) -> str:
    if header.exact is not None:
        return _call("Header", header.name, header.exact)
    return _call("HeaderRegexp", header.name, header_pattern(header))


def _any_of(rules: Sequence[str]) -> str:
    return rules[0] if len(rules) == 1 else f"({' || '.join(rules)})"


def _call(function: str, *values: str) -> str:
    return f"{function}({', '.join(map(_quoted, values))})"


def _quoted(text: str) -> str:
    """A string of Traefik's rules, which are Go's: between backticks as it is, else between quotes with escapes."""
    if "`" not in text and text.isprintable():
        return f"`{text}`"
    return json.dumps(text, ensure_ascii=False)
