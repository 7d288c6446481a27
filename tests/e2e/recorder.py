"""A watch on an HTTPRoute that records every weight it ever carries."""

from __future__ import annotations

import json
import subprocess
import threading
from types import TracebackType
from typing import Any, Self

from e2e.workspace import Workspace


class WeightRecorder:
    """Every set of weights, in order, from enter to exit."""

    def __init__(self, workspace: Workspace, name: str = "fraud") -> None:
        self._workspace = workspace
        self._name = name
        self.seen: list[dict[str, int]] = []

    def __enter__(self) -> Self:
        cluster = self._workspace.cluster
        command = ["kubectl", "-n", self._workspace.namespace, "get", "httproute", self._name, "-o", "json", "--watch"]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**cluster.env, "HOME": "/nonexistent"},
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)

    def candidate_weights(self, revision: str) -> list[int]:
        """The distinct weights in a row that a revision had."""
        weights: list[int] = []
        for seen in self.seen:
            if revision in seen and (not weights or weights[-1] != seen[revision]):
                weights.append(seen[revision])
        return weights

    def _read(self) -> None:
        assert self._process.stdout is not None
        decoder, buffer = json.JSONDecoder(), ""
        for line in self._process.stdout:
            buffer += line
            try:
                manifest, end = decoder.raw_decode(buffer.lstrip())
            except json.JSONDecodeError:
                continue
            buffer = buffer.lstrip()[end:]
            self._note(manifest)

    def _note(self, manifest: dict[str, Any]) -> None:
        weights = {ref["name"]: ref["weight"] for ref in manifest["spec"]["rules"][-1]["backendRefs"]}
        if not self.seen or self.seen[-1] != weights:
            self.seen.append(weights)
