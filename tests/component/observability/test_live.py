"""A running operator, a running model server and a real Prometheus: what alerts and dashboards name is what is exported.

The metrics of ground truth and drift come from a page made by their contract (stand_in.py), unless the server exports them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from helm.dashboards.quality import population_stability_index
from prometheus_client.parser import text_string_to_metric_families
from tests.component.adapters.processes import free_port, running
from tests.component.observability import stand_in
from tests.component.observability.expressions import expressions, uses

from cluster.binaries import Binaries
from cluster.control_plane import ControlPlane
from simulation import OperatorProcess, Scene, objects
from simulation.loopback import LoopbackServer
from steersman.api.conditions import Reason
from steersman.api.meta import ANNOTATION_ACTION, API_VERSION
from unit.server.conftest import save_picky
from unit.server.test_server_process import Server, body, start

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARK = "Mark3rOfTheSecret"
NAMESPACE = "risk"
TARGET_LABELS = {"namespace", "steersman_dev_deployment", "steersman_dev_revision", "pod", "job", "instance"}
"""What the chart's monitors add."""
EMPTY = {
    # Nothing of it happens here, and each needs something that is not there then.
    "alert SteersmanAbsent", "alert SteersmanNoLeader", "alert SteersmanReconcilesFail", "alert SteersmanQueueGrows",
    "alert SteersmanMetricQueriesFail", "alert SteersmanNotificationsLost", "alert SteersmanStalled",
    "alert SteersmanRolloutStuck", "alert SteersmanAnalysisInconclusive", "alert SteersmanRegistryUnreachable",
    "alert SteersmanModelUnavailable", "alert SteersmanDataDrift", "alert SteersmanConceptDrift", "alert SteersmanModelSlow",
    "alert SteersmanModelLoadSlow", "alert SteersmanModelNotReady",
    "quality: Drift, as the operator judges it",
    "rollouts: Time",
}  # fmt: skip


class Hooks(LoopbackServer):
    """Takes notifications, unless it is out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.works = True
        self.got: list[dict[str, Any]] = []
        self.refused = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/{path:.*}", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        if not self.works:
            self.refused += 1
            return web.Response(status=503)
        self.got.append(await request.json())
        return web.Response()

    def titles(self) -> list[str]:
        return [each["title"] for each in self.got]

    async def until(self, holds: Callable[[list[str]], bool], within: float = 40.0) -> None:
        async with asyncio.timeout(within):
            while not holds(self.titles()):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.05)


@dataclass
class Live:
    """Everything that runs."""

    scene: Scene
    hooks: Hooks
    operator: OperatorProcess
    prometheus: str
    exported: Mapping[str, set[str]] = field(default_factory=dict)
    """Labels of each sample's name."""

    async def ask(self, path: str, **form: str) -> Any:
        url = f"{self.prometheus}/api/v1/{path}"
        async with aiohttp.ClientSession() as session, session.post(url, data=form) as response:
            answer = await response.json()
        assert answer["status"] == "success", (form, answer)
        return answer["data"]

    async def until(self, promql: str) -> None:
        """Wait until there is something."""
        async with asyncio.timeout(30):
            while not await self.rows(promql):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.2)

    async def rows(self, promql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.ask("query", query=promql))["result"]
        return found


def _labels(page: str) -> dict[str, set[str]]:
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("steersman_")
    }


async def _roll_out(scene: Scene, hooks: Hooks) -> None:
    """One ModelDeployment in mid-rollout, one that was rolled back."""
    await scene.namespace(NAMESPACE)
    url = f"{hooks.url.replace('http', 'json', 1)}/{MARK}?+X-Key={MARK}"
    data = {"chat": base64.b64encode(url.encode()).decode()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "notify", "namespace": NAMESPACE},
        "data": data,
    }
    await scene.api.client.apply(secret)
    told = [{"name": "chat", "url": {"secretName": "notify", "key": "chat"}}]
    for name in ("waits", "back"):
        steps = [{"setWeight": 50}, {"pause": {}}]
        spec = {"strategy": {"canary": {"steps": steps, "scaleDownDelay": "1s"}}, "notifications": told}
        await scene.api.client.apply(
            objects.model_deployment(NAMESPACE, name, {"name": "fraud", "version": "1"}, **spec)
        )
    for name in ("waits", "back"):
        await scene.until(NAMESPACE, name, lambda status: status.get("phase") == "Healthy")
        await scene.change(NAMESPACE, name, {"model": {"version": "2"}})
    for name in ("waits", "back"):
        await scene.until(NAMESPACE, name, lambda status: status.get("phase") == "Paused")
    await _act(scene, "back", "abort")
    await scene.until(NAMESPACE, "back", lambda status: status.get("phase") == "Degraded")


async def _act(scene: Scene, name: str, action: str) -> None:
    asked = {"metadata": {"annotations": {ANNOTATION_ACTION: action}}}
    await scene.api.client.merge_patch(API_VERSION, "ModelDeployment", NAMESPACE, name, asked, "user")


def _scraped(operator: OperatorProcess, server: Server, contract: str) -> dict[str, Any]:
    def job(name: str, target: str, labels: dict[str, str]) -> dict[str, Any]:
        return {"job_name": name, "honor_labels": True, "static_configs": [{"targets": [target], "labels": labels}]}

    def pod(deployment: str) -> dict[str, str]:
        revision = f"{deployment}-v1-a"
        return {
            "namespace": NAMESPACE,
            "steersman_dev_deployment": deployment,
            "steersman_dev_revision": revision,
            "pod": f"{revision}-x",
        }

    return {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            job("operator", operator.metrics_url.removeprefix("http://"), {"namespace": "steersman-system"}),
            job("model", f"127.0.0.1:{server.port}", pod("picky")),
            job("contract", contract, pod("contract")),
        ],
    }


async def _predict(server: Server) -> None:
    """Until it is cancelled. A fifth of the requests fail in the model."""

    def send(value: float) -> None:
        connection = server.connection()
        connection.request("POST", "/invocations", body(value), {"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.close()

    while True:
        for value in (1.0, 1.0, 2.0, 3.0, 100.0):
            await asyncio.to_thread(send, value)
        await asyncio.sleep(0.1)


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
                (folder / "prometheus.yml").write_text(json.dumps(_scraped(operator, server, contract)))
                command = [
                    str(prometheus_binaries["prometheus"]),
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                ]
                with running(command, f"{url}/-/ready", folder / "prometheus.log"):
                    made = Live(scene, hooks, operator, url)
                    asking = asyncio.create_task(_predict(server))
                    await _roll_out(scene, hooks)
                    pages = [await operator.metrics(), server.get("/metrics")[1].decode()]
                    exported: dict[str, set[str]] = {}
                    for page in [stand_in.page(1), *pages]:
                        exported |= _labels(page)
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
    await _act(live.scene, "waits", "promote")
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
