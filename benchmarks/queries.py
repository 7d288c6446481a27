"""`python -m benchmarks.queries`: what the analyses of many rollouts ask of Prometheus, and what it costs the operator to fold the answers in."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass

from simulation.fleet import INTERVAL, START, Fleet

SIZES = (10, 100, 1000)
METRICS = 3
COUNTERS = 2 * METRICS
TURNS = 4
SETTLED = 2.0


@dataclass(frozen=True)
class Load:
    """Means of an interval."""

    rollouts: int
    queries: float
    bytes: float
    deciding: float
    """CPU milliseconds per rollout to find out what is due and to fold the answers in."""
    all: float
    """CPU milliseconds per rollout of the whole process, the simulated server with its answers among it."""


async def measure(size: int) -> Load:
    """Rollouts that started at different moments of a minute."""
    async with Fleet.of(size, spread=60.0) as fleet:
        first = 5
        for turn in range(first):
            await fleet.turn(START + turn * INTERVAL + SETTLED)
        before = time.process_time()
        costs = [await fleet.turn(START + (first + turn) * INTERVAL + SETTLED) for turn in range(TURNS)]
        spent = time.process_time() - before
    return Load(
        size,
        sum(cost.queries for cost in costs) / TURNS,
        sum(cost.bytes for cost in costs) / TURNS,
        1000 * sum(cost.deciding for cost in costs) / TURNS / size,
        1000 * spent / TURNS / size,
    )


def markdown(loads: list[Load]) -> str:
    """One row a size."""
    head = (
        f"| Rollouts of {METRICS} metrics | Queries an interval | Answers an interval | CPU per rollout and interval: judge "
        "| with the desk, the client and the simulated server |"
    )
    rows = [
        f"| {load.rollouts} | {load.queries:g} | {load.bytes / 1e3:,.0f} kB | {load.deciding:.2f} ms | {load.all:.2f} ms |"
        for load in loads
    ]
    return "\n".join([head, "|---:|---:|---:|---:|---:|", *rows])


def main() -> int:
    """Measure, print, and say by the exit code whether queries grow with the number of rollouts."""
    argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__).parse_args()
    loads = [asyncio.run(measure(size)) for size in SIZES]
    print(markdown(loads))
    return int(any(load.queries != COUNTERS for load in loads))


if __name__ == "__main__":
    sys.exit(main())
