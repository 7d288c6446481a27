"""Settings of each traffic provider."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from steersman.api.meta import DNS_LABEL, DNS_SUBDOMAIN, HOSTNAME, ApiModel
from steersman.api.runtime import FreeForm

Hostname = Annotated[str, Field(pattern=HOSTNAME, max_length=253)]
Path = Annotated[str, Field(pattern=r"^/[A-Za-z0-9/._~%-]*$", max_length=1024)]
"""A path prefix."""
ObjectName = Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=8192)]], Field(max_length=32)]


class Feature(StrEnum):
    """What a provider can do beside splitting traffic between two revisions by weights."""

    WEIGHTS = "exact weights"
    """Independent of the number of pods."""
    HEADER_ROUTES = "header routes"
    COOKIE_ROUTES = "cookie routes"
    MIRROR = "mirroring"
    MIRROR_SHARE = "mirroring of a share of the requests"
    AFFINITY = "session affinity"
    THREE_WAY = "experiments"
    """Weights of three revisions at once."""


_ALL = frozenset(Feature)

NGINX_PREFIX = "nginx.ingress.kubernetes.io/"
ALB_PREFIX = "alb.ingress.kubernetes.io/"


class TrafficSettings(ApiModel):
    """Base of every provider's settings."""

    features: ClassVar[frozenset[Feature]] = frozenset()

    @property
    def offered(self) -> frozenset[Feature]:
        """Features with these settings."""
        return self.features


class ParentRef(ApiModel):
    """A Gateway (or one of its listeners) that the route attaches to."""

    name: ObjectName
    namespace: Annotated[str | None, Field(pattern=DNS_LABEL, max_length=63)] = None
    section_name: Annotated[str | None, Field(pattern=DNS_SUBDOMAIN, max_length=253)] = None
    port: Annotated[int | None, Field(ge=1, le=65535)] = None


class RouteKind(StrEnum):
    """Which kind of route carries the requests."""

    HTTP_ROUTE = "HTTPRoute"
    GRPC_ROUTE = "GRPCRoute"


class AdoptedRoute(ApiModel):
    """A route that is there already and stays its owner's.

    In its rules, backendRefs that name a Service called as the ModelDeployment become the revisions' Services with
    their weights; nothing else of it is written. Weights only: no header routes, mirroring, affinity.
    """

    name: ObjectName


class GatewayAPI(TrafficSettings):
    """Gateway API: a route made by Steersman and named as the ModelDeployment, or one that is adopted; exact weights on its backendRefs."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.adopt) != (has(self.parentRefs) && size(self.parentRefs) > 0)",
                    "message": "give exactly one of parentRefs and adopt",
                },
                {
                    "rule": "!has(self.adopt) || !(has(self.hostnames) || has(self.matches))",
                    "message": "hostnames and matches of an adopted route are its owner's",
                },
            ]
        }
    )

    features: ClassVar[frozenset[Feature]] = _ALL

    kind: RouteKind = RouteKind.HTTP_ROUTE
    """GRPCRoute for models that speak gRPC."""
    parent_refs: Annotated[list[ParentRef], Field(max_length=32)] = []
    """The Gateways; required unless a route is adopted."""
    hostnames: Annotated[list[Hostname], Field(max_length=16)] = []
    matches: Annotated[list[FreeForm], Field(max_length=8)] = []
    """HTTPRouteMatch or GRPCRouteMatch items; default: every path."""
    adopt: AdoptedRoute | None = None
    """Instead of parentRefs: a route that is there already."""

    @model_validator(mode="after")
    def _own_or_adopted(self) -> GatewayAPI:
        if (self.adopt is not None) == bool(self.parent_refs):
            raise ValueError("give exactly one of parentRefs and adopt")
        if self.adopt is not None and (self.hostnames or self.matches):
            raise ValueError("hostnames and matches of an adopted route are its owner's")
        return self

    @property
    def offered(self) -> frozenset[Feature]:
        """An adopted route carries weights and nothing else of ours."""
        return self.features if self.adopt is None else frozenset({Feature.WEIGHTS, Feature.THREE_WAY})


class Istio(TrafficSettings):
    """Istio: a VirtualService named as the ModelDeployment and, with a trafficPolicy, a DestinationRule for each revision.

    For the mesh there is also a Service named as the ModelDeployment, for clients to call: name it in hosts.
    """

    features: ClassVar[frozenset[Feature]] = _ALL

    hosts: Annotated[list[Hostname], Field(min_length=1, max_length=16)]
    gateways: Annotated[list[Annotated[str, Field(max_length=317)]], Field(max_length=16)] = []
    """`namespace/name` of Gateways, or `mesh`; default: mesh."""
    matches: Annotated[list[FreeForm], Field(max_length=8)] = []
    """HTTPMatchRequest items; default: every request."""
    traffic_policy: FreeForm | None = None
    """TrafficPolicy of every revision's DestinationRule; default: no DestinationRule."""


NGINX_RESERVED = tuple(NGINX_PREFIX + name for name in ("canary", "mirror-", "affinity", "session-cookie-"))
"""Beginnings of annotations that are Steersman's own, or would make its weights wrong."""
ALB_RESERVED = (f"{ALB_PREFIX}actions.", f"{ALB_PREFIX}conditions.")


def _reserved(prefixes: tuple[str, ...]) -> tuple[str, JsonDict]:
    """Message and schema of a rule that no annotation may begin like this."""
    message = (
        f"annotations must not begin with {', '.join(prefixes)}: they are Steersman's, or would make weights wrong"
    )
    any_of = " || ".join(f"key.startsWith('{prefix}')" for prefix in prefixes)
    rule: JsonDict = {"rule": f"!has(self.annotations) || !self.annotations.exists(key, {any_of})", "message": message}
    return message, {"x-kubernetes-validations": [rule]}


