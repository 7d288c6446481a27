"""Values of HTTP headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from steersman.core.analysis.placeholders import PlaceholderError, fill, lookup, refused

_VISIBLE = re.compile(r"[ -~]*")


def render(text: str, values: Mapping[str, str], window: int | None) -> str:
    """Fill a header's value. Raises PlaceholderError for anything but visible ASCII, so that no header can be added."""
    if not _VISIBLE.fullmatch(text):
        raise PlaceholderError("a header's value may have only visible ASCII characters")
    return fill(text, lookup(values, None if window is None else f"{window}s", _visible))


def _visible(name: str, value: str) -> str:
    if not _VISIBLE.fullmatch(value):
        raise refused(name, value, "may have only visible ASCII characters in a header")
    return value
