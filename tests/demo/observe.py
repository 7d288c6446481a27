"""Writes down, with times, what the cluster shows of the rollouts: the route's weights, the ModelDeployment's status, events."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demo.names import DEPLOYMENT, NAMESPACE

Manifest = dict[str, Any]

_REVISION = re.compile(r"^.*-v(?P<version>[^-]+)-[0-9a-z]+$")


def version_of(revision: str) -> str:
    """The model version in a revision's name, e.g. 3 of digits-v3-0a1b2c3d. Raises ValueError on another form of name."""
    match = _REVISION.match(revision)
    if match is None:
        raise ValueError(f"{revision!r} is not the name of a revision")
    return match["version"]


@dataclass(frozen=True)
class RouteObservation:
    """The HTTPRoute at a moment."""

    at: float
    """When the watch brought it, in seconds since the epoch."""
    generation: int
    weights: dict[str, int]
    """Percent by model version; versions without traffic are left out."""
    accepted: bool
    """The gateway's controller accepted this generation."""


def read_route(route: Manifest, at: float) -> RouteObservation:
    """What an HTTPRoute says of the split."""
    generation = route["metadata"]["generation"]
    weights: dict[str, int] = {}
    for rule in route["spec"].get("rules", []):
        for backend in rule.get("backendRefs", []):
            weight = backend.get("weight", 1)
            if weight:
                weights[version_of(backend["name"])] = weight
    conditions = [
        condition
        for parent in route.get("status", {}).get("parents", [])
        for condition in parent.get("conditions", [])
        if condition["type"] == "Accepted"
    ]
    accepted = any(
        condition["status"] == "True" and condition.get("observedGeneration") == generation for condition in conditions
    )
    return RouteObservation(at, generation, weights, accepted)


@dataclass(frozen=True)
class DeploymentObservation:
    """The ModelDeployment at a moment."""

    at: float
    generation: int
    status: Manifest

    @property
    def phase(self) -> str:
        """status.phase, `Pending` before the operator wrote one."""
        return str(self.status.get("phase", "Pending"))

    @property
    def current(self) -> bool:
        """The status speaks of this generation of the spec."""
        return bool(self.status.get("observedGeneration", 0) >= self.generation)

    def version(self, role: str) -> str:
        """Model version of `stable` or `candidate`; empty when there is none."""
        return str((self.status.get(role) or {}).get("version", ""))

    @property
    def quarantined(self) -> str:
        """The quarantined model version; empty without one."""
        return str((self.status.get("quarantine") or {}).get("version", ""))


@dataclass(frozen=True)
class EventObservation:
    """A Kubernetes event about the ModelDeployment."""

    at: float
    kind: str
    """Normal or Warning."""
    reason: str
    message: str


@dataclass
class Observations:
    """Everything that was seen, oldest first."""

    routes: list[RouteObservation] = field(default_factory=list)
    deployments: list[DeploymentObservation] = field(default_factory=list)
    events: list[EventObservation] = field(default_factory=list)
    latest: Manifest = field(default_factory=dict)
    """The latest ModelDeployment as it is."""

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @staticmethod
    def load(path: Path) -> Observations:
        """Read what `save` wrote."""
        content = json.loads(path.read_text())
        return Observations(
            [RouteObservation(**item) for item in content["routes"]],
            [DeploymentObservation(**item) for item in content["deployments"]],
            [EventObservation(**item) for item in content["events"]],
            content["latest"],
        )


def split_documents(text: str) -> tuple[list[Manifest], str]:
    """The whole JSON documents at the start of a stream of them, and what is left."""
    decoder = json.JSONDecoder()
    documents: list[Manifest] = []
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        try:
            document, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            return documents, text[position:]
        documents.append(document)


class Observer:
    """Watches through kubectl from `start` to `stop`; a watch that ends is begun anew."""

    def __init__(self, kubectl: Sequence[str], observations: Observations) -> None:
        self._kubectl = [*kubectl, "--namespace", NAMESPACE]
        self._observations = observations
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to watch."""
        name = f"--field-selector=metadata.name={DEPLOYMENT}"
        about = f"--field-selector=involvedObject.kind=ModelDeployment,involvedObject.name={DEPLOYMENT}"
        self._tasks = [
            asyncio.create_task(self._watch(["httproutes.gateway.networking.k8s.io", name], self._route)),
            asyncio.create_task(self._watch(["modeldeployments.steersman.dev", name], self._deployment)),
            asyncio.create_task(self._watch(["events", about], self._event)),
        ]

    async def stop(self) -> None:
        """End the watches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait(self, seconds: float) -> None:
        """Return when something new was seen, at the latest after some seconds. Raises what ended a watch for good."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait(), seconds)
            except TimeoutError:
                return

    async def _watch(self, what: list[str], take: Callable[[Manifest, float], None]) -> None:
        while True:
            command = [*self._kubectl, "get", *what, "--watch", "--output-watch-events", "--output", "json"]
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                async for event in _documents(process):
                    if event["type"] in ("ADDED", "MODIFIED"):
                        take(event["object"], time.time())
                        async with self._changed:
                            self._changed.notify_all()
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            await asyncio.sleep(0.5)

    def _route(self, route: Manifest, at: float) -> None:
        self._observations.routes.append(read_route(route, at))

    def _deployment(self, deployment: Manifest, at: float) -> None:
        deployment["metadata"].pop("managedFields", None)
        self._observations.latest = deployment
        generation = deployment["metadata"]["generation"]
        self._observations.deployments.append(DeploymentObservation(at, generation, deployment.get("status", {})))

    def _event(self, event: Manifest, at: float) -> None:
        seen = EventObservation(
            at, event.get("type", ""), event.get("reason", ""), event.get("message") or event.get("note", "")
        )
        known = ((old.reason, old.message) for old in self._observations.events)
        if (seen.reason, seen.message) not in known:
            self._observations.events.append(seen)


async def _documents(process: asyncio.subprocess.Process) -> AsyncIterator[Manifest]:
    assert process.stdout is not None
    text, decoder = "", codecs.getincrementaldecoder("utf-8")()
    while data := await process.stdout.read(1 << 16):
        documents, text = split_documents(text + decoder.decode(data))
        for document in documents:
            yield document


def distinct_weights(routes: Sequence[RouteObservation]) -> Iterator[RouteObservation]:
    """Observations whose weights differ from the one before."""
    previous: dict[str, int] | None = None
    for route in routes:
        if route.weights != previous:
            yield route
        previous = route.weights
