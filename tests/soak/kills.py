"""Kills the operator's leader with SIGKILL at random instants, one in each window of time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from cluster import Cluster, ClusterError
from e2e.operator import kill_leader

PATIENCE = 90.0
"""Seconds in which a kill must come about: there may be no leader for a while, or another one just after it was looked up."""


@dataclass(frozen=True)
class Kill:
    """One kill."""

    at: float
    """Seconds since the epoch."""
    pod: str
    moments: tuple[str, ...]
    """What each ModelDeployment was in the middle of."""


def instants(seed: int, window: float) -> Iterator[float]:
    """Seconds from the begin, one in each window, uniformly distributed in it."""
    chance = random.Random(seed)
    number = 0
    while True:
        yield window * (number + chance.random())
        number += 1


@dataclass
class Kills:
    """Kills from enter to exit, from a thread of its own."""

    cluster: Cluster
    window: float
    """Seconds; 0: no kills."""
    seed: int
    moments: Callable[[], tuple[str, ...]]
    done: list[Kill] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why kills did not come about."""

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kills")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        if not self.window:
            return
        began = time.monotonic()
        for instant in instants(self.seed, self.window):
            # One that was held up, by a cluster without a leader, is not made up for.
            if time.monotonic() - began > instant:
                continue
            if self._stop.wait(began + instant - time.monotonic()):
                return
            self._kill()

    def _kill(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._stop.is_set():
            at, moments = time.time(), self.moments()
            try:
                # Short waits: who ends the soak does not wait for a leader.
                self.done.append(Kill(at, kill_leader(self.cluster, timeout=1), moments))
                return
            except (AssertionError, ClusterError, KeyError, IndexError) as error:
                if time.monotonic() > deadline:
                    self.problems.append(f"the leader could not be killed: {error}")
                    return
                self._stop.wait(1.0)
