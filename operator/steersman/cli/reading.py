"""Tolerant reading of ModelDeployments: what a newer operator wrote and this version does not know is left out, and said."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.errors import UserError
from steersman.cli.view.text import clean

MOST_REPAIRS = 50


def read_model(manifest: dict[str, Any]) -> tuple[ModelDeployment, list[str]]:
    """The parsed object, and the fields that were left out because this version does not understand them.

    Raises UserError when what remains is no ModelDeployment.
    """
    data = copy.deepcopy(manifest)
    left_out: list[str] = []
    for _ in range(MOST_REPAIRS):
        try:
            return ModelDeployment.model_validate(data), left_out
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = _existing(data, first["loc"])
            # Of a field that is missing only the parent exists, and goes.
            if len(place) < 2:
                break
            left_out.append(".".join(map(str, place)))
            _remove(data, place)
    metadata = manifest.get("metadata")
    name = metadata.get("name", "?") if isinstance(metadata, dict) else "?"
    raise UserError(
        f"ModelDeployment {clean(name)} cannot be understood",
        "is this steersman older than the operator? compare `steersman version` with the operator's image",
    )


def _existing(data: Any, location: Sequence[int | str]) -> tuple[int | str, ...]:
    """The longest beginning of a location that is there; pydantic adds parts that name types, not fields."""
    place: list[int | str] = []
    for part in location:
        try:
            data = data[part]
        except (LookupError, TypeError):
            break
        place.append(part)
    return tuple(place)


def _remove(data: Any, place: Sequence[int | str]) -> None:
    for part in place[:-1]:
        data = data[part]
    del data[place[-1]]
