"""A running operator, a running model server and a real Prometheus: what alerts and dashboards name is what is exported.

The metrics of ground truth and drift come from a page made by their contract (stand_in.py), unless the server exports them.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from helm.dashboards.quality import population_stability_index
from tests.component.adapters.processes import free_port, running
from tests.component.observability import stand_in
from tests.component.observability.expressions import expressions, uses
from tests.component.observability.scenery import MARK, NAMESPACE, Hooks, Live, act, labels, predict, roll_out, scraped

from cluster.binaries import Binaries
from cluster.control_plane import ControlPlane
from simulation import Scene
from steersman.api.conditions import Reason
from steersman.api.meta import API_VERSION
from unit.server.conftest import save_picky
from unit.server.test_server_process import start

pytestmark = pytest.mark.asyncio(loop_scope="module")

TARGET_LABELS = {"namespace", "steersman_dev_deployment", "steersman_dev_revision", "pod", "job", "instance"}
"""What the chart's monitors add."""
EMPTY = {
    # Nothing of it happens here, and each needs something that is not there then.
    "alert SteersmanAbsent", "alert SteersmanNoLeader", "alert SteersmanReconcilesFail", "alert SteersmanQueueGrows",
    "alert SteersmanMetricQueriesFail", "alert SteersmanNotificationsLost", "alert SteersmanStalled",
    "alert SteersmanRolloutStuck", "alert SteersmanAnalysisInconclusive", "alert SteersmanRegistryUnreachable",
    "alert SteersmanModelUnavailable", "alert SteersmanDataDrift", "alert SteersmanConceptDrift", "alert SteersmanRetrainingFailed", "alert SteersmanModelSlow",
    "alert SteersmanModelLoadSlow", "alert SteersmanModelNotReady",
    "quality: Drift, as the operator judges it",
    "rollouts: Time",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(prometheus_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    save_picky(folder / "model", example=1.0)
    server = start(folder, folder / "model", MODEL_NAME="picky", MODEL_VERSION="7")
    control_plane = await asyncio.to_thread(ControlPlane.up, "observability")
    try:
        async with Scene.on(control_plane, folder) as scene, Hooks() as hooks:
            for version in ("1", "2"):
                scene.registry.register("fraud", version)
            operator = scene.operator("operator", environment={"STEERSMAN_LOG_LEVEL": "DEBUG"})
            operator.start()
            await operator.leading()
            await asyncio.to_thread(server.wait_until_ready)
            with stand_in.running() as contract:
                port, url = (found := free_port()), f"http://127.0.0.1:{found}"
                (folder / "prometheus.yml").write_text(json.dumps(scraped(operator, server, contract)))
                command = [
                    str(prometheus_binaries["prometheus"]),
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                ]
                with running(command, f"{url}/-/ready", folder / "prometheus.log"):
                    made = Live(scene, hooks, operator, url)
                    asking = asyncio.create_task(predict(server))
                    await roll_out(scene, hooks)
                    pages = [await operator.metrics(), server.get("/metrics")[1].decode()]
                    exported: dict[str, set[str]] = {}
                    for page in [stand_in.page(1), *pages]:
                        exported |= labels(page)
                    made.exported = exported
                    await made.until('rate(steersman_requests_total{code="500"}[10s]) > 0')
                    await made.until("rate(steersman_feedback_total[10s]) > 0")
                    await made.until(
                        f'steersman_deployment_condition{{deployment="back", reason="{Reason.ROLLOUT_ABORTED}"}}'
                    )
                    yield made
                    asking.cancel()
    finally:
        server.process.kill()
        server.process.wait()
        await asyncio.to_thread(control_plane.down)


async def test_every_metric_and_label_that_is_named_is_exported(live: Live) -> None:
    wrong = []
    for each in expressions():
        found = uses(await live.ask("parse_query", query=each.promql))
        assert found.selected, each
        reach: set[str] = set()
        for name, matchers in found.selected:
            labels = live.exported.get(name)
            if labels is None:
                wrong.append(f"{each.where}: nobody exports {name}")
                continue
            reach |= labels | TARGET_LABELS
            if unknown := set(matchers) - labels - TARGET_LABELS:
                wrong.append(f"{each.where}: {name} has no label {unknown}")
        if unknown := found.grouped - reach:
            wrong.append(f"{each.where}: groups by {unknown}")
    assert not wrong, "\n".join(wrong)


async def test_every_panel_shows_something_and_its_legend_names_labels_of_it(live: Live) -> None:
    empty = []
    for each in expressions():
        rows = await live.rows(each.promql)
        if not rows:
            empty.append(each.where)
        else:
            # A label that is empty in one row, Prometheus leaves out there.
            shown = {label for row in rows for label in row["metric"]}
            assert set(re.findall(r"\{\{(\w+)\}\}", each.legend)) <= shown, each
    assert set(empty) <= EMPTY


async def test_panels_show_what_there_is(live: Live) -> None:
    async def value(where: str, **labels: str) -> float:
        (query,) = [each for each in expressions() if each.where == where][:1]
        rows = await live.rows(query.promql)
        found = [row for row in rows if labels.items() <= row["metric"].items()]
        assert len(found) == 1, (where, rows)
        return float(found[0]["value"][1])

    assert await value("rollouts: Candidate's weight", namespace=NAMESPACE, deployment="waits") == 50
    assert await value("rollouts: Rolled back") == 1
    assert await value("rollouts: Not ready") == 2
    assert await value("rollouts: Leaders") == 1
    assert 0 < await value("rollouts: Errors", steersman_dev_revision="picky-v1-a") < 1
    assert await value("quality: Accuracy", predicted_by="contract-v1-a") == pytest.approx(0.9)
    assert await value("quality: Precision", **{"class": "fraud"}) == pytest.approx(0.75)
    assert await value("quality: Recall", **{"class": "fraud"}) == pytest.approx(0.6)
    assert await value("quality: Mean absolute error") == pytest.approx(2.0)
    assert await value("quality: Root mean squared error") == pytest.approx(3.0)
    assert await value("quality: Missing values", column="amount", steersman_dev_revision="contract-v1-a") == 0


async def test_the_population_stability_index_is_that_of_the_book(live: Live) -> None:
    p, q = stand_in.OBSERVED, stand_in.REFERENCE
    expected = sum((p[b] - q[b]) * math.log(p[b] / q[b]) for b in p if p[b])
    selector = 'steersman_dev_deployment="contract", column="amount"'
    (row,) = await live.rows(population_stability_index(selector).replace("$window", "30s"))
    assert float(row["value"][1]) == pytest.approx(expected, rel=0.02)


async def test_alerts_of_what_happened_would_fire(live: Live) -> None:
    firing = {each.where for each in expressions() if each.where.startswith("alert") and await live.rows(each.promql)}
    assert {"alert SteersmanRolledBack", "alert SteersmanRolloutWaits", "alert SteersmanModelErrors"} <= firing


async def test_people_are_told_and_the_secret_is_nowhere(live: Live) -> None:
    await live.hooks.until(lambda titles: {"waits: AwaitingPromotion", "back: RolloutAborted"} <= set(titles))
    assert live.hooks.titles().count("waits: AwaitingPromotion") == 1
    await live.scene.until(NAMESPACE, "waits", lambda status: not status.get("notifications"))
    client = live.scene.api.client
    events = await client.list("v1", "Event", NAMESPACE)
    objects_ = await client.list(API_VERSION, "ModelDeployment", NAMESPACE)
    assert {"RolloutStarted", "AwaitingPromotion"} <= {event["reason"] for event in events}
    everything = live.operator.log_text() + json.dumps(events) + json.dumps(objects_) + await live.operator.metrics()
    assert "AwaitingPromotion" in everything
    assert MARK.lower() not in everything.lower()


async def test_what_could_not_be_told_is_told_by_the_next_operator(live: Live) -> None:
    live.hooks.works = False
    await act(live.scene, "waits", "promote")
    await live.scene.until(
        NAMESPACE, "waits", lambda s: "Promoted" in [each["reason"] for each in s.get("notifications", [])]
    )
    await live.hooks.until(lambda titles: live.hooks.refused > 0)
    live.operator.kill()
    live.hooks.works = True
    # Of the first revision it was told before.
    assert live.hooks.titles().count("waits: Promoted") == 1
    live.operator.start()
    await live.hooks.until(lambda titles: titles.count("waits: Promoted") == 2)
    await live.scene.until(NAMESPACE, "waits", lambda status: not status.get("notifications"))
