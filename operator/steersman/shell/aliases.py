"""Aliases of one registry: with many of them, a few searches say which have moved, and only those are asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from steersman.ports import RegistryError

Alias = tuple[str, str]
"""(registered model, alias)"""
Search = Callable[[Collection[Alias]], Awaitable[Mapping[Alias, str]]]

MANY: Final = 10
"""With more aliases than this a search is cheaper than a question about each."""
CONFIRM_SECONDS: Final = 300.0
"""An alias that searches say has not moved is asked for all the same after so long."""


@dataclass(eq=False)
class _Followed:
    alias: Alias
    version: str
    confirmed: bool = False
    """The latest search showed the version that is known."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class AliasWatch:
    """Follows the aliases of one registry (one URL, one set of credentials). `run` it as a task while anybody waits."""

    def __init__(
        self, search: Search, interval: float, on_searched: Callable[[float], None] = lambda seconds: None
    ) -> None:
        """`search` gives the versions that it could find out; `interval` is in seconds; `on_searched` hears how long it took."""
        self._search = search
        self._interval = interval
        self._on_searched = on_searched
        self._followed: set[_Followed] = set()
        self._worth_it_from = 0.0

    async def until_due(self, alias: Alias, version: str) -> None:
        """Wait until the alias should be asked for again: it may have moved from this version, or cannot be searched for."""
        followed = _Followed(alias, version)
        self._followed.add(followed)
        try:
            loop = asyncio.get_running_loop()
            due, latest = loop.time() + _jittered(self._interval), loop.time() + _jittered(CONFIRM_SECONDS)
            while True:
                limit = latest if followed.confirmed else due
                try:
                    async with asyncio.timeout_at(limit):
                        await followed.changed.wait()
                except TimeoutError:
                    return
                followed.changed.clear()
                if followed.version != version:
                    return
                # No longer confirmed: not all at once.
                due = loop.time() + self._interval * random.random()  # noqa: S311
        finally:
            self._followed.discard(followed)

    async def run(self) -> None:
        """Search once in each interval, when that is worth it."""
        while True:
            await asyncio.sleep(_jittered(self._interval))
            await self._look()

    async def _look(self) -> None:
        found: Mapping[Alias, str] = {}
        begin = asyncio.get_running_loop().time()
        if len(self._followed) > MANY and begin >= self._worth_it_from:
            try:
                found = await self._search({followed.alias for followed in self._followed})
            except RegistryError:
                # Whoever asks for an alias by itself will hear why, and say so.
                found = {}
            else:
                self._on_searched(asyncio.get_running_loop().time() - begin)
                if not found:
                    # This registry leaves aliases out of searches.
                    self._worth_it_from = begin + _jittered(CONFIRM_SECONDS)
        for followed in self._followed:
            version = found.get(followed.alias)
            confirmed = version == followed.version
            if version is not None and not confirmed:
                followed.version = version
                followed.changed.set()
            elif confirmed != followed.confirmed:
                followed.changed.set()
            followed.confirmed = confirmed


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311
