"""What the settings of several metric providers have in common: languages of texts, addresses, credentials, headers, time limits."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from steersman.api.duration import PATTERN as DURATION_PATTERN
from steersman.api.duration import Duration, format_duration
from steersman.api.meta import DNS_SUBDOMAIN, ApiModel


class Language(StrEnum):
    """What a text with placeholders is written in, and so how their values are made safe in it."""

    PROMQL = "PromQL"
    DATADOG = "Datadog query"
    NRQL = "NRQL"
    FLUX = "Flux"
    GRAPHITE = "Graphite target"
    METRIC_MATH = "CloudWatch expression"
    URL = "URL"
    HEADER = "header"
    JSON = "JSON"
    NAME = "name"
    """Compared or handed on as it is; only letters, digits and a few signs."""
    TEXT = "text"
    """Handed on as it is, in no language."""


def _bounded(most: int) -> dict[str, Any]:
    """The schema of a Duration from 1 s up to `most` seconds."""
    return {
        "type": "string",
        "pattern": DURATION_PATTERN,
        "maxLength": 32,
        "x-kubernetes-validations": [
            {
                "rule": f"duration(self) >= duration('1s') && duration(self) <= duration('{most}s')",
                "message": f"must be 1s to {format_duration(most)}",
            }
        ],
    }


Timeout = Annotated[Duration, Field(ge=1.0, le=60.0), WithJsonSchema(_bounded(60))]
"""A Duration of 1s to 1m."""

Lookback = Annotated[Duration, Field(ge=1.0, le=86400.0), WithJsonSchema(_bounded(86400))]
"""A Duration of 1s to 24h."""

Deadline = Annotated[Duration, Field(ge=1.0, le=3600.0), WithJsonSchema(_bounded(3600))]
"""A Duration of 1s to 1h."""


Address = Annotated[str, Field(pattern=r"^https?://[^\s@{}?#]+$", max_length=2048)]
"""A server's base URL: no user information, no query, no placeholder."""
SecretName = Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
HEADER_NAME = r"^[A-Za-z0-9][A-Za-z0-9-]{0,127}$"

OURS = frozenset({"authorization", "connection", "content-length", "cookie", "host", "proxy-authorization"}) | {
    "expect",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""Headers that say who asks or how a message is framed: never given as plain text."""
_OURS_LIST = ", ".join(f"'{name}'" for name in sorted(OURS - {"authorization"}))
_FRAMES = f"self.name.lowerAscii() in [{_OURS_LIST}]"
_AUTHORIZES = "self.name.lowerAscii() == 'authorization'"
_FORBIDDEN_MESSAGE = "this header is set by the operator, or from a Secret; it cannot be given here"


class SecretRef(ApiModel):
    """A Secret of the ModelDeployment's namespace."""

    secret_name: SecretName


class SecretKey(ApiModel):
    """A key of a Secret of the ModelDeployment's namespace."""

    secret_name: SecretName
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]


class Tls(ApiModel):
    """How the server's certificate is checked, and which one the operator shows."""

    secret_name: SecretName | None = None
    """A Secret of the ModelDeployment's namespace: `ca.crt` is trusted instead of the public authorities, `tls.crt` and `tls.key` are
    the client's certificate (mutual TLS). Either may be missing."""
    insecure_skip_verify: bool = False
    """Accept any certificate. Whoever stands between may then answer, and read the credentials."""


class Header(ApiModel):
    """A request header whose value everybody may read, such as a tenant's name."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [{"rule": f"!({_FRAMES} || {_AUTHORIZES})", "message": _FORBIDDEN_MESSAGE}]
        }
    )

    name: Annotated[str, Field(pattern=HEADER_NAME, max_length=128)]
    value: Annotated[str, Field(max_length=1024), Language.HEADER]

    @model_validator(mode="after")
    def _allowed(self) -> Header:
        if self.name.lower() in OURS:
            raise ValueError(_FORBIDDEN_MESSAGE)
        return self


class WebHeader(ApiModel):
    """A request header of the web provider."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.value) != has(self.secret)", "message": "give exactly one of value and secret"},
                {"rule": "!has(self.prefix) || has(self.secret)", "message": "prefix goes with secret"},
                {
                    "rule": f"!({_FRAMES}) && (!({_AUTHORIZES}) || has(self.secret))",
                    "message": _FORBIDDEN_MESSAGE,
                },
            ]
        }
    )

    name: Annotated[str, Field(pattern=HEADER_NAME, max_length=128)]
    value: Annotated[str | None, Field(max_length=1024), Language.HEADER] = None
    """Placeholders stand for their values; a value with control characters is refused."""
    prefix: Annotated[str | None, Field(max_length=64, pattern=r"^[ -~]*$")] = None
    """Before the Secret's value, e.g. `Bearer ` with the space."""
    secret: SecretKey | None = None

    @model_validator(mode="after")
    def _one_value(self) -> WebHeader:
        if (self.value is None) == (self.secret is None):
            raise ValueError("give exactly one of value and secret")
        if self.prefix is not None and self.secret is None:
            raise ValueError("prefix goes with secret")
        name = self.name.lower()
        if name in OURS and not (name == "authorization" and self.secret is not None):
            raise ValueError(_FORBIDDEN_MESSAGE)
        return self


class ProviderSettings(ApiModel):
    """Base of every provider's settings."""

    language: ClassVar[Language | None] = None
    """Of the judge's query; None when the settings themselves say what is measured."""
    series: ClassVar[bool] = False
    """Whether values over time can be asked for."""

    def secret_names(self) -> frozenset[str]:
        """Every Secret that the settings name."""
        return frozenset(_secret_names(self))


def _secret_names(value: object) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            field = getattr(value, name)
            if name == "secret_name" and isinstance(field, str):
                yield field
            else:
                yield from _secret_names(field)
    elif isinstance(value, list):
        for each in value:
            yield from _secret_names(each)
