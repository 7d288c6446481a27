"""The story: what a user does to release four versions, and what must have come of each step before the next."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from rich.console import Console

from demo import manifests
from demo.names import ALIAS, BAD_VERSION, DEPLOYMENT, HOST, MODEL_NAME, NAMESPACE, VERSION_HEADER
from demo.observe import DeploymentObservation, Observations, Observer
from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.view import EventLine, render_status

OPERATOR_NAMESPACE = "steersman-system"
STEADY_SECONDS = 4.0
"""Traffic without a change between two chapters, so that the picture shows where one ends."""


class ScenarioError(Exception):
    """The story did not go on; the message shows the ModelDeployment, its events and the operator's last words."""


@dataclass(frozen=True)
class Action:
    """What the user did."""

    at: float
    kind: str
    """`deploy`, `release` or `strategy`."""
    version: str
    text: str


class Scenario:
    """Acts as the user and waits for the outcome of each act."""

    def __init__(
        self,
        kubectl: Sequence[str],
        mlflow_url: str,
        gateway_url: str,
        observer: Observer,
        observations: Observations,
        say: Callable[[str], None],
    ) -> None:
        self._kubectl = list(kubectl)
        self._mlflow_url = mlflow_url
        self._gateway_url = gateway_url
        self._observer = observer
        self._seen = observations
        self._say = say
        self.actions: list[Action] = []

    async def deploy_first(self) -> None:
        """Version 1, with nothing to compare it with: it starts and gets all traffic."""
        await self._apply(*manifests.foundation())
        await self._move_alias("1")
        self._act("deploy", "1", "v1 deployed by its alias")
        await self._apply(manifests.model_deployment(manifests.CANARY))
        await self._until("v1 serves all traffic", 150, lambda seen: _healthy(seen, "1"))
        await self._until_gateway_answers("1", 30)

    async def release_good(self) -> None:
        """Version 2 by canary: promoted."""
        await asyncio.sleep(STEADY_SECONDS)
        await self._release("2")
        await self._until("v2 is promoted", 300, lambda seen: _healthy(seen, "2"), _quarantines("2"))
        await asyncio.sleep(STEADY_SECONDS)

    async def release_bad(self) -> None:
        """Version 3 by canary: rolled back and quarantined."""
        await self._release(BAD_VERSION)
        await self._until(
            "v3 is rolled back and quarantined",
            180,
            lambda seen: seen.quarantined == BAD_VERSION and seen.version("stable") == "2" and self._only("2"),
        )
        await asyncio.sleep(2 * STEADY_SECONDS)

    async def release_blue_green(self) -> None:
        """Version 4 by blue-green.

        The alias goes back to version 2 first: a new spec lifts the quarantine, so changing the strategy while the alias
        still names version 3 would try version 3 again.
        """
        await self._release("2", "the alias goes back to v2")
        await self._until("v2 is what is wanted again", 60, lambda seen: _healthy(seen, "2"))
        self._act("strategy", "2", "strategy changed to blue-green")
        generation = await self._apply(manifests.model_deployment(manifests.BLUE_GREEN))
        await self._until(
            "the new strategy is taken up", 60, lambda seen: seen.generation >= generation and _healthy(seen, "2")
        )
        await self._release("4")
        await self._until("v4 is promoted", 240, lambda seen: _healthy(seen, "4"), _quarantines("4"))
        await asyncio.sleep(2 * STEADY_SECONDS)

    def _only(self, version: str) -> bool:
        return bool(self._seen.routes) and self._seen.routes[-1].weights == {version: 100}

    def _act(self, kind: str, version: str, text: str) -> None:
        self.actions.append(Action(time.time(), kind, version, text))
        self._say(text)

    async def _release(self, version: str, text: str | None = None) -> None:
        self._act("release", version, text or f"the alias {ALIAS} moves to v{version}")
        await self._move_alias(version)

    async def _move_alias(self, version: str) -> None:
        body = {"name": MODEL_NAME, "alias": ALIAS, "version": version}
        url = f"{self._mlflow_url}/api/2.0/mlflow/registered-models/alias"
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, json=body) as response:
            if response.status != 200:
                raise ScenarioError(f"MLflow did not move the alias: {response.status} {await response.text()}")

    async def _apply(self, *objects: dict[str, Any]) -> int:
        """Apply objects as a user does; returns the generation of the last one."""
        generation = 0
        for manifest in objects:
            applied = await self._run("apply", "--filename", "-", "--output", "json", input_text=json.dumps(manifest))
            generation = json.loads(applied)["metadata"].get("generation", 0)
        return generation

    async def _run(self, *arguments: str, input_text: str = "") -> str:
        process = await asyncio.create_subprocess_exec(
            *self._kubectl,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate(input_text.encode())
        if process.returncode:
            raise ScenarioError(f"kubectl {' '.join(arguments)}: {errors.decode().strip()}")
        return output.decode()

    async def _until(
        self,
        what: str,
        seconds: float,
        reached: Callable[[DeploymentObservation], bool],
        hopeless: Callable[[DeploymentObservation], bool] = lambda seen: False,
    ) -> None:
        """Wait until the ModelDeployment's latest state fits. Raises ScenarioError after some seconds, or once it cannot."""
        began = time.monotonic()
        while not (self._seen.deployments and reached(self._seen.deployments[-1])):
            waited = time.monotonic() - began
            if waited >= seconds or (self._seen.deployments and hopeless(self._seen.deployments[-1])):
                raise ScenarioError(f"Waited {waited:.0f} s in vain until {what}.\n\n{await self._diagnosis()}")
            await self._observer.wait(min(seconds - waited, 1.0))
        self._say(f"{what}: done")

    async def _until_gateway_answers(self, version: str, seconds: float) -> None:
        """Wait until the model itself answers through the gateway; a route can be accepted a moment before it works."""
        deadline = time.monotonic() + seconds
        answer = "nothing"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline:
                try:
                    async with session.get(f"{self._gateway_url}/ping", headers={"Host": HOST}) as response:
                        answer = f"{response.status} from version {response.headers.get(VERSION_HEADER, 'unknown')}"
                        if response.status == 200 and response.headers.get(VERSION_HEADER) == version:
                            return
                except (aiohttp.ClientError, OSError) as error:
                    answer = str(error) or type(error).__name__
                await asyncio.sleep(0.2)
        raise ScenarioError(
            f"The gateway did not bring a request to v{version} within {seconds:g} s, the last answer was: {answer}."
            f"\n\n{await self._diagnosis()}"
        )

    async def _diagnosis(self) -> str:
        """Status, events and the operator's log, as far as they can be had."""
        parts = []
        if self._seen.latest:
            console = Console(width=120, no_color=True)
            with console.capture() as captured:
                events = [
                    EventLine(event.at, event.kind == "Warning", event.reason, event.message)
                    for event in reversed(self._seen.events)
                ]
                console.print(render_status(ModelDeployment.model_validate(self._seen.latest), time.time(), events))
            parts.append(captured.get())
        else:
            parts.append(f"There is no ModelDeployment {DEPLOYMENT} in the namespace {NAMESPACE}.")
        operator = ["--namespace", OPERATOR_NAMESPACE, "logs", "--selector", "app.kubernetes.io/name=steersman"]
        for title, arguments in (
            ("Pods", ["--namespace", NAMESPACE, "get", "pods", "--output", "wide"]),
            ("The operator's log", [*operator, "--tail", "25", "--prefix", "--all-containers"]),
        ):
            try:
                parts.append(f"{title}:\n{await self._run(*arguments)}")
            except ScenarioError as error:
                parts.append(f"{title}: {error}")
        return "\n".join(parts)


def _healthy(seen: DeploymentObservation, version: str) -> bool:
    """The version is what is wanted, and it serves all traffic."""
    wanted = (seen.status.get("model") or {}).get("version")
    return seen.current and seen.phase == "Healthy" and seen.version("stable") == version and wanted == version


def _quarantines(version: str) -> Callable[[DeploymentObservation], bool]:
    """That the version was rolled back and will not be tried again by itself."""
    return lambda seen: seen.quarantined == version
