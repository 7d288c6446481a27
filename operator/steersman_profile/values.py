"""The text by which a category, a class or a bound is known, whatever type it came in."""

from __future__ import annotations

import math

OTHER = "(other)"
"""The bin of categories that are not named."""
MISSING = "(missing)"
"""The bin of values that are not there: None, NaN, NaT and empty text."""
RESERVED = frozenset({OTHER, MISSING})
MAX_TEXT = 100
"""Longest category, class or column, in characters."""


def category(value: object) -> str | None:
    """The category that a value belongs to, None for a missing one.

    1, 1.0 and "1" are one category, for numbers become floats where others are missing; True is "true".
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return str(value)
    if _is_boolean(value):
        return "true" if value else "false"
    if value != value:  # NaN and NaT
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return str(value)
    if math.isfinite(number) and number == int(number) and abs(number) < 2**53:
        return str(int(number))
    return str(value)


def is_label(text: str) -> bool:
    """Whether a text can be a label's value in Prometheus: not empty, not too long, and UTF-8, which no lone surrogate is."""
    return 1 <= len(text) <= MAX_TEXT and not any("\ud800" <= character <= "\udfff" for character in text)


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ in {"bool_", "bool"}


def bound(value: float) -> str:
    """The label of the numeric bin that ends at `value`, in a form that Prometheus reads as a float."""
    return "+Inf" if value == math.inf else repr(float(value))
