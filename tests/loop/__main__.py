"""`python -m loop`: from a bare machine to the report of a whole loop. Exits with 1 when a promise is not kept."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cluster import Cluster, ClusterError
from cluster.images import LOOP_TRAINER
from demo.installation import InstallationError, install_operator
from demo.running import add_options, bring_up, on_cluster
from loop.outputs import write_outputs
from loop.scenario import Loop, LoopError, Observations, play

NAMESPACE = "clinic"


def run(target: Cluster, options: argparse.Namespace, console: Console) -> int:
    """Install, play, report."""
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[{time.monotonic() - began:6.1f}] {text}", markup=False, highlight=False, soft_wrap=True)

    data: Path = options.output / "loop-report.data"
    data.mkdir(parents=True, exist_ok=True)
    for left_over in data.iterdir():
        left_over.unlink()
    target.build_source(LOOP_TRAINER)
    install_operator(target)
    target.kubectl("create", "namespace", NAMESPACE)
    target.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    seen = Observations()
    loop = Loop(target, NAMESPACE, say, seen)
    try:
        play(loop, options.rate, options.steady, data / "requests.jsonl")
    finally:
        loop.finish()
        seen.save(data / "observations.json")
    (data / "run.json").write_text(json.dumps({"rate": options.rate}))
    report = write_outputs(data, options.output)
    console.print()
    for promise in report["promises"]:
        mark = "[bold green]kept    [/]" if promise["kept"] else "[bold red]NOT KEPT[/]"
        console.print(mark, f"{promise['name']}: [dim]{promise['found']}[/]", highlight=False, soft_wrap=True)
    console.print(f"See {options.output / 'loop-report.html'}, .png and .json.", highlight=False)
    return 0 if report["passed"] else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop."""
    parser = argparse.ArgumentParser(prog="python -m loop", description=__doc__)
    add_options(parser, "steersman-loop", rate=40.0)
    parser.add_argument("--steady", type=float, default=30.0, help="seconds without a change (default: %(default)g)")
    options = parser.parse_args(arguments)
    console = Console()
    errors = (ClusterError, InstallationError, LoopError, subprocess.SubprocessError)
    return on_cluster(
        options, console, lambda: bring_up(options), lambda target: run(target, options, console), *errors
    )


if __name__ == "__main__":
    sys.exit(main())
