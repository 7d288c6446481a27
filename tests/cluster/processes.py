"""Runs the programs of a light control plane, without namespaces.

`main` runs with the state folder as its argument.

Every program dies with this process, by the death signal that the kernel sends it, and this one with its keeper.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from cluster.layout import State
from cluster.namespaces import bound_to_parent

COMMANDS = "commands.json"
VITAL = ("etcd", "kube-apiserver")


def write_commands(state: State, commands: dict[str, list[str]]) -> None:
    """Leave the command lines, by component name, where main reads them."""
    (state.folder / COMMANDS).write_text(json.dumps(commands, indent=1))


def main() -> None:
    """Start every program; end when etcd or the API server does, as the others are of no use then."""
    state = State(Path(sys.argv[1]))
    commands: dict[str, list[str]] = json.loads((state.folder / COMMANDS).read_text())
    running = {_start(state, name, command): name for name, command in commands.items()}
    while True:
        process, status = os.wait()
        ended = running.pop(process)
        if ended in VITAL:
            sys.exit(f"{ended} ended with {os.waitstatus_to_exitcode(status)}")
        # The controller-manager gives up when the API server's roles are not there yet.
        time.sleep(0.2)
        running[_start(state, ended, commands[ended])] = ended


def _start(state: State, name: str, command: list[str]) -> int:
    with (state.logs / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            bound_to_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ).pid
