"""The words that the command line's options and actions take. Imports nothing, so that --help is quick."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How get prints; the others know no wide."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


class Until(StrEnum):
    """What `watch --until` waits for."""

    HEALTHY = "healthy"
    """The revision that the spec asks for serves all traffic."""
    ENDED = "ended"
    """Nothing is under way any more, well or badly."""


class Action(StrEnum):
    """Values of the annotation steersman.dev/action."""

    PROMOTE = "promote"
    ABORT = "abort"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
