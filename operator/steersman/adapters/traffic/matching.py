"""Conditions on headers and cookies as regular expressions, and the cookie of session affinity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations

from steersman.api.routing import CookieMatch, HeaderMatch
from steersman.core.traffic import Affinity

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def literal(text: str) -> str:
    """A regular expression for just this text, in RE2, PCRE, Rust and Go alike (the characters of Go's regexp.QuoteMeta)."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def header_pattern(match: HeaderMatch) -> str:
    """The condition as an expression that is anchored, because some proxies look for it anywhere in the value."""
    if match.exact is not None:
        return f"^{literal(match.exact)}$"
    if match.prefix is not None:
        return f"^{literal(match.prefix)}.*$"
    return f"^(?:{match.regex})$"


def cookie_pattern(cookies: Sequence[CookieMatch]) -> str:
    """Whether a Cookie header holds all of these cookies, among others and in any order (RFC 6265, section 4.2.1)."""
    orders = [_in_order(order) for order in permutations(cookies)]
    return f"^{orders[0]}$" if len(orders) == 1 else f"^(?:{'|'.join(orders)})$"


def _in_order(cookies: Sequence[CookieMatch]) -> str:
    pairs = [f"{literal(cookie.name)}={literal(cookie.value)}" for cookie in cookies]
    return r"(?:.*;\s*)?" + r";(?:.*;)?\s*".join(pairs) + r"(?:;.*)?"


def affinity_pattern(affinity: Affinity) -> str:
    """Whether a Cookie header holds the cookie that this candidate's answers set."""
    return cookie_pattern([CookieMatch(name=affinity.settings.cookie_name, value=affinity.revision)])


def set_cookie(affinity: Affinity) -> str:
    """Value of the Set-Cookie header on the candidate's answers."""
    cookie = affinity.settings
    return f"{cookie.cookie_name}={affinity.revision}; Path=/; Max-Age={cookie.max_age_seconds}; HttpOnly"
