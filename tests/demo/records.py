"""What the load generator writes down of each request, and how its outcome is called."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from enum import StrEnum
from pathlib import Path

from demo.names import BAD_VERSION


class Cause(StrEnum):
    """Why a request failed, as far as its sender can tell."""

    NONE = ""
    """It did not fail."""
    MODEL = "model"
    """500 from the model's own server: the model raised."""
    SERVER = "server"
    """Another 5xx from the model's own server, such as 503 because it is stopping."""
    REFUSED = "refused"
    """4xx: the request was at fault, or no route matched."""
    GATEWAY = "gateway"
    """5xx that no model server sent: the gateway found nobody to answer."""
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    """The connection was refused, reset or closed without an answer."""
    GARBLED = "garbled"
    """200, but not a prediction."""


def cause_of(status: int, version: str) -> Cause:
    """Name the outcome of an answered request; `version` is empty when no model server said that it answered."""
    if 200 <= status < 300:
        return Cause.NONE
    if status >= 500:
        if not version:
            return Cause.GATEWAY
        return Cause.MODEL if status == 500 else Cause.SERVER
    return Cause.REFUSED


@dataclass(frozen=True, slots=True)
class Record:
    """One request of a user."""

    at: float
    """When it was due, in seconds since the epoch."""
    latency: float
    """Seconds from then to the end of its answer, so a stalled service is not flattered by a sender that waits for it."""
    status: int
    """HTTP status; 0 without an answer."""
    version: str
    """Model version that answered; empty when that is not known."""
    cause: Cause
    correct: bool
    """The prediction is the digit that was written."""

    @property
    def done_at(self) -> float:
        """When its answer was complete."""
        return self.at + self.latency

    @property
    def failed(self) -> bool:
        """The user got no prediction."""
        return self.cause is not Cause.NONE

    @property
    def excused(self) -> bool:
        """It failed by the bad version's own exception, which the demo is about."""
        return self.cause is Cause.MODEL and self.version == BAD_VERSION

    def to_line(self) -> str:
        """The record as a line of JSON."""
        return json.dumps(astuple(self), separators=(",", ":")) + "\n"


def parse_line(line: str) -> Record:
    """Read a record back. Raises ValueError on anything that is not one."""
    try:
        at, latency, status, version, cause, correct = json.loads(line)
        return Record(float(at), float(latency), int(status), str(version), Cause(cause), bool(correct))
    except (TypeError, ValueError) as error:
        raise ValueError(f"not a record: {line.strip()[:80]!r}") from error


def parse_lines(lines: Iterable[str]) -> Iterator[Record]:
    """Read records; an unfinished last line, which a reader of a growing file meets, is left out."""
    for line in lines:
        if line.endswith("\n"):
            yield parse_line(line)


def read_records(path: Path) -> list[Record]:
    """All records of a file in the order in which the requests were due."""
    with path.open() as file:
        return sorted(parse_lines(file), key=lambda record: record.at)


class Tail:
    """Reads what was added to a file of records since the last call; the file may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Record]:
        """The new whole lines."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return list(parse_lines(whole.decode().splitlines(keepends=True)))