_NGINX_MESSAGE, _NGINX_SCHEMA = _reserved(NGINX_RESERVED)
_ALB_MESSAGE, _ALB_SCHEMA = _reserved(ALB_RESERVED)


class Nginx(TrafficSettings):
    """Ingress-NGINX: two Ingresses, the second with canary annotations, and a Service named as the ModelDeployment.

    Header routes: one header or one cookie condition in each match, all on the same header, of one candidate. No session
    affinity: that of NGINX binds stable's clients too, so that weights would count for new clients only. While requests are
    mirrored, a slow candidate slows answers.
    """

    model_config = ConfigDict(json_schema_extra=_NGINX_SCHEMA)

    features: ClassVar[frozenset[Feature]] = frozenset(
        {Feature.WEIGHTS, Feature.HEADER_ROUTES, Feature.COOKIE_ROUTES, Feature.MIRROR}
    )

    ingress_class_name: ObjectName = "nginx"
    hosts: Annotated[list[Hostname], Field(min_length=1, max_length=16)]
    path: Path = "/"
    tls_secret_name: ObjectName | None = None
    annotations: Annotations = {}
    """More annotations of both Ingresses."""

    @model_validator(mode="after")
    def _not_reserved(self) -> Nginx:
        if any(key.startswith(NGINX_RESERVED) for key in self.annotations):
            raise ValueError(_NGINX_MESSAGE)
        return self


class Traefik(TrafficSettings):
    """Traefik 3: a weighted TraefikService and an IngressRoute that leads to it.

    Turn allowEmptyServices on: without it, Traefik drops the whole route when one revision has no ready pod. For session affinity
    the cookie's name ends with the candidate's revision, and its value is Traefik's.
    """

    features: ClassVar[frozenset[Feature]] = _ALL

    entry_points: Annotated[list[ObjectName], Field(max_length=8)] = []
    """Default: Traefik's own default entry points."""
    hosts: Annotated[list[Hostname], Field(min_length=1, max_length=16)]
    path: Path = "/"
    tls_secret_name: ObjectName | None = None


class Contour(TrafficSettings):
    """Contour: an HTTPProxy named as the ModelDeployment."""

    features: ClassVar[frozenset[Feature]] = _ALL

    fqdn: Hostname
    path: Path = "/"
    ingress_class_name: ObjectName | None = None
    tls_secret_name: ObjectName | None = None


class Linkerd(TrafficSettings):
    """Linkerd: a Service named as the ModelDeployment, and an HTTPRoute whose parent it is.

    Requests within the mesh that go to the Service are split.
    """

    features: ClassVar[frozenset[Feature]] = frozenset(
        {Feature.WEIGHTS, Feature.HEADER_ROUTES, Feature.COOKIE_ROUTES, Feature.THREE_WAY}
    )


class ALB(TrafficSettings):
    """AWS Load Balancer Controller: an Ingress whose forward action carries the weights.

    Header routes: exact values and prefixes without blanks and wildcards, compared by AWS without regard to case. Targets are pods
    (annotation target-type: ip), as the revisions' Services have no node ports.
    """

    model_config = ConfigDict(json_schema_extra=_ALB_SCHEMA)

    features: ClassVar[frozenset[Feature]] = frozenset({Feature.WEIGHTS, Feature.HEADER_ROUTES, Feature.THREE_WAY})

    ingress_class_name: ObjectName = "alb"
    hosts: Annotated[list[Hostname], Field(max_length=16)] = []
    path: Path = "/"
    annotations: Annotations = {}
    """Annotations of the Ingress, such as alb.ingress.kubernetes.io/scheme."""

    @model_validator(mode="after")
    def _not_reserved(self) -> ALB:
        if any(key.startswith(ALB_RESERVED) for key in self.annotations):
            raise ValueError(_ALB_MESSAGE)
        return self


class Apisix(TrafficSettings):
    """Apache APISIX: an ApisixRoute named as the ModelDeployment."""

    features: ClassVar[frozenset[Feature]] = frozenset(
        {
            Feature.WEIGHTS,
            Feature.HEADER_ROUTES,
            Feature.COOKIE_ROUTES,
            Feature.MIRROR,
            Feature.MIRROR_SHARE,
            Feature.THREE_WAY,
        }
    )

    ingress_class_name: ObjectName = "apisix"
    hosts: Annotated[list[Hostname], Field(min_length=1, max_length=16)]
    path: Path = "/"
    plugins: Annotated[list[FreeForm], Field(max_length=32)] = []
    """ApisixRoute plugins of every rule."""


class Kong(TrafficSettings):
    """Kong: an HTTPRoute for Kong's Gateway, with Kong's annotations."""

    features: ClassVar[frozenset[Feature]] = frozenset(
        {Feature.WEIGHTS, Feature.HEADER_ROUTES, Feature.COOKIE_ROUTES, Feature.THREE_WAY}
    )

    parent_refs: Annotated[list[ParentRef], Field(min_length=1, max_length=32)]
    hostnames: Annotated[list[Hostname], Field(max_length=16)] = []
    path: Path = "/"
    plugins: Annotated[list[ObjectName], Field(max_length=16)] = []
    """Names of KongPlugins (annotation konghq.com/plugins)."""
    strip_path: bool = False
    """Remove the matched path before the request is passed on (annotation konghq.com/strip-path)."""


class ServiceTraffic(TrafficSettings):
    """A plain Service named as the ModelDeployment.

    It carries no weights: a canary's share is the share of pods (rounded to whole pods), blue-green moves the selector.
    """
