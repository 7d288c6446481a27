"""What every demo does around its story: options of the cluster, a cluster that comes and goes, errors in words."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from cluster import AlreadyRunning, Cluster


def add_options(parser: argparse.ArgumentParser, name: str, rate: float) -> None:
    """The options that demos share, with the cluster's name and the requests per second as they are by default."""
    parser.add_argument("--keep", action="store_true", help="leave the cluster up afterwards")
    parser.add_argument("--name", default=name, help="name of the cluster that is made (default: %(default)s)")
    parser.add_argument("--provider", default="auto", choices=["auto", "existing", "kind", "embedded"])
    parser.add_argument("--context", default="", help="kubectl context of the provider `existing`")
    parser.add_argument(
        "--image-prefix", default="", help="registry from which the provider `existing` pulls the images"
    )
    parser.add_argument("--rate", type=float, default=rate, help="requests per second (default: %(default)g)")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the report (default: here)")


def bring_up(options: argparse.Namespace) -> Cluster:
    """The cluster that the options name."""
    return Cluster.up(
        options.name,
        provider=options.provider,
        context=options.context,
        image_prefix=options.image_prefix,
        scrape_interval="2s",
        tied=not options.keep,
    )


def on_cluster(
    options: argparse.Namespace,
    console: Console,
    up: Callable[[], Cluster],
    run: Callable[[Cluster], int],
    *errors: type[Exception],
) -> int:
    """Run on a cluster, and take it down in any case unless it is to be kept; the exit code. `errors` are told in words."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    target: Cluster | None = None
    try:
        target = up()
        return run(target)
    except AlreadyRunning:
        console.print(
            f"A cluster named {options.name} is up: choose another name with --name, or take it down with\n"
            f"  make cluster-down NAME={options.name}",
            highlight=False,
        )
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted.")
        return 130
    except errors as error:
        console.print(f"\n{error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    finally:
        if target is not None:
            if options.keep:
                console.print(f"The cluster is left up:\n{target.describe()}", highlight=False)
            else:
                target.down()
