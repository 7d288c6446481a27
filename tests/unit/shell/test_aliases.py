from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping

import pytest

from steersman.api.conditions import Reason
from steersman.ports import ModelVersion, RegistryCredentials, RegistryError, VersionSelector
from steersman.shell import aliases
from steersman.shell.aliases import MANY, Alias, AliasWatch
from steersman.shell.credentials import RegistrySecrets
from steersman.shell.registries import RegistryPoller, RegistrySource
from unit.shell.memory_cluster import MemoryCluster

INTERVAL = 0.02


class Registry:
    """Every model has the alias `champion`; searches and questions are counted."""

    def __init__(self) -> None:
        self.versions: dict[Alias, str] = {}
        self.hidden = False
        """Whether searches leave aliases out."""
        self.down = False
        self.searches = 0
        self.questions: list[str] = []

    async def aliases(
        self, url: str, credentials: RegistryCredentials | None, wanted: Collection[Alias]
    ) -> Mapping[Alias, str]:
        self.searches += 1
        if self.down:
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, "down")
        return {} if self.hidden else {pair: self.versions[pair] for pair in wanted}

    async def resolve(
        self, url: str, credentials: RegistryCredentials | None, selector: VersionSelector
    ) -> ModelVersion:
        self.questions.append(selector.model)
        if self.down:
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, "down")
        return ModelVersion(selector.model, self.versions[selector.model, selector.alias or ""])


@contextlib.asynccontextmanager
async def polling(registry: Registry, models: int, namespaces: int = 1) -> AsyncIterator[list[tuple[str, str]]]:
    """A poller of `models` aliases; gives the keys whose answer changed."""
    enqueued: list[tuple[str, str]] = []
    poller = RegistryPoller(
        registry, RegistrySecrets(MemoryCluster()), enqueued.append, lambda s, t: None, lambda o, s: None
    )
    for number in range(models):
        model = f"m{number}"
        registry.versions[model, "champion"] = "1"
        source = RegistrySource(f"ns{number % namespaces}", "mlflow", "http://mlflow", interval=INTERVAL)
        poller.answer((source.namespace, model), source, VersionSelector(model, alias="champion"))
    yield enqueued
    await poller.close()


async def until(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(INTERVAL / 4)


async def test_many_aliases_of_one_registry_are_searched_for_together() -> None:
    registry = Registry()
    async with polling(registry, 5 * MANY, namespaces=5):
        await until(lambda: registry.searches >= 3)
        registry.questions.clear()
        searches = registry.searches
        await until(lambda: registry.searches >= searches + 5)
        # One by one it would have been five times as many as there are aliases.
        assert len(registry.questions) < 5 * MANY


async def test_an_alias_that_moves_wakes_who_asked_for_it_and_nobody_else() -> None:
    registry = Registry()
    async with polling(registry, 5 * MANY) as enqueued:
        await until(lambda: registry.searches >= 3)
        registry.questions.clear()
        enqueued.clear()
        registry.versions["m7", "champion"] = "2"
        await until(lambda: enqueued)
        assert enqueued == [("ns0", "m7")]
        assert "m7" in registry.questions


async def test_few_aliases_are_asked_for_one_by_one() -> None:
    registry = Registry()
    async with polling(registry, MANY):
        await until(lambda: len(registry.questions) >= 3 * MANY)
        assert registry.searches == 0


@pytest.mark.parametrize("trouble", ["hidden", "down"])
async def test_what_searches_do_not_show_is_asked_for_one_by_one(trouble: str) -> None:
    registry = Registry()
    async with polling(registry, 2 * MANY):
        await until(lambda: registry.searches >= 3)
        setattr(registry, trouble, True)
        registry.questions.clear()
        await until(lambda: set(registry.questions) == {f"m{number}" for number in range(2 * MANY)})


async def test_a_registry_that_hides_aliases_is_not_searched_again_soon() -> None:
    registry = Registry()
    registry.hidden = True
    async with polling(registry, 2 * MANY):
        await until(lambda: len(registry.questions) >= 10 * MANY)
        assert registry.searches == 1


async def test_what_searches_confirm_is_asked_for_all_the_same_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aliases, "CONFIRM_SECONDS", 4 * INTERVAL)
    registry = Registry()
    async with polling(registry, 2 * MANY):
        await until(lambda: registry.searches >= 3)
        registry.questions.clear()
        await until(lambda: set(registry.questions) == {f"m{number}" for number in range(2 * MANY)})


async def test_searching_ends_with_the_last_question() -> None:
    registry = Registry()
    poller = RegistryPoller(
        registry, RegistrySecrets(MemoryCluster()), lambda key: None, lambda s, t: None, lambda o, s: None
    )
    source = RegistrySource("ns", "mlflow", "http://mlflow", interval=INTERVAL)
    registry.versions["m", "champion"] = "1"
    poller.answer(("ns", "m"), source, VersionSelector("m", alias="champion"))
    await until(lambda: registry.questions)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert "aliases of http://mlflow" in names
    poller.drop(("ns", "m"))
    await asyncio.sleep(0.01)
    assert "aliases of http://mlflow" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_who_waits_for_an_alias_that_nobody_searches_waits_an_interval() -> None:
    async def search(wanted: Collection[Alias]) -> Mapping[Alias, str]:
        raise AssertionError("one alias is not searched for")

    watch = AliasWatch(search, INTERVAL)
    begin = asyncio.get_running_loop().time()
    await watch.until_due(("m", "champion"), "1")
    assert asyncio.get_running_loop().time() - begin >= 0.9 * INTERVAL
