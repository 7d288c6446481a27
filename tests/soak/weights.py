"""What the route's weights were, and whether they kept to the plan."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

Weights = dict[str, int]


def weights_of(route: dict[str, Any]) -> Weights:
    """Weight by revision, as the HTTPRoute's last rule says; rules before it are for certain requests."""
    return {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][-1]["backendRefs"]}


class WeightHistory:
    """Every set of weights that a route ever carried, with the time at which it was seen."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, Weights]] = []
        self._lock = threading.Lock()

    def note(self, route: dict[str, Any]) -> None:
        """Take in a state of the route."""
        weights = weights_of(route)
        with self._lock:
            if not self._seen or self._seen[-1][1] != weights:
                self._seen.append((time.time(), weights))

    @property
    def latest(self) -> Weights:
        """The weights now."""
        with self._lock:
            return dict(self._seen[-1][1]) if self._seen else {}

    def since(self, begin: float) -> list[Weights]:
        """The weights that were in force at this time, and all that followed."""
        with self._lock:
            before = [weights for at, weights in self._seen if at < begin]
            return before[-1:] + [weights for at, weights in self._seen if at >= begin]

    def of(self, revision: str, begin: float) -> list[int]:
        """The distinct weights in a row that a revision had since then."""
        row: list[int] = []
        for weights in self.since(begin):
            if revision in weights and row[-1:] != [weights[revision]]:
                row.append(weights[revision])
        return row


def wrong_sums(seen: Sequence[Weights]) -> list[Weights]:
    """Those whose sum is not 100."""
    return [weights for weights in seen if sum(weights.values()) != 100]


def follows(row: Sequence[int], planned: Sequence[int], *, promoted: bool) -> bool:
    """Whether a candidate's weights went up the plan step by step: to its end, or to some step and from there to 0."""
    if promoted:
        return list(row) == list(planned)
    up, last = list(row[:-1]), list(row[-1:])
    return last == [0] and 1 < len(up) < len(planned) and up == list(planned[: len(up)])
