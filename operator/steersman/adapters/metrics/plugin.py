"""Providers of other Python distributions, by entry points in the group `steersman.metrics`.

An entry point names an async function, or a class whose instances (made without arguments, once) can be called in the same
way: it takes a Question and gives a number, None for no data, or Samples.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from steersman.adapters.http import one_line
from steersman.adapters.metrics.answers import no_series
from steersman.api.metric_providers import PluginProvider as Settings
from steersman.core.analysis.model import MetricQuery, Over, Sample, Series
from steersman.ports import MetricError, Secrets

GROUP: Final = "steersman.metrics"
MOST_AT_ONCE: Final = 10
"""Calls of one plugin."""
MOST_VALUES: Final = 100_000
"""In one answer."""


@dataclass(frozen=True)
class Question:
    """What a plugin is asked."""

    query: str
    """The judge's query, its placeholders filled; may be empty."""
    at: float
    """The moment of the look, in seconds since the epoch."""
    config: Mapping[str, Any]
    """From the template, its placeholders filled."""
    credentials: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Keys and values of the Secret that the template names."""
    over: Over | None = None
    """Set when values over time are asked for, of a plugin whose `series` is true: then it gives Series."""
    timeout: float = 5.0
    """Seconds after which nobody waits any more."""


Plugin = Callable[[Question], Awaitable[Any]]


class PluginProvider:
    """Implements steersman.ports.MetricServer."""

    def __init__(self, installed: Callable[[], Iterable[EntryPoint]] = lambda: entry_points(group=GROUP)) -> None:
        self._installed = installed
        self._plugins: dict[str, Plugin] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def query(self, query: MetricQuery, secrets: Secrets) -> tuple[Sample, ...]:
        """What the plugin gives. Raises MetricError, also for whatever the plugin raises."""
        name, answer = await self._ask(query, secrets, over=None)
        if answer is None:
            return ()
        if isinstance(answer, int | float):
            return (Sample({}, float(answer)),)
        samples = isinstance(answer, tuple | list) and all(isinstance(each, Sample) for each in answer)
        if samples and len(answer) <= MOST_VALUES:
            return tuple(answer)
        raise MetricError(f"plugin {name} gave {type(answer).__name__}, where a number, None or Samples are needed")

    async def query_range(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        """Series of a plugin that says `series = True`. Raises MetricError."""
        name, answer = await self._ask(query, secrets, over=query.over)
        series = isinstance(answer, tuple | list) and all(isinstance(each, Series) for each in answer)
        if series and sum(len(each.points) for each in answer) <= MOST_VALUES:
            return tuple(answer)
        raise MetricError(f"plugin {name} gave {type(answer).__name__}, where Series are needed")

    async def close(self) -> None:
        """Close the plugins that can be closed."""
        for plugin in self._plugins.values():
            close = getattr(plugin, "close", None)
            if close is not None and inspect.iscoroutinefunction(close):
                await close()

    async def _ask(self, query: MetricQuery, secrets: Secrets, over: Over | None) -> tuple[str, Any]:
        settings = Settings.model_validate_json(query.source.settings)
        name = settings.name
        credentials = secrets.values[settings.credentials.secret_name] if settings.credentials is not None else {}
        question = Question(query.text, query.at, settings.config, credentials, over, settings.timeout)
        turns = self._turns.setdefault(name, asyncio.Semaphore(MOST_AT_ONCE))
        try:
            async with asyncio.timeout(settings.timeout), turns:
                plugin = await self._plugin(name)
                if over is not None and not getattr(plugin, "series", False):
                    raise no_series(f"plugin {name}")
                return name, await plugin(question)
        except TimeoutError:
            raise MetricError(f"plugin {name} gave no answer within {settings.timeout:g} s") from None
        except MetricError:
            raise
        except Exception as error:
            raise MetricError(f"plugin {name} failed: {type(error).__name__}: {one_line(error)}") from error

    async def _plugin(self, name: str) -> Plugin:
        if name not in self._plugins:
            self._plugins.setdefault(name, await asyncio.to_thread(self._load, name))
        return self._plugins[name]

    def _load(self, name: str) -> Plugin:
        """In a thread, as an import may take long."""
        found = {entry.name: entry for entry in self._installed()}
        if name not in found:
            there = ", ".join(sorted(found)) or "none"
            said = f"there is no metric plugin {name}; installed in the operator's image: {there}"
            raise MetricError(said)
        loaded = found[name].load()
        plugin = loaded() if isinstance(loaded, type) else loaded
        if not inspect.iscoroutinefunction(plugin) and not inspect.iscoroutinefunction(type(plugin).__call__):
            raise MetricError(f"plugin {name} is no async function, and no class whose instances are called like one")
        typed: Plugin = plugin
        return typed
