"""watch: follow rollouts, live in a terminal or line by line in a pipe, to the end or until told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Protocol

from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.choices import Until
from steersman.cli.connection import Manifest, UserClient
from steersman.cli.errors import UserError
from steersman.cli.reading import read_model
from steersman.cli.view.events import EventLine, parse_events
from steersman.cli.view.health import Health, health
from steersman.ports import ApiError, NotFound

REFRESH = 1.0
"""Seconds between redraws without a change, for countdowns and ages."""
EVENTS_EVERY = 5.0
"""Seconds between looks at the Kubernetes events."""
TERMINATED = 143
"""Exit code after SIGTERM: 128 + 15, as shells count."""


class Scene:
    """All that a watch knows at one moment."""

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.models: dict[tuple[str, str], ModelDeployment] = {}
        self.deleted: list[ModelDeployment] = []
        """Deleted since the last redraw."""
        self.events: list[EventLine] = []
        self.trouble = ""
        """Why something cannot be shown; empty when all is well."""

    def take(self, kind: str, manifest: Manifest) -> None:
        """Bring a change in."""
        metadata = manifest.get("metadata", {})
        key = (str(metadata.get("namespace", "")), str(metadata.get("name", "")))
        if kind == "DELETED":
            gone = self.models.pop(key, None)
            if gone is not None:
                self.deleted.append(gone)
            return
        try:
            self.models[key] = read_model(manifest)[0]
        except UserError as error:
            self.trouble = str(error)

    @property
    def only(self) -> ModelDeployment | None:
        """The one model that is followed, when there is one."""
        return next(iter(self.models.values()), None) if self.name else None


class Display(Protocol):
    """Where a scene is shown."""

    def show(self, scene: Scene, now: float) -> None:
        """Show a scene as of now (seconds since the epoch)."""
        ...


async def watch(
    client: UserClient,
    display: Display,
    name: str | None,
    *,
    all_namespaces: bool = False,
    until: Until | None = None,
    time_limit: float | None = None,
) -> int:
    """Show every change. Returns the exit code: 0 healthy, 1 degraded, 2 still under way after the time limit (seconds)."""
    if name:
        await client.get(name)
    scene = Scene(name)
    changed = asyncio.Event()
    deadline = time.monotonic() + time_limit if time_limit is not None else None
    with _terminable() as terminated:
        tasks = [asyncio.create_task(_follow(client, scene, changed, all_namespaces))]
        if name:
            tasks.append(asyncio.create_task(_look_at_events(client, scene, changed, name)))
        try:
            while not terminated.is_set():
                await _next_change(changed, deadline)
                for task in tasks:
                    if task.done():
                        task.result()
                display.show(scene, time.time())
                code = _verdict(scene, until, deadline)
                if code is not None:
                    return code
                scene.deleted.clear()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return TERMINATED


async def _follow(client: UserClient, scene: Scene, changed: asyncio.Event, all_namespaces: bool) -> None:
    async for kind, manifest in client.watch(scene.name, all_namespaces):
        scene.take(kind, manifest)
        changed.set()


async def _look_at_events(client: UserClient, scene: Scene, changed: asyncio.Event, name: str) -> None:
    while True:
        events, trouble = await _events(client, name)
        if trouble or events != scene.events or scene.trouble:
            scene.events, scene.trouble = events or scene.events, trouble
            changed.set()
        await asyncio.sleep(EVENTS_EVERY)


async def _events(client: UserClient, name: str) -> tuple[list[EventLine], str]:
    """The events or, when they cannot be read, why. It also notices that the API server is gone, which watches hide."""
    try:
        return parse_events(await client.events(name)), ""
    except NotFound as error:
        return [], f"the events cannot be read: {error}"
    except ApiError as error:
        if error.status == 0 or error.status >= 500:
            return [], "the API server does not answer: this is what was known last"
        return [], f"the events cannot be read: {error}"


async def _next_change(changed: asyncio.Event, deadline: float | None) -> None:
    """Wait for a change, the next redraw, or the deadline, whichever comes first."""
    pause = REFRESH if deadline is None else min(REFRESH, max(0.0, deadline - time.monotonic()))
    with contextlib.suppress(TimeoutError):
        # Not wait_for: before Python 3.12 it swallows a Ctrl-C that arrives together with a change.
        async with asyncio.timeout(pause):
            await changed.wait()
    changed.clear()


def _verdict(scene: Scene, until: Until | None, deadline: float | None) -> int | None:
    """The exit code once the wait is over; None to go on."""
    if until is None:
        return None
    if scene.deleted:
        raise UserError(f"{scene.name} was deleted", "see what there is: steersman get")
    state = health(scene.only) if scene.only is not None else Health.PROGRESSING
    if state is Health.HEALTHY or (until is Until.ENDED and state is Health.DEGRADED):
        return int(state)
    if deadline is not None and time.monotonic() >= deadline:
        raise WaitTimeoutError(until, state)
    return None


class WaitTimeoutError(UserError):
    """The time given to --until is over."""

    def __init__(self, until: Until, state: Health) -> None:
        super().__init__(f"not {until.value} in time: it is {state.name.lower()}", "look closer with steersman status")
        self.exit_code = int(state)


@contextlib.contextmanager
def _terminable() -> Iterator[asyncio.Event]:
    """An event that SIGTERM sets, so that the terminal is put in order before the process ends."""
    terminated = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGTERM, terminated.set)
    except (NotImplementedError, RuntimeError, ValueError):  # no signals here: Windows, or not the main thread
        yield terminated
        return
    try:
        yield terminated
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
