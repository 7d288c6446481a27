"""How busy this machine is: a soak on one that has no time left measures that, not the gateway."""

from __future__ import annotations

from pathlib import Path

IDLE = (3, 4)
"""Positions of `idle` and `iowait` in the line `cpu` of /proc/stat, proc(5)."""
KINDS = 8
"""Further ones, of guests, are contained in the first."""


class Busy:
    """The share of the CPUs' time that was used, since this was made."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._began = self._read()

    @property
    def share(self) -> float:
        """From 0 to 1."""
        spent = [now - then for now, then in zip(self._read(), self._began, strict=True)]
        return 1 - sum(spent[kind] for kind in IDLE) / max(1, sum(spent))

    def _read(self) -> list[int]:
        return [int(word) for word in self._stat.read_text().split("\n", 1)[0].split()[1 : KINDS + 1]]
