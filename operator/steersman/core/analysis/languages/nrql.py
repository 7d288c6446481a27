"""New Relic's query language.

Placeholders may stand inside single-quoted strings. Its documentation does not say in all places how a quote in a string is
escaped, so a value with a quote or a backslash is refused rather than escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from steersman.core.analysis.placeholders import (
    PlaceholderError,
    fill,
    has_placeholder,
    lookup,
    refused,
    without_control,
)

_SEGMENT = re.compile(
    r"(?P<string>(?<![A-Za-z0-9_])'[^'\\\n]*')"
    r"|(?P<other>[A-Za-z0-9_]+'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|--[^\n]*|//[^\n]*|/\*.*?\*/)"
    r"|(?P<code>[A-Za-z0-9_]+(?!')|[^'\"`])",
    re.DOTALL,
)
_CLAUSE = re.compile(r"\b(SINCE|UNTIL|TIMESERIES|COMPARE\s+WITH)\b", re.IGNORECASE)


def render(text: str, values: Mapping[str, str], window: int | None) -> str:
    """Fill a query; `{{window}}` is written as `45 seconds` and may stand anywhere.

    Raises PlaceholderError, also for a clause that the look sets itself: SINCE, UNTIL, TIMESERIES.
    """
    seconds = None if window is None else f"{window} seconds"
    rendered: list[str] = []
    code: list[str] = []
    for kind, segment in _segments(text):
        if kind == "string":
            rendered.append(fill(segment, lookup(values, seconds, _value)))
            code.append(" ")
        elif kind == "other":
            if has_placeholder(segment):
                raise PlaceholderError(f"a placeholder may stand only inside a single-quoted string, not in {segment}")
            rendered.append(segment)
            code.append(" ")
        else:
            code.append(segment)
            rendered.append(fill(segment, lookup(values, seconds, _value, only_window="inside a single-quoted string")))
    clause = _CLAUSE.search("".join(code))
    if clause is not None:
        raise PlaceholderError(f"leave {clause[0].upper()} out of the query: the look sets the time itself")
    return "".join(rendered)


def _segments(text: str) -> list[tuple[str, str]]:
    """(string, other or code) and its text; code that is not interrupted is one segment."""
    segments: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None:
            raise PlaceholderError(
                f"a string that starts at character {position + 1} is not closed, or has a backslash"
            )
        kind = str(match.lastgroup)
        if kind == "code" and segments and segments[-1][0] == "code":
            segments[-1] = ("code", segments[-1][1] + match.group())
        else:
            segments.append((kind, match.group()))
        position = match.end()
    return segments


def _value(name: str, value: str) -> str:
    if "'" in value or "\\" in value:
        raise refused(name, value, "may have no quote and no backslash in NRQL")
    return without_control(name, value)
