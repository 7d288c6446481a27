"""How requests come in: the routing object of the chosen traffic provider."""

from __future__ import annotations

from collections.abc import Sequence

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.traffic_providers import (
    ALB,
    Apisix,
    Contour,
    GatewayAPI,
    Istio,
    Kong,
    Linkerd,
    Nginx,
    ParentRef,
    Traefik,
)
from steersman.cli.view.text import clean

_KINDS: dict[type, str] = {
    Istio: "VirtualService",
    Nginx: "Ingress",
    Traefik: "IngressRoute",
    Contour: "HTTPProxy",
    Linkerd: "HTTPRoute",
    ALB: "Ingress",
    Apisix: "ApisixRoute",
    Kong: "HTTPRoute",
}


def route_object(md: ModelDeployment) -> tuple[str, str]:
    """Kind and name of the object that carries the weights."""
    settings, name = md.spec.traffic.settings, clean(md.metadata.get("name", ""))
    if isinstance(settings, GatewayAPI):
        return settings.kind.value, clean(settings.adopt.name) if settings.adopt is not None else name
    return _KINDS.get(type(settings), "Service"), name


def route(md: ModelDeployment) -> str:
    """How requests come in, in words."""
    settings = md.spec.traffic.settings
    kind, name = route_object(md)
    words = f"{kind} {name}"
    match settings:
        case GatewayAPI(adopt=None) | Kong():
            return words + _on(settings.parent_refs) + _hosts(settings.hostnames)
        case GatewayAPI():
            return f"{words}, adopted"
        case Istio():
            return words + _hosts(settings.hosts)
        case Nginx() | ALB() | Apisix():
            return f"{words} of class {clean(settings.ingress_class_name)}" + _hosts(settings.hosts)
        case Traefik():
            return words + _hosts(settings.hosts)
        case Contour():
            return words + _hosts([settings.fqdn])
        case Linkerd():
            return f"{words} in Linkerd's mesh"
    return words


def _on(parents: Sequence[ParentRef]) -> str:
    names = ["/".join(part for part in (clean(p.namespace or ""), clean(p.name)) if part) for p in parents]
    return f" on Gateway {', '.join(names)}"


def _hosts(hosts: Sequence[str]) -> str:
    return f" for {', '.join(clean(host) for host in hosts)}" if hosts else ""
