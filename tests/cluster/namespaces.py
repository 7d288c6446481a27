"""Starts a process in namespaces of its own and runs commands in the namespaces of another."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.requirements import NAMESPACE_FLAGS

KINDS = ("net", "mount", "pid", "uts", "ipc")


def isolate(command: Sequence[str | Path]) -> list[str]:
    """The command line that runs `command` as process 1 of new namespaces.

    They end with the process that starts this line: the kernel kills unshare with its parent (the death signal that
    setpriv sets), process 1 with unshare, and everything else with process 1.
    """
    words = [str(word) for word in command]
    return bound_to_parent(["unshare", *NAMESPACE_FLAGS, "--kill-child=KILL", "--", *words])


def run_module(name: str) -> list[str]:
    """The command line that runs `main` of the module cluster.NAME; PYTHONPATH must lead to the package."""
    # Not by -m, which warns of modules that the package has imported already.
    return [sys.executable, "-P", "-c", f"from cluster.{name} import main; main()"]


def bound_to_parent(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` until it ends, or until the process that starts this line does."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


def enter(process: int, command: Sequence[str | Path], kinds: Sequence[str] = ("net",)) -> list[str]:
    """The command line that runs `command` in those namespaces of `process`."""
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise ValueError(f"no such kinds of namespaces: {', '.join(sorted(unknown))}")
    words = [str(word) for word in command]
    return ["nsenter", "--target", str(process), *(f"--{kind}" for kind in kinds), "--", *words]


def children(process: int) -> list[int]:
    """The processes that `process`'s main thread has started and that live."""
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(process: int) -> bool:
    """Whether the process exists and has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def below(process: int, path: str) -> Path:
    """`path` as it is seen in the mount namespace of `process`."""
    return Path(f"/proc/{process}/root") / path.lstrip("/")


def namespace_id(process: int, kind: str) -> str:
    """The kernel's name of a namespace, such as net:[4026532000]."""
    return str(Path(f"/proc/{process}/ns/{'mnt' if kind == 'mount' else kind}").readlink())
