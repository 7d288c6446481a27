"""The program of tests/cluster/tools/kstatus: what kstatus' own library makes of objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cluster.binaries import KSTATUS, ensure
from cluster.cache import Cache
from cluster.progress import Progress

Answer = dict[str, str]


class Kstatus:
    """Built from source when the cache is cold."""

    def __init__(self) -> None:
        self._program = ensure([KSTATUS], Cache.default(), Progress())["kstatus"]

    def ask(self, manifests: Iterable[Mapping[str, Any]], expressions: Path | None = None) -> list[Answer]:
        """Status and message of each object; by the expressions in a file, as Flux evaluates them, when one is given."""
        options = ["-expressions", expressions] if expressions is not None else []
        done = subprocess.run(
            [self._program, *options],
            input="\n".join(map(json.dumps, manifests)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def status(self, manifest: Mapping[str, Any]) -> str:
        """The status of one object."""
        return self.ask([manifest])[0]["status"]
