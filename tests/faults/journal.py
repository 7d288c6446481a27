"""What went through a proxy, in the order in which the requests arrived."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from faults.kinds import Fault
from faults.requestinfo import RequestInfo


@dataclass
class Entry:
    """One request and what became of it. Times are seconds since the epoch."""

    request: RequestInfo
    fault: Fault | None
    body: Any = None
    """The parsed body, if it is JSON."""
    at: float = field(default_factory=time.time)
    """When it arrived."""
    forwarded_at: float | None = None
    """When it was sent on; None if it was not."""
    answer: int | None = None
    """The API server's status code, also when the client never got it."""
    answered_at: float | None = None


class Journal:
    """Grows only; may be read at any time by other threads."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def note(self, request: RequestInfo, fault: Fault | None, body: Any) -> Entry:
        """A request arrived."""
        entry = Entry(request, fault, body)
        self.entries.append(entry)
        return entry

    def writes(self, since: float = 0.0) -> list[Entry]:
        """Writes that arrived after a moment."""
        return [entry for entry in list(self.entries) if entry.request.is_write and entry.at > since]

    def injected(self) -> list[Entry]:
        """Requests that got a fault."""
        return [entry for entry in list(self.entries) if entry.fault is not None]
