"""Numbers that may be written as a percentage, as in Kubernetes' own API (IntOrString)."""

from __future__ import annotations

import re
from math import ceil
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

PERCENT = r"^[0-9]{1,3}%$"


def _number_or_percent(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (re.match(PERCENT, value) or re.match(r"^[0-9]{1,4}$", value)):
        return value if value.endswith("%") else int(value)
    raise ValueError(f"{value!r} is neither a whole number nor a percentage such as 25%")


IntOrPercent = Annotated[
    int | str,
    BeforeValidator(_number_or_percent),
    WithJsonSchema(
        {
            # Each holds for its own type; as a CEL rule it would cost as much as the longest string that a request can hold.
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "pattern": PERCENT,
        }
    ),
]
"""A whole number, or a percentage such as 25%."""

Surge = IntOrPercent


def resolve(value: int | str, of: int) -> int:
    """The number meant, a percentage of `of` rounded up."""
    return value if isinstance(value, int) else ceil(int(value.removesuffix("%")) * of / 100)
