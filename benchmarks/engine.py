"""`python -m benchmarks.engine`: what the rollout engine costs, and how fast it is, against a real API server."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import burst, idle, report, rollback, rollout
from benchmarks.results import Result
from benchmarks.stage import Stage

Part = Callable[[Stage], Awaitable[Result]]

FULL: dict[str, Part] = {
    "rollout": lambda stage: rollout.measure(stage, rollout.Settings()),
    "rollback": lambda stage: rollback.measure(stage, rollback.Settings()),
    "idle": lambda stage: idle.measure(stage, idle.Settings()),
    "burst": lambda stage: burst.measure(stage, burst.Settings()),
}
QUICK: dict[str, Part] = {
    "rollout": lambda stage: rollout.measure(stage, rollout.Settings(4, 1, 3, 0.5, 5.0, full=False)),
    "rollback": lambda stage: rollback.measure(stage, rollback.Settings(5, full=False)),
    "idle": lambda stage: idle.measure(stage, idle.Settings((20, 50), 10.0, full=False)),
    "burst": lambda stage: burst.measure(stage, burst.Settings(20, 5, full=False)),
}


def main() -> int:
    """Measure, print, and say by the exit code whether a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes; targets that need the full ones are not judged"
    )
    parser.add_argument("--write", action="store_true", help="write the figures into docs/benchmarks.md")
    parser.add_argument("--only", nargs="+", choices=list(FULL), default=list(FULL), help="parts to measure")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="run the operator under cProfile; one file per part"
    )
    arguments = parser.parse_args()
    if arguments.write and (arguments.quick or set(arguments.only) != set(FULL)):
        parser.error("--write is for a whole run")
    if arguments.profile:
        arguments.profile.mkdir(parents=True, exist_ok=True)
    parts = QUICK if arguments.quick else FULL
    results = asyncio.run(_measure({name: parts[name] for name in arguments.only}, arguments.profile))
    text = report.markdown(results)
    print(text)
    if arguments.write:
        report.write(text)
    missed = [f"{result.title}: {figure.what}" for result in results for figure in result.figures if figure.missed]
    for what in missed:
        print(f"missed: {what}", file=sys.stderr)
    return 1 if missed else 0


async def _measure(parts: dict[str, Part], profile: Path | None) -> list[Result]:
    results = []
    for name, measure in parts.items():
        begin = time.monotonic()
        # Each part has an API server and an operator of its own: nothing is left over from another.
        async with Stage.up(name, profile / f"{name}.profile" if profile else None) as stage:
            results.append(await stage.run(measure))
        print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return results


if __name__ == "__main__":
    sys.exit(main())
