"""The faults that can be injected. Each says what happens to one request that its rule picked."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Refuse:
    """Answered with an error status, and not forwarded."""

    code: int
    """409, 410, 429, 500, 503 or 504."""
    retry_after: int | None = None
    """Seconds for the Retry-After header; None for no header."""


@dataclass(frozen=True)
class Silence:
    """Never answered: the connection stays open until the client gives up, or for `seconds`, after which it is cut."""

    forwarded: bool
    """True: the API server did what was asked, and only its answer is lost."""
    seconds: float = 3600.0


@dataclass(frozen=True)
class Hangup:
    """The connection is reset in place of an answer."""

    forwarded: bool
    """True: the API server did what was asked, and only its answer is lost."""


@dataclass(frozen=True)
class Late:
    """Forwarded only after a while, also when the client has given up by then: what a congested network does."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """Forwarded only once `release` is called, also when the client is gone by then."""

    _gate: threading.Event = field(default_factory=threading.Event, compare=False)
    caught: threading.Event = field(default_factory=threading.Event, compare=False)
    """Set as soon as a request is held."""

    def release(self) -> None:
        """Let everything that is held go on to the API server."""
        self._gate.set()

    @property
    def released(self) -> bool:
        """Whether requests pass."""
        return self._gate.is_set()


@dataclass(frozen=True)
class Drop:
    """A watch: the stream is cut after so many events, `torn` in the middle of the next one's line, or after `seconds`."""

    events: int
    torn: bool = False
    seconds: float = 3600.0


@dataclass(frozen=True)
class Lag:
    """A watch: every event comes so many seconds late, in order."""

    seconds: float


@dataclass(frozen=True)
class Expire:
    """A watch: answered at once with one ERROR event of code 410, as for a resourceVersion that is too old."""


Fault = Refuse | Silence | Hangup | Late | Hold | Drop | Lag | Expire
WATCH_FAULTS = (Drop, Lag, Expire)
"""Faults of a watch that is open; the others can befall a watch before it opens, too."""
