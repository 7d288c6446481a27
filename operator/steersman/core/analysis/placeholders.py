"""Placeholders, `{{name}}`, in texts of any language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

PLACEHOLDER = r"\{\{\s*(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*\}\}"
WINDOW = "window"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class PlaceholderError(ValueError):
    """A text whose placeholders cannot be filled; the message says why."""


def unknown(name: str, known: Iterable[str]) -> PlaceholderError:
    """What to say of a name that stands for nothing here."""
    names = ", ".join(f"{{{{{each}}}}}" for each in known)
    return PlaceholderError(f"unknown placeholder {{{{{name}}}}}; known here: {names or 'none'}")


def has_placeholder(text: str) -> bool:
    """Whether anything in the text looks like the beginning of one."""
    return "{{" in text


def fill(text: str, value_of: Callable[[str], str]) -> str:
    """Fill every placeholder. Raises PlaceholderError where `value_of` does, and for a malformed one."""
    rendered: list[str] = []
    literal: list[str] = []
    position = 0
    for match in re.finditer(PLACEHOLDER, text):
        rendered += [text[position : match.start()], value_of(match["name"])]
        # A space keeps braces apart that stand on both sides of a placeholder.
        literal += [text[position : match.start()], " "]
        position = match.end()
    rendered.append(text[position:])
    literal.append(text[position:])
    if has_placeholder("".join(literal)):
        raise PlaceholderError(f"a placeholder is malformed in {_short(text)}: write {{{{name}}}}")
    return "".join(rendered)


def lookup(
    values: Mapping[str, str], window: str | None, safe: Callable[[str, str], str], *, only_window: str | None = None
) -> Callable[[str], str]:
    """A function from a placeholder's name to what stands for it.

    `safe` gets name and value. `only_window` says where else other placeholders belong, when just `{{window}}` may stand here.
    """

    def value_of(name: str) -> str:
        if name == WINDOW and window is not None:
            return window
        if name not in values:
            raise unknown(name, [*values, *([WINDOW] if window is not None else [])])
        if only_window is not None:
            raise PlaceholderError(f"{{{{{name}}}}} may stand only {only_window}")
        return safe(name, values[name])

    return value_of


def without_control(name: str, value: str) -> str:
    """The value, if it has no control character. Raises PlaceholderError."""
    if _CONTROL.search(value):
        raise PlaceholderError(f"the value of {{{{{name}}}}} has a control character or half a character in it")
    return value


def refused(name: str, value: str, why: str) -> PlaceholderError:
    """What to say of a value that cannot be made safe."""
    return PlaceholderError(f"the value of {{{{{name}}}}}, {_short(ascii(value))}, {why}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
