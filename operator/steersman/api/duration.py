"""Durations written as Go and Kubernetes users write them: 500ms, 30s, 5m, 1h30m."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

PATTERN = r"^([0-9]{1,7}(\.[0-9]{1,6})?(ms|s|m|h)){1,4}$"
"""Bounded, so that a moment plus a duration stays within the years that a timestamp can name."""
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> float:
    """Seconds of a duration string; numbers pass as seconds. Raises ValueError naming the accepted form."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or not re.match(PATTERN, value):
        raise ValueError(f"{value!r} is not a duration: write for example 30s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value))


def format_duration(seconds: float) -> str:
    """The shortest exact form of a number of seconds: 90.0 -> 1m30s, 0.25 -> 250ms."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    whole, rest = divmod(milliseconds, 1000)
    hours, remainder = divmod(whole, 3600)
    minutes, secs = divmod(remainder, 60)
    parts = [(hours, "h"), (minutes, "m"), (secs, "s"), (rest, "ms")]
    return "".join(f"{number}{unit}" for number, unit in parts if number)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "maxLength": 32}),
]
"""A length of time: seconds in Python, a Go duration string on the wire."""

Interval = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(ge=1.0),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": PATTERN,
            "maxLength": 32,
            "x-kubernetes-validations": [
                {"rule": "duration(self) >= duration('1s')", "message": "must be at least 1s"}
            ],
        }
    ),
]
"""The time between looks at another server: a Duration of at least a second."""
