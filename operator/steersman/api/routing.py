"""Which requests are meant: conditions on headers and cookies, for A/B routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from steersman.api.meta import KEYED_BY_NAME, ApiModel

HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
"""A token of RFC 9110, section 5.1."""
HEADER_VALUE = r"^[^\x00-\x1f\x7f]+$"
"""No control characters, which no header can have (RFC 9110, section 5.5)."""
COOKIE_NAME = r"^[A-Za-z0-9_.-]+$"
"""A part of RFC 6265's token that needs no escaping in a regular expression but the dot."""
COOKIE_VALUE = r"^[A-Za-z0-9_.:@-]+$"


class HeaderMatch(ApiModel):
    """A condition on one request header: exactly one of exact, prefix and regex."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.exact) ? 1 : 0) + (has(self.prefix) ? 1 : 0) + (has(self.regex) ? 1 : 0) == 1",
                    "message": "give exactly one of exact, prefix and regex",
                }
            ]
        }
    )

    name: Annotated[str, Field(pattern=HEADER_NAME, max_length=256)]
    """Name of the header; case does not matter."""
    exact: Annotated[str | None, Field(pattern=HEADER_VALUE, max_length=1024)] = None
    prefix: Annotated[str | None, Field(pattern=HEADER_VALUE, max_length=1024)] = None
    regex: Annotated[str | None, Field(pattern=HEADER_VALUE, max_length=1024)] = None
    """RE2, matched against the whole value."""

    @model_validator(mode="after")
    def _one(self) -> HeaderMatch:
        if sum(value is not None for value in (self.exact, self.prefix, self.regex)) != 1:
            raise ValueError("give exactly one of exact, prefix and regex")
        return self


class CookieMatch(ApiModel):
    """A cookie that has exactly this value."""

    name: Annotated[str, Field(pattern=COOKIE_NAME, max_length=128)]
    value: Annotated[str, Field(pattern=COOKIE_VALUE, max_length=256)]


class RequestMatch(ApiModel):
    """Requests that meet all of these conditions."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.headers) || has(self.cookies)", "message": "give headers, cookies or both"},
                {
                    "rule": "!has(self.headers) || !has(self.cookies) || !self.headers.exists(h, h.name.lowerAscii() == 'cookie')",
                    "message": "cookies are a condition on the header Cookie: give one of the two",
                },
            ]
        }
    )

    headers: Annotated[list[HeaderMatch], Field(max_length=8, json_schema_extra=KEYED_BY_NAME)] = []
    """At most one condition for each header: most proxies regard no second one."""
    cookies: Annotated[list[CookieMatch], Field(max_length=2, json_schema_extra=KEYED_BY_NAME)] = []

    @model_validator(mode="after")
    def _some(self) -> RequestMatch:
        if not self.headers and not self.cookies:
            raise ValueError("give headers, cookies or both")
        names = [header.name.lower() for header in self.headers]
        if len(set(names)) < len(names):
            raise ValueError("give each header once; case does not matter")
        if self.cookies and "cookie" in names:
            raise ValueError("cookies are a condition on the header Cookie: give one of the two")
        if len({cookie.name for cookie in self.cookies}) < len(self.cookies):
            raise ValueError("give each cookie once")
        return self


class SessionAffinity(ApiModel):
    """A client that was sent to the candidate once stays with it for the rest of the rollout, by a cookie."""

    cookie_name: Annotated[str, Field(pattern=COOKIE_NAME, max_length=128)] = "steersman-candidate"
    """The cookie holds the candidate's revision, so one of an earlier rollout means nothing."""
    max_age_seconds: Annotated[int, Field(ge=1, le=31_536_000)] = 86_400
    """After so long the client's browser forgets it."""
