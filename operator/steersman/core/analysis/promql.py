"""PromQL text: placeholders that cannot change a query's structure, plain selectors, and exact counting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from steersman.core.analysis.model import NAMESPACE_LABEL, REVISION_LABEL
from steersman.core.analysis.placeholders import PlaceholderError

COUNTER_MEMORY_SECONDS = 900
"""How long a counter's last value is remembered when its pod is gone or not scraped."""

WINDOW = "window"
"""The one placeholder that is a duration and so may stand outside a string."""

_STRING = r'"(?:[^"\\\n]|\\[^\n])*"'
_SEGMENT = re.compile(rf"(?P<string>{_STRING})|(?P<other>'(?:[^'\\\n]|\\[^\n])*'|`[^`]*`|#[^\n]*)|(?P<code>[^\"'`#]+)")
_PLACEHOLDER = r"\{\{\s*(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*\}\}"
_PART = re.compile(rf"(?P<escape>\\.)|{_PLACEHOLDER}|(?P<literal>[^\\{{]+|\{{)", re.DOTALL)
_MATCHER = rf"(?P<label>[A-Za-z_][A-Za-z0-9_]*)\s*(?:=~|!~|!=|=)\s*{_STRING}"
_ANY_MATCHER = _MATCHER.replace("?P<label>", "?:")
_SELECTOR = re.compile(
    rf"(?P<metric>[A-Za-z_:][A-Za-z0-9_:]*)\s*"
    rf"(?P<matchers>\{{\s*(?:{_ANY_MATCHER}\s*(?:,\s*{_ANY_MATCHER}\s*)*,?\s*)?\}})?"
)


class PromQLError(PlaceholderError):
    """A query or selector that cannot be used; the message says why."""


def quote(value: str) -> str:
    """The inside of a double-quoted PromQL string that means exactly this value.

    PromQL strings follow Go's: a backslash, a quote and a newline are escaped, and so is every character that the lexer
    might refuse. A lone surrogate, which UTF-8 cannot carry, becomes U+FFFD.
    """
    return "".join(_quoted(character) for character in value)


def _quoted(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    if character == "\n":
        return "\\n"
    if "\ud800" <= character <= "\udfff":
        return "\\ufffd"
    if character.isprintable() and character != "\ufffd":
        return character
    point = ord(character)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def render(query: str, strings: Mapping[str, str], window: str | None = None) -> str:
    """Fill a query's placeholders.

    `strings` may stand only inside double-quoted strings, where they are escaped; `{{window}}` (a PromQL duration) may
    also stand outside. Raises PromQLError for an unknown placeholder, one in the wrong place, and an open string.
    """
    rendered: list[str] = []
    position = 0
    while position < len(query):
        segment = _SEGMENT.match(query, position)
        if segment is None:
            raise PromQLError(f"a string that starts at character {position + 1} is not closed")
        text = segment.group()
        if segment.lastgroup == "string":
            rendered.append(_fill(text, strings, window, in_string=True))
        elif segment.lastgroup == "code":
            rendered.append(_fill(text, strings, window, in_string=False))
        elif "{{" in text:
            raise PromQLError(f"a placeholder may stand only inside a double-quoted string, not in {text}")
        else:
            rendered.append(text)
        position = segment.end()
    return "".join(rendered)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders of a text that is compared as it is, in no language. Raises PromQLError for an unknown one."""

    def value(match: re.Match[str]) -> str:
        if match["name"] not in values:
            known = ", ".join(f"{{{{{each}}}}}" for each in values)
            raise PromQLError(f"unknown placeholder {match.group()}; known here: {known}")
        return values[match["name"]]

    return re.sub(_PLACEHOLDER, value, text)


def _fill(text: str, strings: Mapping[str, str], window: str | None, *, in_string: bool) -> str:
    filled: list[str] = []
    literal: list[str] = []
    for part in _PART.finditer(text):
        name = part["name"]
        if name is None:
            filled.append(part.group())
            literal.append(part.group())
            continue
        literal.append(" ")
        if name == WINDOW and window is not None:
            filled.append(window)
        elif name not in strings:
            known = ", ".join(f"{{{{{each}}}}}" for each in [*strings, *([WINDOW] if window is not None else [])])
            raise PromQLError(f"unknown placeholder {{{{{name}}}}}; known here: {known or 'none'}")
        elif not in_string:
            raise PromQLError(f"{{{{{name}}}}} may stand only inside a double-quoted string")
        else:
            filled.append(quote(strings[name]))
    if "{{" in "".join(literal):
        raise PromQLError(f"a placeholder is malformed in {text.strip()}: write {{{{name}}}}")
    return "".join(filled)


def check_selector(text: str) -> str:
    """A plain vector selector, `name` or `name{label="value", ...}`, stripped. Raises PromQLError for all else.

    Ranges, offset, @, functions and a matcher on the metric's name are refused: the counting expression adds the first
    three itself, and series of several names would not match one to one.
    """
    stripped = text.strip()
    match = _SELECTOR.fullmatch(stripped)
    if match is None:
        raise PromQLError(
            f'{stripped} is not a plain selector: write name or name{{label="value"}}, without range, offset, @ or functions'
        )
    labels = {matcher["label"] for matcher in re.finditer(_MATCHER, match["matchers"] or "")}
    if "__name__" in labels:
        raise PromQLError(f"{stripped} matches on __name__: name one metric instead")
    return stripped


def narrowed(selector: str, labels: Mapping[str, str]) -> str:
    """A plain selector (check_selector) that matches these labels' values, too."""
    if not labels:
        return selector
    matchers = ", ".join(f'{label}="{quote(value)}"' for label, value in sorted(labels.items()))
    name, brace, rest = selector.partition("{")
    inside = rest.rstrip().removesuffix("}").strip().rstrip(",") if brace else ""
    return f"{name.strip()}{{{inside}, {matchers}}}" if inside else f"{name.strip()}{{{matchers}}}"


def count_since(selector: str, window: int, by: Iterable[str] = (NAMESPACE_LABEL, REVISION_LABEL)) -> str:
    """Exact increments of counters in the last `window` seconds, summed by these labels.

    Prometheus' increase() extrapolates and misses increments between windows, so adjoining windows do not add up. This
    takes a counter's last value now and its last value a window ago: differences over adjoining windows telescope. A
    series without an earlier value (a new pod began at 0) or with a greater one (its process restarted) counts whole.
    """
    now = f"last_over_time({selector}[{COUNTER_MEMORY_SECONDS}s])"
    earlier = f"last_over_time({selector}[{COUNTER_MEMORY_SECONDS}s] offset {window}s)"
    return f"sum by ({', '.join(sorted(by))}) (({now} - {earlier} >= 0) or {now})"


def unless_known(selector: str, window: int, margin: int) -> str:
    """One series without labels when no counter of this selector is known from `margin` seconds before the window, else none.

    Then `count_since` may count whole lives of pods: Prometheus has lost its data, or scrapes these counters for the first time. The margin is the time
    in which every pod is scraped once, for some are scraped sooner than others.
    """
    return f"absent(last_over_time({selector}[{COUNTER_MEMORY_SECONDS}s] offset {window + margin}s))"
