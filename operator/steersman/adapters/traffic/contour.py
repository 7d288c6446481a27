"""Contour: an HTTPProxy, settled when Contour found that generation valid.

https://projectcontour.io/docs/main/config/request-routing/
"""

from __future__ import annotations

from typing import Any

from steersman.adapters.traffic.base import ExactWeights, OwnRoutes, conditions, generation, read_rendered, settings_of
from steersman.adapters.traffic.matching import affinity_pattern, cookie_pattern, header_pattern, set_cookie
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.api.traffic_providers import Contour
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent, TrafficState

API_VERSION = "projectcontour.io/v1"
KIND = "HTTPProxy"

Condition = dict[str, Any]


class ContourProvider(OwnRoutes, ExactWeights):
    """An HTTPProxy named as the ModelDeployment."""

    def render(self, intent: TrafficIntent) -> list[Manifest]:
        """One root HTTPProxy: a route for each match of the header routes and for the affinity's cookie, then the weights."""
        contour = settings_of(intent, Contour)
        virtual_host: dict[str, Any] = {"fqdn": contour.fqdn}
        if contour.tls_secret_name is not None:
            virtual_host["tls"] = {"secretName": contour.tls_secret_name}
        spec: dict[str, Any] = {"virtualhost": virtual_host, "routes": _routes(intent, contour.path)}
        if contour.ingress_class_name is not None:
            spec["ingressClassName"] = contour.ingress_class_name
        return [{"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": intent.deployment}, "spec": spec}]

    def read(self, intent: TrafficIntent, children: Children) -> TrafficState:
        """Settled when the HTTPProxy carries the split and Contour found this generation valid."""
        return read_rendered(intent, self.render(intent), children, _verdict, (KIND,))


def _routes(intent: TrafficIntent, path: str) -> list[dict[str, Any]]:
    prefix: Condition = {"prefix": path}
    found = [
        {"conditions": [prefix, *_conditions(match)], "services": [_service(route.revision, 100)]}
        for route in intent.header_routes
        for match in route.matches
    ]
    if intent.affinity is not None:
        sticky = _header("Cookie", regex=affinity_pattern(intent.affinity))
        found.append({"conditions": [prefix, sticky], "services": [_service(intent.affinity.revision, 100)]})
    services = [_service(revision, weight) for revision, weight in intent.weights]
    for service in services:
        if intent.affinity is not None and service["name"] == intent.affinity.revision:
            header = {"name": "Set-Cookie", "value": set_cookie(intent.affinity)}
            service["responseHeadersPolicy"] = {"set": [header]}
    if intent.mirror is not None:
        services.append({**_service(intent.mirror.revision, intent.mirror.percent), "mirror": True})
    return [*found, {"conditions": [prefix], "services": services}]


def _service(revision: str, weight: int) -> dict[str, Any]:
    return {"name": revision, "port": 80, "weight": weight}


def _conditions(match: RequestMatch) -> list[Condition]:
    found = [_condition(header) for header in match.headers]
    if match.cookies:
        found.append(_header("Cookie", regex=cookie_pattern(match.cookies)))
    return found


def _condition(match: HeaderMatch) -> Condition:
    if match.exact is not None:
        return _header(match.name, exact=match.exact)
    return _header(match.name, regex=header_pattern(match))


def _header(name: str, **condition: str) -> Condition:
    return {"header": {"name": name, **condition}}


def _verdict(proxy: Manifest) -> TrafficState:
    """Contour writes one condition, Valid, with the errors that it found."""
    valid = conditions(proxy.get("status", {}).get("conditions")).get("Valid")
    if valid is None or valid.get("observedGeneration", 0) < generation(proxy):
        return TrafficState(False, f"Contour has not seen generation {generation(proxy)} of the HTTPProxy")
    if valid.get("status") != "True":
        errors = [f"{error.get('reason', '')}: {error.get('message', '')}" for error in valid.get("errors") or ()]
        said = "; ".join(errors) or str(valid.get("message") or "")
        return TrafficState(False, f"Contour refuses the HTTPProxy: {said}", rejected=True)
    return TrafficState(True)
