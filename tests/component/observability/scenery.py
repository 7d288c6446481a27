"""What runs in test_live.py: two rollouts, somebody who takes notifications, somebody who asks a model, a Prometheus that sees it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from simulation import OperatorProcess, Scene, objects
from simulation.loopback import LoopbackServer
from steersman.api.meta import ANNOTATION_ACTION, API_VERSION
from unit.server.test_server_process import Server, body

MARK = "Mark3rOfTheSecret"
NAMESPACE = "risk"


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


def labels(page: str) -> dict[str, set[str]]:
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("steersman_")
    }


async def roll_out(scene: Scene, hooks: Hooks) -> None:
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
    await act(scene, "back", "abort")
    await scene.until(NAMESPACE, "back", lambda status: status.get("phase") == "Degraded")


async def act(scene: Scene, name: str, action: str) -> None:
    asked = {"metadata": {"annotations": {ANNOTATION_ACTION: action}}}
    await scene.api.client.merge_patch(API_VERSION, "ModelDeployment", NAMESPACE, name, asked, "user")


def scraped(operator: OperatorProcess, server: Server, contract: str) -> dict[str, Any]:
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


async def predict(server: Server) -> None:
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
