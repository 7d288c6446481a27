"""The command line: `PYTHONPATH=tests python -m cluster up|down|status|shell|build|load|prepare ...`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster import images, keeping, providers
from cluster.cache import REPOSITORY, Cache
from cluster.embedded import prepare
from cluster.errors import ClusterError
from cluster.options import Options
from cluster.parts import ALL_PARTS
from cluster.progress import Progress, duration

PROJECT_IMAGES = {"operator": images.OPERATOR, "mlflow-runtime": images.MLFLOW_RUNTIME}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    chosen = _parser().parse_args(arguments)
    # SIGTERM takes the same way out as Ctrl-C, so that a cluster on its way up is taken down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = Progress()
    try:
        return int(chosen.run(chosen, progress))
    except ClusterError as explained:
        progress.say(f"error: {explained}")
        return 1
    except KeyboardInterrupt:
        progress.say("interrupted")
        return 130


def _up(chosen: argparse.Namespace, progress: Progress) -> int:
    began = progress.clock()
    cluster = providers.up(_options(chosen), provider=chosen.provider, reuse=chosen.reuse, progress=progress)
    progress.say(f"The cluster '{cluster.name}' is up after {duration(progress.clock() - began)}")
    print(cluster.describe())
    return 0


def _down(chosen: argparse.Namespace, progress: Progress) -> int:
    if providers.down(chosen.name):
        progress.say(f"The cluster '{chosen.name}' is down")
    else:
        progress.say(f"No cluster named '{chosen.name}' was up")
    return 0


def _status(chosen: argparse.Namespace, progress: Progress) -> int:
    del chosen
    cache = Cache.default()
    there = providers.names(cache)
    if not there:
        print("No cluster is up.")
    for name in there:
        kept = keeping.find(cache, name)
        if kept is not None and not (kept.state.folder / "parts").is_file():
            print(f"control plane {name} on port {kept.api_port}")
            continue
        print(providers.attach(name, cache=cache, progress=progress).describe())
    return 0


def _shell(chosen: argparse.Namespace, progress: Progress) -> int:
    cluster = providers.attach(chosen.name, progress=progress)
    progress.say("KUBECONFIG and PATH are set; leave with exit")
    return cluster.shell()


def _env(chosen: argparse.Namespace, progress: Progress) -> int:
    for name, value in providers.attach(chosen.name, progress=progress).env.items():
        print(f"export {name}='{value}'")
    return 0


def _build(chosen: argparse.Namespace, progress: Progress) -> int:
    cluster = providers.attach(chosen.name, progress=progress)
    if chosen.dockerfile:
        print(cluster.build_image(chosen.image, chosen.dockerfile, context=chosen.context_folder))
        return 0
    known = {**PROJECT_IMAGES, "loop-trainer": images.LOOP_TRAINER}
    source = known.get(chosen.image)
    if source is None:
        raise ClusterError(f"'{chosen.image}' is none of {', '.join(known)}; name its --dockerfile.")
    print(cluster.build_source(source))
    return 0


def _load(chosen: argparse.Namespace, progress: Progress) -> int:
    providers.attach(chosen.name, progress=progress).load_image(chosen.image)
    return 0


def _forward(chosen: argparse.Namespace, progress: Progress) -> int:
    cluster = providers.attach(chosen.name, progress=progress)
    print(cluster.forward(chosen.namespace, chosen.service, chosen.port, listen=chosen.listen), flush=True)
    if cluster.provider != "embedded":  # kubectl forwards only as long as this process lives
        signal.pause()
    return 0


def _prepare(chosen: argparse.Namespace, progress: Progress) -> int:
    prepare(_options(chosen), Cache.default(), progress)
    return 0


def _options(chosen: argparse.Namespace) -> Options:
    return Options(
        name=chosen.name,
        parts=frozenset(name for name in chosen.parts.split(",") if name),
        images=tuple(PROJECT_IMAGES[name] for name in chosen.images.split(",") if name),
        scrape_interval=chosen.scrape_interval,
        tied=False,
        api_port=chosen.api_port,
        context=chosen.context,
        image_prefix=chosen.image_prefix,
    )


def _project_images(text: str) -> str:
    unknown = {name for name in text.split(",") if name} - set(PROJECT_IMAGES)
    if unknown:
        raise argparse.ArgumentTypeError(f"no such images: {', '.join(sorted(unknown))}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cluster", description="Kubernetes clusters for trying and testing Steersman."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(run=run)
        added.add_argument(
            "--name", default=os.environ.get("STEERSMAN_CLUSTER", "steersman"), help="the cluster's name (steersman)"
        )
        return added

    for name, run, about in (
        ("up", _up, "start a cluster that runs until it is taken down"),
        ("prepare", _prepare, "build everything that an embedded cluster needs, and start none"),
    ):
        added = command(name, run, about)
        added.add_argument("--provider", default="auto", choices=providers.NAMES, help="where it comes from (auto)")
        added.add_argument("--parts", default=",".join(sorted(ALL_PARTS)), help="of gateway,mlflow,prometheus (all)")
        added.add_argument(
            "--images",
            default=",".join(PROJECT_IMAGES),
            type=_project_images,
            help="the project's images to build and load, of operator,mlflow-runtime (both)",
        )
        added.add_argument("--scrape-interval", default="5s", help="how often Prometheus scrapes (5s)")
        added.add_argument("--api-port", default=0, type=int, help="loopback port of the API server (a free one)")
        added.add_argument("--context", default="", help="use the existing cluster of this kubectl context")
        added.add_argument("--image-prefix", default="", help="registry and path from which that cluster pulls")
        added.add_argument("--reuse", action="store_true", help="take a cluster of that name that is up already")
    command("down", _down, "take a cluster down and remove everything of it")
    command("status", _status, "say which clusters are up and where they are reached")
    command("shell", _shell, "run a shell with KUBECONFIG and PATH set")
    command("env", _env, "print KUBECONFIG and PATH for eval")
    building = command("build", _build, "build an image and load it into the cluster")
    building.add_argument(
        "image", help="operator, mlflow-runtime, loop-trainer, or a name for the image of --dockerfile"
    )
    building.add_argument("--dockerfile", type=Path)
    building.add_argument("--context-folder", type=Path, default=REPOSITORY, help="build context (the repository)")
    loading = command("load", _load, "load an image that was built here before")
    loading.add_argument("image", help="its name, such as steersman/operator:dev")
    forwarding = command("forward", _forward, "carry a loopback port to a Service, and print its URL")
    forwarding.add_argument("namespace")
    forwarding.add_argument("service")
    forwarding.add_argument("port", type=int)
    forwarding.add_argument("--listen", type=int, default=0, help="the loopback port (a free one)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
