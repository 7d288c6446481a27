"""CustomResourceDefinitions of the kinds that Steersman makes objects of, out of pinned Go modules. Nothing is built.

tools/crds has the pins. go.sum there has the hashes of these modules alone: theirs are the only files that are used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.binaries import go_environment
from cluster.cache import KIT, Cache, finished_folder
from cluster.commands import run
from cluster.connection import Connection
from cluster.errors import BuildFailed
from cluster.progress import Progress
from cluster.requirements import require_architecture
from cluster.toolchain import find_go

TOOLS = KIT / "tools" / "crds"
FINISHED = "finished"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML has it: these files are long."""


@dataclass(frozen=True)
class Source:
    """Files of a Go module, and which of the kinds that they define are wanted."""

    module: str
    pattern: str
    kinds: frozenset[str]


SOURCES = (
    Source(
        "sigs.k8s.io/gateway-api",
        "config/crd/standard/gateway.networking.k8s.io_*routes.yaml",
        frozenset({"HTTPRoute", "GRPCRoute"}),
    ),
    Source(
        "istio.io/api",
        "kubernetes/customresourcedefinitions.gen.yaml",
        frozenset({"VirtualService", "DestinationRule"}),
    ),
    Source(
        "github.com/traefik/traefik/v3",
        "docs/content/reference/dynamic-configuration/traefik.io_*.yaml",
        frozenset({"TraefikService", "IngressRoute"}),
    ),
    Source("github.com/projectcontour/contour", "examples/contour/01-crds.yaml", frozenset({"HTTPProxy"})),
    Source("github.com/kedacore/keda/v2", "config/crd/bases/keda.sh_*.yaml", frozenset({"ScaledObject"})),
    # The Go proxy does not have APISIX's own module; this is the copy that Argo Rollouts tests against.
    Source("github.com/argoproj/argo-rollouts", "test/e2e/crds/apisix.yaml", frozenset({"ApisixRoute"})),
)


def definitions(cache: Cache | None = None, progress: Progress | None = None) -> list[dict[str, Any]]:
    """The CustomResourceDefinitions of all SOURCES, fetched when the cache lacks them. Raises BuildFailed."""
    cache = cache or Cache.default()
    target = cache.binaries / f"crds-{_key()}"
    if not (target / FINISHED).is_file():
        with cache.lock("crds"):
            if not (target / FINISHED).is_file():
                _fetch(target, cache, progress or Progress())
    return [json.loads(path.read_text()) for path in sorted(target.glob("*.json"))]


def install(connection: Connection) -> None:
    """Give a cluster all of them and wait until it serves them."""
    found = definitions()
    everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    connection.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=everything)
    for definition in found:
        connection.wait("condition=Established", f"customresourcedefinition/{definition['metadata']['name']}")


def _key() -> str:
    digest = hashlib.sha256()
    for path in (TOOLS / "go.mod", TOOLS / "go.sum", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _fetch(target: Path, cache: Cache, progress: Progress) -> None:
    go = find_go(cache, TOOLS, progress)
    env = go_environment(require_architecture())
    pins = _pins(go, env)
    with finished_folder(target) as work, progress.step("Fetching CustomResourceDefinitions") as step:
        for number, source in enumerate(SOURCES):
            step.update(number, len(SOURCES), "modules")
            wanted = set(source.kinds)
            for definition in _read(_folder(go, env, source.module, pins[source.module]), source.pattern):
                kind = definition["spec"]["names"]["kind"]
                if kind in wanted:
                    wanted.remove(kind)
                    name = f"{definition['metadata']['name']}.json"
                    (work / name).write_text(json.dumps(_completed(definition)))
            if wanted:
                raise BuildFailed(f"{source.module} {pins[source.module]} has no {', '.join(sorted(wanted))} any more.")
        (work / FINISHED).touch()


def _pins(go: Path, env: Mapping[str, str]) -> dict[str, str]:
    text = run(
        [go, "mod", "edit", "-json"], cwd=TOOLS, env=env, error=BuildFailed, explain="The pins could not be read"
    )
    return {item["Path"]: item["Version"] for item in json.loads(text)["Require"]}


def _folder(go: Path, env: Mapping[str, str], module: str, version: str) -> Path:
    """Where Go has unpacked a module, after it has compared it with go.sum."""
    text = run(
        [go, "mod", "download", "-json", f"{module}@{version}"],
        cwd=TOOLS,
        env=env,
        error=BuildFailed,
        explain=f"{module} could not be downloaded; check the way to the Go module proxy",
    )
    return Path(json.loads(text)["Dir"])


def _read(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(pattern)):
        for document in yaml.load_all(path.read_text(), Loader=_LOADER):
            if document and document["kind"] == "CustomResourceDefinition":
                yield document


def _completed(definition: dict[str, Any]) -> dict[str, Any]:
    """APISIX's copy is older than spec.ingressClassName, which both versions of the controller read."""
    if definition["spec"]["names"]["kind"] == "ApisixRoute":
        for version in definition["spec"]["versions"]:
            spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
            spec["properties"].setdefault("ingressClassName", {"type": "string"})
    return definition
