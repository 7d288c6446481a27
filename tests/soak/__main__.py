"""`python -m soak`: from a bare machine to the figures of a soak. Exits with 1 when a promise is not kept."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster import OPERATOR, Cluster, ClusterError
from demo.installation import install_operator
from soak.promises import check
from soak.report import as_json, lost_lines, sender_line, table
from soak.run import Result, run
from soak.settings import Settings

CLUSTER_VARIABLE = "STEERSMAN_TEST_CLUSTER"
NAMESPACE = "steersman-system"


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, and say what came of it."""
    options = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=False)
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[{time.monotonic() - began:6.1f}] {line}", markup=False, soft_wrap=True)

    settings = Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})
    say(f"seed {settings.seed}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            cluster = _cluster(options, stack)
            install_operator(cluster)
            if options.cluster:
                _restart_operator(cluster)
            result = run(cluster, settings, say)
        return conclude(result, console, options.report)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except ClusterError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1


def conclude(result: Result, console: Console, report: Path | None = None) -> int:
    """Print the figures and the promises, write the report; 0 when all promises are kept."""
    promises = check(result)
    console.print()
    console.print(table(result))
    console.print(sender_line(result), soft_wrap=True)
    for line in lost_lines(result):
        console.print(f"  lost: {line}", markup=False, soft_wrap=True)
    for promise in promises:
        mark = "kept    " if promise.kept else "NOT KEPT"
        console.print(f"{mark} {promise.name}: {promise.found}", markup=False, soft_wrap=True)
    if report is not None:
        report.write_text(json.dumps(as_json(result, promises), indent=1))
        console.print(f"See {report}.", soft_wrap=True)
    return 0 if all(promise.kept for promise in promises) else 1


def _cluster(options: argparse.Namespace, stack: ExitStack) -> Cluster:
    """The running cluster that was named, with the operator's image of this checkout; else one of our own."""
    if options.cluster:
        cluster = Cluster.attach(options.cluster)
        cluster.build_source(OPERATOR)
        return cluster
    # Counting lost requests takes the embedded one: kubectl's own port forwarding loses some by itself.
    return stack.enter_context(Cluster.up(options.name, provider="embedded", scrape_interval="2s"))


def _restart_operator(cluster: Cluster) -> None:
    """The image may be another one under the same name."""
    for action in ("restart", "status"):
        cluster.kubectl("-n", NAMESPACE, "rollout", action, "deployment/steersman")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)

    def option(flag: str, convert: Callable[[str], Any], about: str, default: Any = None) -> None:
        name = flag.removeprefix("--").replace("-", "_")
        chosen = default if default is not None else getattr(Settings, name)
        parser.add_argument(flag, type=convert, default=chosen, help=f"{about} (default: {chosen})")

    option("--rounds", int, "promotions, aborts and rollbacks, of each so many")
    option("--switches", int, "blue-green switches")
    option("--requests", int, "requests at least")
    option("--rate", float, "requests per second")
    option("--kill-window", float, "seconds, in each of which the leader is killed once; 0: never")
    option("--round-timeout", float, "seconds for one round")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(1_000_000), help="of the kills (default: random)"
    )
    parser.add_argument("--report", type=Path, help="file for the figures, as JSON")
    parser.add_argument("--name", default="soak", help="name of the cluster that is made (default: %(default)s)")
    parser.add_argument(
        "--cluster",
        default=os.environ.get(CLUSTER_VARIABLE, ""),
        help=f"a running cluster to use instead (default: ${CLUSTER_VARIABLE})",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
