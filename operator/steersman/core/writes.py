"""What a plan has written to a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TagWrite:
    """Tags of a version that say what came of it."""

    registry: str
    """Base URL."""
    model: str
    version: str
    outcome: str
    at: float
    """When its rollout ended, in seconds since the epoch."""
    tags: tuple[tuple[str, str], ...]
    """Key and value, in the order in which they are written."""


@dataclass(frozen=True)
class AliasWrite:
    """An alias that is to name a version."""

    registry: str
    """Base URL."""
    model: str
    version: str
    alias: str


RegistryWrite = TagWrite | AliasWrite
Written = Mapping[RegistryWrite, str | None]
"""What was tried since: None when it is written (or there is nothing to write to any more), else why it is not."""
