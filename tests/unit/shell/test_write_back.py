"""Writes to registries: order, retries, and what is left when nobody wants it any more."""

from __future__ import annotations

import asyncio
from typing import Any

from steersman.api.conditions import Reason
from steersman.core.writes import AliasWrite, TagWrite
from steersman.ports import RegistryError
from steersman.shell.credentials import RegistrySecrets
from steersman.shell.registries import RegistrySource
from steersman.shell.write_back import WriteBackDesk
from unit.shell.memory_cluster import MemoryCluster

KEY = ("risk", "fraud")
SOURCE = RegistrySource("risk", "mlflow", "http://mlflow")
TAGS = TagWrite("http://mlflow", "fraud", "2", "Promoted", 1.0, (("a", "1"), ("b", "2")))
ALIAS = AliasWrite("http://mlflow", "fraud", "2", "production")


class Registry:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.trouble: dict[str, Exception] = {}

    async def set_tag(self, url: str, credentials: Any, version: tuple[str, str], key: str, value: str) -> None:
        await self._call("tag", *version, key, value)

    async def set_alias(self, url: str, credentials: Any, version: tuple[str, str], alias: str) -> None:
        await self._call("alias", *version, alias)

    async def _call(self, *call: str) -> None:
        self.calls.append(call)
        if call[0] in self.trouble:
            raise self.trouble[call[0]]


class Bench:
    def __init__(self) -> None:
        self.registry, self.woken, self.leader = Registry(), list[tuple[str, str]](), True
        self.results: list[str] = []
        self.desk = WriteBackDesk(
            self.registry,
            RegistrySecrets(MemoryCluster()),
            self.woken.append,
            lambda: self.leader,
            self.results.append,
            first_backoff=0.02,
        )


async def test_writes_are_done_in_order_and_once() -> None:
    bench = Bench()
    for _ in range(3):
        bench.desk.submit(KEY, SOURCE, (TAGS, ALIAS))
    await asyncio.sleep(0.02)
    assert bench.registry.calls == [
        ("tag", "fraud", "2", "a", "1"),
        ("tag", "fraud", "2", "b", "2"),
        ("alias", "fraud", "2", "production"),
    ]
    assert bench.desk.written(KEY) == {TAGS: None, ALIAS: None} and bench.woken == [KEY]
    bench.desk.submit(KEY, SOURCE, (TAGS, ALIAS))
    await asyncio.sleep(0.02)
    assert len(bench.registry.calls) == 3, "a plan that was made before they were recorded"
    bench.desk.recorded(KEY, bench.desk.written(KEY))
    assert bench.desk.written(KEY) == {} and bench.results == ["written"] * 2


async def test_trouble_is_tried_again_ever_more_slowly_until_it_is_over() -> None:
    bench = Bench()
    bench.registry.trouble["alias"] = RegistryError(Reason.REGISTRY_UNREACHABLE, "down")
    bench.desk.submit(KEY, SOURCE, (ALIAS, TAGS))
    await asyncio.sleep(0.005)
    assert bench.desk.written(KEY) == {ALIAS: "down", TAGS: None}, "one's trouble does not hold up the other"
    bench.desk.recorded(KEY, bench.desk.written(KEY))
    bench.desk.submit(KEY, SOURCE, (ALIAS,))
    await asyncio.sleep(0.25)
    tried = sum(call[0] == "alias" for call in bench.registry.calls)
    assert 4 <= tried <= 7, "with 20, 40, 80, 160 ms between"
    bench.registry.trouble.clear()
    await asyncio.sleep(0.4)
    assert bench.desk.written(KEY)[ALIAS] is None
    await bench.desk.close()


async def test_a_version_that_is_gone_is_let_be() -> None:
    bench = Bench()
    bench.registry.trouble["tag"] = RegistryError(Reason.VERSION_NOT_FOUND, "gone")
    bench.desk.submit(KEY, SOURCE, (TAGS,))
    await asyncio.sleep(0.05)
    assert bench.desk.written(KEY) == {TAGS: None} and bench.results == ["gone"] and len(bench.registry.calls) == 1


async def test_what_nobody_wants_any_more_is_left() -> None:
    bench = Bench()
    bench.registry.trouble["alias"] = RegistryError(Reason.REGISTRY_UNREACHABLE, "down")
    bench.desk.submit(KEY, SOURCE, (ALIAS,))
    await asyncio.sleep(0.005)
    bench.desk.submit(KEY, SOURCE, ())
    count = len(bench.registry.calls)
    await asyncio.sleep(0.06)
    assert len(bench.registry.calls) == count
    bench.desk.drop(KEY)
    assert bench.desk.written(KEY) == {}


async def test_who_does_not_lead_writes_nothing() -> None:
    bench = Bench()
    bench.leader = False
    bench.desk.submit(KEY, SOURCE, (TAGS, ALIAS))
    await asyncio.sleep(0.05)
    assert bench.registry.calls == [] and bench.desk.written(KEY) == {}


async def test_a_defect_is_said_without_an_end() -> None:
    bench = Bench()
    bench.registry.trouble["alias"] = ZeroDivisionError()
    bench.desk.submit(KEY, SOURCE, (ALIAS,))
    await asyncio.sleep(0.1)
    assert "unexpected" in str(bench.desk.written(KEY)[ALIAS]) and len(bench.registry.calls) > 1
    await bench.desk.close()
