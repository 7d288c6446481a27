"""Kubernetes, etcd, CoreDNS, Contour and Helm, built from pinned Go modules into the cache.

Each module has a folder below tools/ with go.mod and go.sum, and sources where there are any. What was built is kept under
a key made from these files and the build flags, so a pin that changes is built beside the old one, and nothing is built twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.cache import KIT, Cache, clear_unfinished, finished_folder
from cluster.commands import run, stream
from cluster.errors import BuildFailed
from cluster.progress import Progress, Step
from cluster.requirements import COLD_SPACE, require_architecture, require_space
from cluster.toolchain import find_go

KUBERNETES_VERSION = "v1.37.2"
BUILD_FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly")
STAMP = "stamp.json"


@dataclass(frozen=True)
class GoModule:
    """A folder below tools/ and the programs that are built from it."""

    name: str
    programs: Mapping[str, str]
    """Program name to Go package."""
    stamps: Mapping[str, str] = field(default_factory=dict)
    """Go variables set by the linker, such as the version that the program reports."""
    tags: tuple[str, ...] = ()
    """Go build tags."""
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Files kept beside the programs: folder name to (module, glob below it)."""

    @property
    def folder(self) -> Path:
        """Where go.mod and go.sum are."""
        return KIT / "tools" / self.name

    @property
    def linker_flags(self) -> str:
        """Without symbol tables, with the version stamped in."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.stamps.items())])

    @property
    def flags(self) -> list[str]:
        """The flags of `go build`."""
        tags = [f"-tags={','.join(self.tags)}"] if self.tags else []
        return [*BUILD_FLAGS, *tags, f"-ldflags={self.linker_flags}"]

    def key(self, architecture: str) -> str:
        """The content address of what this module builds to."""
        digest = hashlib.sha256()
        for path in (self.folder / "go.mod", self.folder / "go.sum", *sorted(self.folder.glob("*.go"))):
            digest.update(path.read_bytes())
        recipe = [architecture, self.flags, sorted(self.programs.items()), sorted(self.files.items())]
        digest.update(json.dumps(recipe).encode())
        return digest.hexdigest()[:16]


KUBERNETES = GoModule(
    name="kubernetes",
    programs={
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
        )
    },
    stamps={
        # Without these kubectl cannot parse the server's version.
        "k8s.io/component-base/version.gitVersion": KUBERNETES_VERSION,
        "k8s.io/component-base/version.gitMajor": KUBERNETES_VERSION.split(".")[0].lstrip("v"),
        "k8s.io/component-base/version.gitMinor": KUBERNETES_VERSION.split(".")[1],
    },
)
ETCD = GoModule(name="etcd", programs={"etcd": "go.etcd.io/etcd/server/v3"})
COREDNS = GoModule(name="coredns", programs={"coredns": "github.com/coredns/coredns"})
CONTOUR = GoModule(
    name="contour",
    programs={"contour": "github.com/projectcontour/contour/cmd/contour"},
    stamps={"github.com/projectcontour/contour/internal/build.Version": "v1.33.8"},
    files={
        "gateway-api-crds": ("sigs.k8s.io/gateway-api", "config/crd/experimental/gateway.*.yaml"),
        "contour-manifests": ("github.com/projectcontour/contour", "examples/contour/0*.yaml"),
    },
)
PROMETHEUS = GoModule(
    # Debian's package leaves out the discovery of Kubernetes pods; this one leaves out that of everything else.
    name="prometheus",
    programs={
        "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
        "promtool": "github.com/prometheus/prometheus/cmd/promtool",
    },
    stamps={"github.com/prometheus/common/version.Version": "3.16.0"},
    tags=("remove_all_sd", "enable_kubernetes_sd"),
)
HELM = GoModule(
    name="helm",
    programs={"helm": "helm.sh/helm/v4/cmd/helm"},
    stamps={"helm.sh/helm/v4/internal/version.version": "v4.3.1"},
)
KSTATUS = GoModule(
    # Part of no cluster: a program of our own that asks the library by which Flux knows that an object is done. What it
    # needs is pinned to the versions in tools/kubernetes, so that Go has it built already.
    name="kstatus",
    programs={"kstatus": "steersman.dev/tests/cluster/tools/kstatus"},
)
ACTIONLINT = GoModule(
    # Part of no cluster either: it checks the example of a GitHub workflow.
    name="actionlint",
    programs={"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
)

ALL = (KUBERNETES, ETCD, COREDNS, CONTOUR, PROMETHEUS, HELM)


@dataclass(frozen=True)
class Binaries:
    """Built programs by name."""

    folders: tuple[Path, ...]

    def __getitem__(self, program: str) -> Path:
        """The path of `program`; KeyError when its module was not asked for."""
        return self._find(program)

    @property
    def kubectl(self) -> Path:
        """The kubectl of the cluster's own version."""
        return self._find("kubectl")

    @property
    def helm(self) -> Path:
        """Helm."""
        return self._find("helm")

    @property
    def path(self) -> str:
        """The folders, as a PATH."""
        return os.pathsep.join(str(folder) for folder in self.folders)

    def files(self, name: str) -> list[Path]:
        """The files kept under `name` in GoModule.files, sorted."""
        return sorted(Path(found) for folder in self.folders for found in folder.glob(f"{name}/*"))

    def _find(self, name: str) -> Path:
        for folder in self.folders:
            if (folder / name).is_file():
                return folder / name
        raise KeyError(name)


