"""Drift all the way: pods that count rows into bins, a real Prometheus, the operator, a real API server."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from cluster.binaries import Binaries
from cluster.control_plane import ControlPlane
from component.drift_pods import ODD, Pod, Scraped, draw, scraping
from simulation import Scene, objects
from simulation.model_deployments import healthy
from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.api.drift_status import DriftStatus
from unit.drift.profiles import Profile

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/drift.md").read_text()
PROFILE = Profile(draw(np.random.default_rng(1), 5000), predictions=("label",))
DRIFT = {"window": "1m", "interval": "1s", "consecutive": 1}
SCRAPED = 1.5
"""Seconds in which every pod is scraped."""
Status = dict[str, Any]


@pytest.fixture(scope="module")
def scraped(prometheus_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    with scraping(prometheus_binaries, tmp_path_factory.mktemp("drift")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    control_plane = await asyncio.to_thread(ControlPlane.up)
    try:
        async with Scene.on(control_plane, tmp_path_factory.mktemp("operator")) as made:
            operator = made.operator()
            operator.start()
            await operator.leading()
            await made.namespace("risk")
            yield made
    finally:
        await asyncio.to_thread(control_plane.down)


def told(kind: str, word: str) -> Callable[[Status], bool]:
    """That a condition has this status or reason."""
    return lambda status: any(
        c["type"] == kind and word in (c["status"], c["reason"]) for c in status.get("conditions", [])
    )


async def agrees_with_the_page(status: Status, revision: str, url: str) -> None:
    """What docs/reference/drift.md shows to do by hand gives what the operator found, the noise and the smoothing apart."""
    (promql,) = re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL)
    provider = PrometheusProvider(url)
    text = promql.replace("fraud-v7-1a2b3c4d", revision).replace("[1h]", "[1m]")
    found = {sample.labels["column"]: sample.value for sample in await provider.instant(None, text, time.time())}
    await provider.close()
    columns = {column["name"]: column for column in status["drift"]["data"]["columns"]}
    assert found.keys() == columns.keys()
    for name, column in columns.items():
        if column["measure"] == "PSI":
            assert column["distance"] <= found[name] + 0.01 and found[name] < column["distance"] + 0.03


async def test_drift_of_stable_is_told_whatever_pods_restart_and_drift_beside_it(
    scene: Scene, scraped: Scraped
) -> None:
    async def until(holds: Callable[[Status], bool]) -> Status:
        return await scene.until("risk", "fraud", holds)

    scene.registry.register("fraud", "1")
    drift = {**DRIFT, "prometheus": {"address": scraped.url}}
    made = objects.model_deployment("risk", "fraud", {"name": "fraud", "version": "1"}, drift=drift)
    await scene.api.client.apply(made)
    revision = (await until(healthy("1")))["stable"]["name"]
    bare = scraped.add("bare", Pod(None, revision))
    other = scraped.add("other", Pod(PROFILE, "fraud-v2-other"))
    assert bare.registry is not other.registry
    await until(told("DataDrift", "NoReference"))

    # Prometheus knows the pods from a time on at which nothing was counted.
    first, second = (scraped.add(name, Pod(PROFILE, revision)) for name in ("first", "second"))
    await asyncio.sleep(SCRAPED)
    await until(told("DataDrift", "NotEnoughData"))
    random = np.random.default_rng(2)
    other.predict(draw(random, 5000, shift=5.0))
    first.predict(draw(random, 700))
    second.predict(draw(random, 300))
    first.learn(wrong=10, fired=0)
    await asyncio.sleep(SCRAPED)
    second.restart()
    # It is scraped before it serves: a counter that is never seen lower than before was not seen to restart.
    await asyncio.sleep(SCRAPED)
    second.predict(draw(random, 500))
    calm = await until(lambda status: status["drift"]["data"]["samples"] > 1300)
    # What Prometheus' increase() adds by extrapolation is a small part.
    assert calm["drift"]["data"]["samples"] == pytest.approx(1500, rel=0.12) and calm["drift"]["data"]["judged"] == 4
    assert told("DataDrift", "NoDrift")(calm) and told("ConceptDrift", "NoDrift")(calm)

    await agrees_with_the_page(calm, revision, scraped.url)

    first.predict(draw(random, 1500, shift=1.5))
    second.learn(wrong=30, fired=1)
    await until(told("ConceptDrift", "True"))
    status = await until(told("DataDrift", "True"))
    assert [column["name"] for column in status["drift"]["data"]["columns"] if column["drifted"]] == [ODD]
    # The schema of the API server pruned nothing.
    assert DriftStatus.model_validate(status["drift"]).to_wire() == status["drift"]
    assert status["phase"] == "Healthy" and told("Ready", "True")(status)
    shown = await asyncio.to_thread(scene.control_plane.kubectl, "get", "events", "-n", "risk", "-o", "json")
    assert "DriftDetected" in {event["reason"] for event in json.loads(shown)["items"]}
