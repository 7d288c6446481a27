"""A figure with what it is held against."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    what: str
    value: float
    unit: str = ""
    limit: float | None = None
    """The target: at most this. None: told for information."""
    argo: str = ""
    """What was measured for Argo Rollouts 1.10.2."""
    flagger: str = ""
    """What was measured for Flagger 1.44."""
    judged: bool = True
    """False when the run is too small for the target to mean anything."""

    @property
    def missed(self) -> bool:
        """Whether the target is not kept."""
        return self.judged and self.limit is not None and self.value > self.limit

    @property
    def verdict(self) -> str:
        """kept, missed, or nothing."""
        if self.limit is None:
            return ""
        if not self.judged:
            return "not judged"
        return "missed" if self.missed else "kept"


@dataclass(frozen=True)
class Result:
    """One part of the benchmark."""

    title: str
    how: str
    """What was done, in a sentence or two."""
    figures: list[Figure]
    details: list[str] = field(default_factory=list)
    """Further Markdown lines."""
