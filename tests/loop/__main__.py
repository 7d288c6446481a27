"""`python -m loop`: from a bare machine to the report of a whole loop. Exits with 1 when a promise is not kept."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cluster import AlreadyRunning, Cluster, ClusterError
from cluster.images import LOOP_TRAINER
from demo.installation import InstallationError, install_operator
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
    parser.add_argument("--keep", action="store_true", help="leave the cluster up afterwards")
    parser.add_argument("--name", default="steersman-loop", help="name of the cluster (default: %(default)s)")
    parser.add_argument("--provider", default="auto", choices=["auto", "existing", "kind", "embedded"])
    parser.add_argument("--context", default="", help="kubectl context of the provider `existing`")
    parser.add_argument("--image-prefix", default="", help="registry from which `existing` pulls the images")
    parser.add_argument("--rate", type=float, default=40.0, help="requests per second (default: %(default)g)")
    parser.add_argument("--steady", type=float, default=30.0, help="seconds without a change (default: %(default)g)")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the report (default: here)")
    options = parser.parse_args(arguments)
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    target: Cluster | None = None
    try:
        target = Cluster.up(
            options.name,
            provider=options.provider,
            context=options.context,
            image_prefix=options.image_prefix,
            scrape_interval="2s",
            tied=not options.keep,
        )
        return run(target, options, console)
    except AlreadyRunning:
        hint = f"make cluster-down NAME={options.name}"
        console.print(f"A cluster named {options.name} is up: choose another --name, or take it down: {hint}")
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted.")
        return 130
    except (ClusterError, InstallationError, LoopError, subprocess.SubprocessError) as error:
        console.print(f"\n{error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    finally:
        if target is not None:
            if options.keep:
                console.print(f"The cluster is left up:\n{target.describe()}", highlight=False)
            else:
                target.down()


if __name__ == "__main__":
    sys.exit(main())