def ensure(modules: Iterable[GoModule], cache: Cache, progress: Progress) -> Binaries:
    """Build what the cache lacks of `modules`, one after another, and return the programs."""
    architecture = require_architecture()
    folders = []
    for module in modules:
        target = _target(module, cache, architecture)
        if not is_built(target):
            with cache.lock(f"build-{module.name}", waiting=_say_waiting(progress, module.name)):
                if not is_built(target):
                    _build(module, target, cache, progress, architecture)
        folders.append(target)
    return Binaries(tuple(folders))


def all_built(modules: Iterable[GoModule], cache: Cache) -> bool:
    """Whether the cache holds all programs of `modules`."""
    architecture = require_architecture()
    return all(is_built(_target(module, cache, architecture)) for module in modules)


def _target(module: GoModule, cache: Cache, architecture: str) -> Path:
    return cache.binaries / f"{module.name}-{module.key(architecture)}"


def _say_waiting(progress: Progress, name: str) -> Callable[[], None]:
    return lambda: progress.say(f"Another process is building {name}; waiting for it")


def is_built(target: Path) -> bool:
    """Whether the folder is whole: its stamp is there and every program it names is."""
    try:
        programs = json.loads((target / STAMP).read_text())["programs"]
    except (OSError, ValueError, KeyError):
        return False
    return all((target / program).is_file() for program in programs)


def go_environment(architecture: str) -> dict[str, str]:
    """Settings under which the same sources always give the same programs, without a C compiler."""
    return {"CGO_ENABLED": "0", "GOFLAGS": "", "GOOS": "linux", "GOARCH": architecture, "GOWORK": "off"}


def _build(module: GoModule, target: Path, cache: Cache, progress: Progress, architecture: str) -> None:
    require_space(cache.root, COLD_SPACE if module is KUBERNETES else COLD_SPACE // 3)
    go = find_go(cache, module.folder, progress)
    env = go_environment(architecture)
    clear_unfinished(target.parent)
    log = cache.root / "logs" / f"build-{module.name}.log"
    explain = f"Building {module.name} failed; try again, what is done so far is kept"
    with finished_folder(target) as work:
        with progress.step(f"Downloading the sources of {module.name}"):
            total = _packages_to_build(go, module, env)
        with progress.step(f"Building {module.name}") as step:
            output = _Counting(step, total)
            for program, package in _grouped(module, work):
                stream(
                    [go, "build", "-v", *module.flags, "-o", program, *package],
                    output.line,
                    cwd=module.folder,
                    env=env,
                    log=log,
                    error=BuildFailed,
                    explain=explain,
                )
        for folder, (source, pattern) in module.files.items():
            _copy_files(go, module, env, source, pattern, work / folder)
        (work / STAMP).write_text(json.dumps({"programs": sorted(module.programs)}))
    _remove_older(target, module.name)


def _grouped(module: GoModule, work: Path) -> list[tuple[str, list[str]]]:
    """(-o argument, packages) of each `go build`: one for all where Go names the programs as we do."""
    if all(package.rsplit("/", 1)[-1] == program for program, package in module.programs.items()):
        return [(f"{work}/", list(module.programs.values()))]
    return [(str(work / program), [package]) for program, package in module.programs.items()]


class _Counting:
    """Counts the packages that `go build -v` names."""

    def __init__(self, step: Step, total: int) -> None:
        self._step = step
        self._total = total
        self._done = 0

    def line(self, text: str) -> None:
        """Take one line of Go's output."""
        if text and " " not in text:
            self._done += 1
            self._step.update(self._done, self._total, "packages")


def _packages_to_build(go: Path, module: GoModule, env: Mapping[str, str]) -> int:
    # Go's build cache may hold a part of them from an interrupted build.
    listed = run(
        [
            go,
            "list",
            "-deps",
            *module.flags,
            "-f",
            '{{if and .Stale (ne .StaleReason "not installed but available in build cache")}}.{{end}}',
            *module.programs.values(),
        ],
        cwd=module.folder,
        env=env,
        error=BuildFailed,
        explain=f"The sources of {module.name} could not be downloaded; check the way to the Go module proxy",
    )
    return listed.count(".")


def _copy_files(go: Path, module: GoModule, env: Mapping[str, str], source: str, pattern: str, target: Path) -> None:
    folder = run(
        [go, "list", "-m", "-f", "{{.Dir}}", source],
        cwd=module.folder,
        env=env,
        error=BuildFailed,
        explain=f"The files of {source} were not found",
    ).strip()
    target.mkdir()
    for found in sorted(Path(folder).glob(pattern)):
        shutil.copyfile(found, target / found.name)
    if not any(target.iterdir()):
        raise BuildFailed(f"{source} has no files {pattern}; its layout changed, so the pin needs another pattern.")


def _remove_older(target: Path, name: str) -> None:
    """Keep the two newest builds of a module: the disk is finite, and people switch between two branches."""
    builds = sorted(target.parent.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in builds[2:]:
        shutil.rmtree(old, ignore_errors=True)
