"""Words for a terminal: text from the cluster made harmless, times and numbers as kubectl's users know them."""

from __future__ import annotations

import math
import re
import unicodedata

from rich.text import Text

_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC and other strings: titles, links
    r"|\x1b[ -/]*[0-~]"
)
_SPACES = {"Cc", "Zl", "Zp"}
_NOTHING = {"Cf", "Cs", "Co", "Cn"}

LONGEST = 1000
"""Characters of a message that are shown."""
LONGEST_CELL = 160
"""Characters of a message in a table; -o json has it all."""


def clean(value: object, longest: int = LONGEST) -> str:
    """One harmless line: no escape sequences, control or text-direction characters, nothing much longer than asked for.

    Names and messages are written by others: they must not move the cursor, change colours or hide other text.
    """
    text = _ESCAPE_SEQUENCE.sub("", str(value)[: longest * 4])
    characters: list[str] = []
    for character in text:
        category = unicodedata.category(character)
        if category in _SPACES:
            characters.append(" ")
        elif category not in _NOTHING:
            characters.append(character)
    line = " ".join("".join(characters).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def plain(value: object, style: str = "") -> Text:
    """Cleaned text that rich shows as it is: no markup, no highlighting."""
    return Text(clean(value), style=style)


def human_duration(seconds: float) -> str:
    """Length of time in at most two units, as kubectl shows ages (apimachinery's duration.HumanDuration)."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def countdown(seconds: float) -> str:
    """Time left, rounded up so that it shows 1s until it is over: 75.2 -> 1m16s."""
    whole = max(0, math.ceil(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    if minutes:
        return f"{minutes}m{secs:02d}s"
    return f"{secs}s"


def number(value: float) -> str:
    """Three significant digits, for measured values: 0.012345 -> 0.0123, 1234567.0 -> 1.23e+06."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    return f"{value:.3g}"


def count(value: float) -> str:
    """Rounded to a whole number: counts measured as increases are not integers."""
    return f"{value:.0f}" if math.isfinite(value) else number(value)


def percent(part: float, whole: float) -> str:
    """Share in percent, `-` of nothing."""
    return f"{100 * part / whole:.3g} %" if whole > 0 else "-"
