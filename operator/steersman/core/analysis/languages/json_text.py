"""JSON documents. They are parsed first and filled afterwards, so that no value can become anything but a part of a string."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from steersman.core.analysis.placeholders import PlaceholderError, fill, lookup, without_control


def render(text: str, values: Mapping[str, str], window: int | None) -> str:
    """Fill the strings of a JSON text, and write it compactly. Raises PlaceholderError, also when it is no JSON."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise PlaceholderError(f"this is no JSON ({said}); placeholders may stand only inside its strings") from None
    return json.dumps(fill_strings(document, values, window), separators=(",", ":"))


def fill_strings(node: Any, values: Mapping[str, str], window: int | None) -> Any:
    """The same structure with every string filled; keys stay as they are. Raises PlaceholderError."""
    if isinstance(node, str):
        return fill(node, lookup(values, None if window is None else f"{window}s", without_control))
    if isinstance(node, list):
        return [fill_strings(each, values, window) for each in node]
    if isinstance(node, dict):
        return {key: fill_strings(each, values, window) for key, each in node.items()}
    return node
