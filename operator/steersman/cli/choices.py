"""The words that the command line's options and actions take. Imports nothing, so that --help is quick."""

from __future__ import annotations

from dataclasses import dataclass
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
    """What can be asked for by the annotation steersman.dev/action."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    ABORT = "abort"
    ROLLBACK = "rollback"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    RETRAIN = "retrain"


@dataclass(frozen=True)
class Request:
    """An action with what it is about."""

    action: Action
    to: str = ""
    """Rollback: the version or revision; empty for the one that was stable before."""

    @property
    def word(self) -> str:
        """The annotation's value."""
        return f"{self.action.value}:{self.to}" if self.to else self.action.value
