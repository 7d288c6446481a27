"""Texts in which nothing is quoted.

Datadog's query language, Graphite's targets and CloudWatch's expressions have no quoting that holds for every place, so
only values are let in that mean nothing but themselves anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from steersman.core.analysis.placeholders import fill, lookup, refused, without_control

_NAME = re.compile(r"[A-Za-z0-9_.:/@-]*")


def _name(name: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise refused(name, value, "may have only letters, digits and _ . : / @ - here, as this language cannot quote")
    return value


def names(text: str, values: Mapping[str, str], window: int | None) -> str:
    """Fill a text with values of letters, digits and a few signs; `{{window}}` is a number of seconds. Raises PlaceholderError."""
    return fill(text, lookup(values, None if window is None else str(window), _name))


def graphite(text: str, values: Mapping[str, str], window: int | None) -> str:
    """The same for a Graphite target, in which `{{window}}` is written as `45s`."""
    return fill(text, lookup(values, None if window is None else f"{window}s", _name))


def text(text: str, values: Mapping[str, str], window: int | None) -> str:
    """Fill a text that nobody parses; `{{window}}` is written as `45s`. Raises PlaceholderError."""
    return fill(text, lookup(values, None if window is None else f"{window}s", without_control))
