"""What is kept of an object that was seen, in little memory: thousands of them are known at a time."""

from __future__ import annotations

from typing import Any, Final

from steersman.ports import Manifest

SHARED_STRINGS: Final = 10_000
"""Most strings that are kept once for all objects."""

_shared: dict[str, str] = {}


def lean(manifest: Manifest) -> Manifest:
    """A copy without managedFields and, of a Deployment, without its pod template: planning compares that by its hash alone.

    Equal names of fields and equal words are one string in all copies, which halves them.
    """
    copy: Manifest = _lean(manifest)
    copy["metadata"].pop("managedFields", None)
    if copy["kind"] == "Deployment":
        copy.get("spec", {}).pop("template", None)
    return copy


def _lean(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {_share(name): _lean(item) for name, item in value.items()}
    if kind is list:
        return [_lean(item) for item in value]
    # Timestamps, uids and most names hold a dash or begin with a digit: each is its own.
    return _share(value) if kind is str and value.isidentifier() else value


def _share(text: str) -> str:
    known = _shared.get(text)
    if known is not None:
        return known
    if len(_shared) < SHARED_STRINGS:
        _shared[text] = text
    return text
