"""Reads what the load generator writes, also while it writes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak.outcomes import LOST, Outcome


@dataclass(frozen=True)
class Lost:
    """A request that failed and was not failed by the model on purpose."""

    at: float
    """When it was due, in seconds since the epoch."""
    host: str
    version: str
    outcome: Outcome
    detail: str
    """The error, or the beginning of the answer's body."""
    status: int
    """0 without an answer."""
    seconds: float
    """From sending to failure."""
    fresh: bool
    """On a connection of its own."""
    nth: int
    """Which request of its connection it was; 0 when that could not be opened."""


Key = tuple[int, str, str, Outcome]
"""The second in which requests were due, host, version, outcome."""


@dataclass
class Tally:
    """Everything known of the requests so far."""

    counts: Counter[Key] = field(default_factory=Counter)
    lost: list[Lost] = field(default_factory=list)
    began: float = 0.0
    """Due time of the first request, in seconds since the epoch; 0 before that."""
    end: dict[str, Any] | None = None
    """The generator's own sums, once it has ended well."""

    @property
    def answered(self) -> int:
        """Requests whose end is known."""
        return self.counts.total()

    def between(self, begin: float, end: float) -> Counter[Key]:
        """Counts of the whole seconds that begin in this span."""
        return Counter({key: number for key, number in self.counts.items() if begin <= key[0] < end})

    def lost_between(self, begin: float, end: float) -> list[Lost]:
        """The lost requests of the same seconds."""
        return [lost for lost in self.lost if begin <= int(lost.at) < end]

    def add(self, line: dict[str, Any]) -> None:
        """Take one line in."""
        for second, host, version, outcome, number in line.get("counts", ()):
            self.counts[second, host, version, Outcome(outcome)] += number
        if "lost" in line:
            self.lost.append(Lost(**{**line["lost"], "outcome": Outcome(line["lost"]["outcome"])}))
        self.began = line.get("began", self.began)
        self.end = line.get("end", self.end)


def lost_in(counts: Counter[Key]) -> int:
    """How many requests of these were lost."""
    return sum(number for key, number in counts.items() if key[3] in LOST)


class TallyFile:
    """The generator's output, read on from where the last reading ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.tally = Tally()

    def read(self) -> Tally:
        """Take in the new whole lines; the file may not be there yet."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                self.tally.add(json.loads(line))
        return self.tally
