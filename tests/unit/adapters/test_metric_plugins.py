"""Providers of other distributions: a fake one lies on sys.path."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steersman.adapters.metrics.plugin import PluginProvider
from steersman.core.analysis.model import MetricQuery, Over, Part, Sample, Source
from steersman.ports import MetricError, Secrets

MODULE = """
import asyncio
from steersman.core.analysis.model import Sample, Series

async def constant(question):
    if question.config.get("sleep"):
        await asyncio.sleep(60)
    if question.config.get("fail"):
        raise RuntimeError("no luck")
    return question.config.get("value")

class Store:
    series = True
    async def __call__(self, question):
        if question.over:
            return [Series({}, ((question.at, 1.0),))]
        return [Sample({"q": question.query, "key": question.credentials["key"].decode()}, question.at)]

def blocking(question):
    return 1
"""


@pytest.fixture(autouse=True)
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "weather_plugin.py").write_text(MODULE)
    info = tmp_path / "weather-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weather\nVersion: 1.0\n")
    names = ["constant = weather_plugin:constant", "store = weather_plugin:Store", "blocking = weather_plugin:blocking"]
    broken = "broken = weather_plugin_that_is_not_there:x"
    (info / "entry_points.txt").write_text("[steersman.metrics]\n" + "\n".join([*names, broken]) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("weather_plugin", None)


def query(name: str, text: str = "", over: Over | None = None, **more: Any) -> MetricQuery:
    source = Source("plugin", json.dumps({"name": name, "timeout": "1s", **more}), "ns")
    return MetricQuery("t/m", Part.VALUE, source, text, 15.0, over)


@pytest.mark.parametrize(("value", "found"), [(1.5, [1.5]), (2, [2.0]), (True, [1.0]), (None, [])])
async def test_a_function_gives_a_number_or_none(value: Any, found: list[float]) -> None:
    samples = await PluginProvider().query(query("constant", config={"value": value}), Secrets())
    assert [sample.value for sample in samples] == found


async def test_a_class_is_made_once_and_gets_query_and_credentials() -> None:
    provider = PluginProvider()
    secrets = Secrets("ns", {"s": {"key": b"abc"}})
    asked = query("store", "sun", credentials={"secretName": "s"})
    assert await provider.query(asked, secrets) == (Sample({"q": "sun", "key": "abc"}, 15.0),)
    (series,) = await provider.query_range(query("store", over=Over(0.0, 1.0)), secrets)
    assert series.points == ((15.0, 1.0),)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            query("rain"),
            "there is no metric plugin rain; installed in the operator's image: blocking, broken, constant",
        ),
        (query("broken"), "plugin broken failed: ModuleNotFoundError"),
        (query("blocking"), "plugin blocking is no async function"),
        (query("constant", config={"fail": True}), "plugin constant failed: RuntimeError: no luck"),
        (query("constant", config={"sleep": True}), "gave no answer within 1 s"),
        (query("constant", config={"value": "a"}), "gave str, where a number"),
    ],
)
async def test_what_goes_wrong(asked: MetricQuery, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        await PluginProvider().query(asked, Secrets())


async def test_a_plugin_without_values_over_time() -> None:
    with pytest.raises(MetricError, match="plugin constant has one value at a time"):
        await PluginProvider().query_range(query("constant", over=Over(0.0, 1.0)), Secrets())
