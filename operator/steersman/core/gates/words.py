"""Words of results: short, of one line, and harmless, for what they quote was written by others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 200
"""Characters of one quotation."""


def quoted(value: object, longest: int = LONGEST) -> str:
    """Foreign text on one line, printable, and not much longer than asked for."""
    text = "".join(character if character.isprintable() else " " for character in str(value)[: longest * 4])
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def number(value: float) -> str:
    """Six significant digits: 0.930000001 -> 0.93."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite" if value > 0 else "minus infinite"
    return f"{value:.6g}"


def exact(value: float) -> str:
    """All the digits that tell it from its neighbours, for values so close to a bound that six do not."""
    return repr(value) if math.isfinite(value) else number(value)


def bounds(what: str, low: float | None, high: float | None) -> str:
    """`accuracy at least 0.9`, `from 0.1 to 0.5` or `at most 3`."""
    if low is not None and high is not None:
        return f"{quoted(what)} from {number(low)} to {number(high)}"
    if low is not None:
        return f"{quoted(what)} at least {number(low)}"
    return f"{quoted(what)} at most {number(high if high is not None else math.inf)}"


def listed(values: Iterable[str], at_most: int = 5, separator: str = ", ") -> str:
    """The first few, and how many more there are."""
    every = list(values)
    shown = separator.join(quoted(value) for value in every[:at_most])
    return f"{shown}{separator}and {len(every) - at_most} more" if len(every) > at_most else shown
