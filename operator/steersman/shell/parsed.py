"""Specs as models. Parsing one costs as much as a part of planning, so it is done once for each generation."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar

from pydantic import ValidationError

from steersman.api.meta import ApiModel
from steersman.ports import Manifest

Spec = TypeVar("Spec", bound=ApiModel)

KEPT: Final = 256
"""Most specs that are kept; the least recently used are parsed again."""


class ParsedSpecs:
    """Parses specs, and remembers them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], ApiModel] = OrderedDict()

    def of(self, model: type[Spec], manifest: Manifest) -> Spec | ValidationError:
        """The object's spec, or why it is not valid."""
        metadata = manifest["metadata"]
        key = (str(metadata.get("uid", "")), int(metadata.get("generation", 0)))
        kept = self._kept.get(key)
        if isinstance(kept, model):
            self._kept.move_to_end(key)
            return kept
        try:
            spec = model.model_validate(manifest.get("spec") or {})
        except ValidationError as error:
            return error
        if all(key):
            self._kept[key] = spec
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return spec
