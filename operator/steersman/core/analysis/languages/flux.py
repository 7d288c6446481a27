"""Flux, the query language of InfluxDB 2.

Placeholders may stand inside double-quoted strings, where quotes and backslashes are escaped. A dollar sign, which could begin
an interpolation together with a brace beside it, is refused. Grammar: https://docs.influxdata.com/flux/v0/spec/lexical-elements/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from steersman.core.analysis.placeholders import (
    PlaceholderError,
    fill,
    has_placeholder,
    lookup,
    refused,
    without_control,
)

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_COMMENT = re.compile(r"//[^\n]*")
_REGEX = re.compile(r"/(?:[^/\\\n]|\\.)+/")
_BEFORE_REGEX = "~(,:=[{"
"""After one of these a slash begins a regular expression and is no division."""
_INTERPOLATION = re.compile(r"(?<!\\)\$\{")


def render(text: str, values: Mapping[str, str], window: int | None) -> str:
    """Fill a query; `{{window}}` is a duration such as `45s` and may stand anywhere. Raises PlaceholderError."""
    seconds = None if window is None else f"{window}s"
    rendered: list[str] = []
    for kind, segment in _segments(text):
        if kind == "string":
            rendered.append(fill(segment, lookup(values, seconds, _value)))
        elif kind == "other":
            if has_placeholder(segment):
                raise PlaceholderError(f"a placeholder may stand only inside a double-quoted string, not in {segment}")
            rendered.append(segment)
        else:
            rendered.append(fill(segment, lookup(values, seconds, _value, only_window="inside a double-quoted string")))
    return "".join(rendered)


def _segments(text: str) -> Iterator[tuple[str, str]]:
    """(string, other or code) and its text."""
    start = position = 0
    while position < len(text):
        character = text[position]
        match: re.Match[str] | None = None
        kind = "other"
        if character == '"':
            match, kind = _STRING.match(text, position), "string"
            if match is None:
                raise PlaceholderError(f"a string that starts at character {position + 1} is not closed")
            if _INTERPOLATION.search(match.group()) and has_placeholder(text.replace("{{window}}", "")):
                # Quotes inside an interpolation end no string: where strings begin and end cannot be told any more.
                raise PlaceholderError("a query with ${...} may hold no placeholder: join strings with + instead")
        elif character == "/":
            before = text[:position].rstrip()[-1:]
            match = _COMMENT.match(text, position)
            if match is None and (not before or before in _BEFORE_REGEX):
                match = _REGEX.match(text, position)
        if match is None:
            position += 1
            continue
        if start < position:
            yield "code", text[start:position]
        yield kind, match.group()
        start = position = match.end()
    if start < len(text):
        yield "code", text[start:]


def _value(name: str, value: str) -> str:
    if "$" in value:
        raise refused(name, value, "may have no $ in Flux, where it could begin an interpolation")
    return without_control(name, value).replace("\\", "\\\\").replace('"', '\\"')
