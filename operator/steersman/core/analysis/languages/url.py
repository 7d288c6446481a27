"""URLs: values go into the path and the query, percent-encoded; scheme, host and fragment are the author's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from steersman.core.analysis.placeholders import (
    PlaceholderError,
    fill,
    has_placeholder,
    lookup,
    refused,
    without_control,
)


def render(text: str, values: Mapping[str, str], window: int | None) -> str:
    """Fill a URL. Raises PlaceholderError for a placeholder elsewhere, and a value that would lead to another path."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise PlaceholderError("this is no URL") from None
    if has_placeholder(parts.scheme + parts.netloc) or parts.scheme not in ("http", "https") or not parts.hostname:
        raise PlaceholderError("a URL begins with http:// or https:// and a host, in which no placeholder may stand")
    if parts.fragment or "@" in parts.netloc:
        raise PlaceholderError("a URL may have no user information and no fragment")
    seconds = None if window is None else f"{window}s"
    path = "/".join(_segment(segment, values, seconds) for segment in parts.path.split("/"))
    query = fill(parts.query, lookup(values, seconds, _encoded))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _segment(segment: str, values: Mapping[str, str], window: str | None) -> str:
    filled = fill(segment, lookup(values, window, _step))
    if has_placeholder(segment) and filled in ("", ".", ".."):
        raise PlaceholderError(f"{segment} in the URL's path becomes {filled!r}, which would lead to another path")
    return filled


def _step(name: str, value: str) -> str:
    # Some servers decode before they resolve dots.
    if ".." in re.split(r"[/\\]", value):
        raise refused(name, value, "would lead to another path of the URL")
    return _encoded(name, value)


def _encoded(name: str, value: str) -> str:
    return quote(without_control(name, value), safe="")
