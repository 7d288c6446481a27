"""What this process is writing itself: the sight of it leads planning nowhere else than to the plan that wrote it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from steersman.ports import Manifest

_PLANNED_BY: Final = ("uid", "generation", "annotations", "deletionTimestamp")
"""What planning reads of a ModelDeployment's metadata; the spec is in the generation."""
_ANSWERED: Final = frozenset({"Deployment", "HTTPRoute", "GRPCRoute"})
"""Kinds whose controller answers every new generation in the status; planning waits for that."""

_Name = tuple[str, str, str]


class Echoes:
    """Tells the echo of a write from news. The watch may bring it before the request is answered."""

    def __init__(self) -> None:
        self._recorded: dict[_Name, Manifest] = {}
        self._applied: dict[_Name, Manifest | None] = {}

    @contextlib.contextmanager
    def recording(self, sent: Manifest) -> Iterator[None]:
        """While a ModelDeployment's status is written, as it is sent."""
        self._recorded[_name(sent)] = sent
        try:
            yield
        finally:
            del self._recorded[_name(sent)]

    @contextlib.contextmanager
    def applying(self, wanted: Manifest, seen: Manifest | None) -> Iterator[None]:
        """While an object is applied that was last seen so, or not at all."""
        self._applied[_name(wanted)] = seen
        try:
            yield
        finally:
            del self._applied[_name(wanted)]

    def is_echo(self, manifest: Manifest) -> bool:
        """Whether an object is there as this process writes it right now, with nothing new in it from anybody else."""
        name, metadata, status = _name(manifest), manifest["metadata"], manifest.get("status") or {}
        if (sent := self._recorded.get(name)) is not None:
            return status == sent["status"] and all(
                metadata.get(field) == sent["metadata"].get(field) for field in _PLANNED_BY
            )
        if name not in self._applied or manifest["kind"] not in _ANSWERED or metadata.get("deletionTimestamp"):
            return False
        seen = self._applied[name]
        if seen is None:
            return not status.get("observedGeneration") and not status.get("parents")
        return (
            metadata["uid"] == seen["metadata"]["uid"]
            and metadata["generation"] != seen["metadata"]["generation"]
            and status == (seen.get("status") or {})
        )


def _name(manifest: Manifest) -> _Name:
    return manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]
