"""Chooses where a cluster comes from.

`auto`: an existing cluster when one is named, by --context or $STEERSMAN_KUBE_CONTEXT; kind when it is installed,
Docker answers and the node image can be had; else the embedded cluster.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from cluster import keeping, kind
from cluster.cache import Cache, valid_name
from cluster.cluster import Cluster
from cluster.embedded import EmbeddedCluster, ensure_down
from cluster.errors import MissingRequirement, NotRunning
from cluster.existing import CONTEXT_VARIABLE, ExistingCluster
from cluster.kind import KindCluster
from cluster.options import Options
from cluster.parts import choose
from cluster.progress import Progress

NAMES = ("auto", "existing", "kind", "embedded")


def choose_provider(wanted: str, options: Options, *, kind_usable: Callable[[], bool] = kind.usable) -> str:
    """The provider to use. MissingRequirement when there is none of that name."""
    if wanted not in NAMES:
        raise MissingRequirement(f"There is no provider '{wanted}'; the providers are {', '.join(NAMES)}.")
    if wanted != "auto":
        return wanted
    if options.context or os.environ.get(CONTEXT_VARIABLE):
        return "existing"
    return "kind" if kind_usable() else "embedded"


def up(
    options: Options,
    *,
    provider: str = "auto",
    reuse: bool = False,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Cluster:
    """Start a cluster; see Cluster.up."""
    valid_name(options.name)
    choose(options.parts)
    cache = cache or Cache.default()
    progress = progress or Progress()
    if reuse and (there := _find(options.name, cache, progress)) is not None:
        progress.say(f"The cluster '{options.name}' is up already")
        for source in options.images:
            there.build_source(source)
        return there
    match choose_provider(provider, options):
        case "existing":
            return ExistingCluster.start(options, cache, progress)
        case "kind":
            return KindCluster.start(options, cache, progress)
        case _:
            return EmbeddedCluster.start(options, cache, progress)


def attach(name: str, *, cache: Cache | None = None, progress: Progress | None = None) -> Cluster:
    """A cluster that is up; see Cluster.attach."""
    cache = cache or Cache.default()
    found = _find(valid_name(name), cache, progress or Progress())
    if found is None:
        there = names(cache)
        known = f" These are up: {', '.join(there)}." if there else " None is up."
        raise NotRunning(f"No cluster named '{name}' is up.{known}")
    return found


def down(name: str, *, cache: Cache | None = None) -> bool:
    """Take a cluster down, or remove what a killed one left; whether there was anything."""
    cache = cache or Cache.default()
    found = ensure_down(cache, valid_name(name))
    if kind.KIND_PREFIX + name in kind.names():
        KindCluster.attached(name, cache, Progress(quiet=True)).down()
        found = True
    return found


def names(cache: Cache) -> list[str]:
    """The names of the clusters that are up."""
    ours = [name.removeprefix(kind.KIND_PREFIX) for name in kind.names() if name.startswith(kind.KIND_PREFIX)]
    return sorted({*keeping.names(cache), *ours})


def _find(name: str, cache: Cache, progress: Progress) -> Cluster | None:
    kept = keeping.find(cache, name)
    if kept is not None and (kept.state.folder / "parts").is_file():
        return EmbeddedCluster.attached(kept, cache, progress)
    if kind.KIND_PREFIX + name in kind.names():
        return KindCluster.attached(name, cache, progress)
    return None
