from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest
from rich.console import Console

from steersman.cli.choices import Until
from steersman.cli.commands import watch as watching
from steersman.cli.commands.display import Lines, Screen
from steersman.cli.commands.watch import Scene, WaitTimeoutError, watch
from steersman.cli.errors import UserError
from steersman.ports import ApiError, NotFound
from unit.cli import samples
from unit.cli.conftest import Run
from unit.cli.in_memory import InMemoryClient


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "REFRESH", 0.01)
    monkeypatch.setattr(watching, "EVENTS_EVERY", 0.01)


class Seen:
    """A display that remembers, and acts when it has seen something."""

    def __init__(self, *reactions: Callable[[Scene], None]) -> None:
        self.phases: list[str] = []
        self._trouble: asyncio.Queue[str] = asyncio.Queue()
        self._reactions = list(reactions)

    def show(self, scene: Scene, now: float) -> None:
        phase = scene.only.status.phase.value if scene.only else "none"
        if not self.phases or self.phases[-1] != phase:
            self.phases.append(phase)
            if phase != "none" and self._reactions:
                self._reactions.pop(0)(scene)
        self._trouble.put_nowait(scene.trouble)

    async def trouble(self, expected: str) -> None:
        """Wait until it is shown; what was shown before does not count."""
        async with asyncio.timeout(5):
            while await self._trouble.get() != expected:
                pass


async def test_until_healthy_waits_through_a_failure() -> None:
    client = InMemoryClient(samples.canary())
    seen = Seen(lambda _: client.put(samples.quarantined()), lambda _: client.put(samples.healthy()))
    assert await watch(client, seen, "fraud", until=Until.HEALTHY, time_limit=5) == 0
    assert [phase for phase in seen.phases if phase != "none"] == ["Progressing", "Degraded", "Healthy"]


@pytest.mark.parametrize(("end", "code"), [(samples.quarantined(), 1), (samples.healthy(), 0)])
async def test_until_ended_tells_how(end: samples.Manifest, code: int) -> None:
    client = InMemoryClient(samples.canary())
    assert await watch(client, Seen(lambda _: client.put(end)), "fraud", until=Until.ENDED, time_limit=5) == code


async def test_a_spec_that_the_operator_has_not_seen_has_not_ended() -> None:
    client = InMemoryClient(samples.healthy(metadata={"generation": 4}))
    with pytest.raises(WaitTimeoutError) as caught:
        await watch(client, Seen(), "fraud", until=Until.ENDED, time_limit=0.05)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("until", "manifest", "code"),
    [
        (Until.HEALTHY, samples.canary(), 2),
        (Until.HEALTHY, samples.quarantined(), 1),
        (Until.ENDED, samples.canary(), 2),
    ],
)
async def test_when_the_time_is_up_the_code_says_how_it_stands(
    until: Until, manifest: samples.Manifest, code: int
) -> None:
    started = time.monotonic()
    with pytest.raises(WaitTimeoutError, match=f"not {until.value} in time") as caught:
        await watch(InMemoryClient(manifest), Seen(), "fraud", until=until, time_limit=0.1)
    assert caught.value.exit_code == code
    assert 0.1 <= time.monotonic() - started < 3


async def test_until_ends_when_it_is_deleted() -> None:
    client = InMemoryClient(samples.canary())
    seen = Seen(lambda _: client.put(samples.canary(), "DELETED"))
    with pytest.raises(UserError, match="fraud was deleted"):
        await watch(client, seen, "fraud", until=Until.HEALTHY, time_limit=5)


async def test_one_that_is_not_there_is_not_waited_for() -> None:
    with pytest.raises(NotFound):
        await watch(InMemoryClient(), Seen(), "fraud")


async def test_a_refusal_while_watching_ends_it() -> None:
    client = InMemoryClient(samples.canary())

    def refuse(_: Scene) -> None:
        client.put(samples.canary())
        client.fail_from_now_on(403, "forbidden since now")

    with pytest.raises(ApiError, match="forbidden since now"):
        await watch(client, Seen(refuse), "fraud")


async def test_trouble_with_events_is_shown_and_goes_away() -> None:
    client = InMemoryClient(samples.canary(), events=samples.EVENTS)
    client.events_failure = ApiError(403, "no permission")
    seen = Seen()
    watched = asyncio.create_task(watch(client, seen, "fraud", until=Until.HEALTHY, time_limit=5))
    await seen.trouble("the events cannot be read: no permission")
    client.events_failure = ApiError(0, "connection refused")
    await seen.trouble("the API server does not answer: this is what was known last")
    client.events_failure = None
    await seen.trouble("")
    client.put(samples.healthy())
    assert await watched == 0


async def test_sigterm_ends_a_watch_in_order() -> None:
    client = InMemoryClient(samples.canary())
    seen = Seen(lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert await watch(client, seen, "fraud") == 143


def test_ctrl_c_exits_130_without_a_trace(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    client = InMemoryClient(samples.canary())
    first = client.watch

    async def interrupted(name: str | None, all_namespaces: bool) -> AsyncIterator[tuple[str, samples.Manifest]]:
        async for change in first(name, all_namespaces):
            yield change
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(client, "watch", interrupted)
    # Whoever started the tests may have told them to ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = run(client, "watch", "fraud")
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.code == 130
    assert result.err == ""
    assert client.closed


def test_in_a_pipe_each_change_is_a_line(run: Run) -> None:
    client = InMemoryClient(samples.healthy())
    result = run(client, "watch", "fraud", "--until", "healthy", "--timeout", "5s")
    assert result.code == 0
    assert result.out == "2026-09-21T14:13:20.000Z risk/fraud Healthy stable=7 ready=3/3\n"


def test_a_timeout_is_one_line_on_stderr_with_the_code_of_the_state(run: Run) -> None:
    result = run(InMemoryClient(samples.canary()), "watch", "fraud", "--until", "healthy", "--timeout", "20ms")
    assert result.code == 2
    assert result.err.splitlines()[0] == "Error: not healthy in time: it is progressing"


def test_lines_show_changes_and_deletions_once(capsys: pytest.CaptureFixture[str]) -> None:
    scene, lines = Scene(None), Lines()
    scene.take("ADDED", samples.canary())
    lines.show(scene, samples.NOW)
    lines.show(scene, samples.NOW)
    scene.take("MODIFIED", samples.healthy())
    lines.show(scene, samples.NOW)
    scene.take("MODIFIED", {"metadata": {"name": "odd", "namespace": "risk"}, "spec": 3})
    lines.show(scene, samples.NOW)
    lines.show(scene, samples.NOW)
    scene.take("DELETED", samples.healthy())
    lines.show(scene, samples.NOW)
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in out if "risk/fraud" in line] == ["Progressing", "Healthy", "deleted"]
    assert [line for line in out if "note: ModelDeployment odd cannot be understood" in line] == [out[2]]


@pytest.mark.parametrize("name", ["fraud", None])
def test_the_live_screen_restores_the_terminal_and_leaves_the_last_view(name: str | None) -> None:
    out = Console(width=100, height=30, force_terminal=True, record=True, highlight=False)
    with out.capture() as captured:
        screen = Screen(out, all_namespaces=False)
        scene = Scene(name)
        scene.take("ADDED", samples.canary())
        with screen.live:
            screen.show(scene, samples.NOW)
        screen.leave()
    text = captured.get()
    alternate, normal = text.rsplit("\x1b[?1049l", 1)
    assert "\x1b[?1049h" in alternate
    assert "Ctrl-C ends" in alternate
    assert "Ctrl-C ends" not in normal
    assert "fraud" in normal
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_the_live_screen_says_when_there_is_nothing() -> None:
    out = Console(width=100, height=30, force_terminal=True, highlight=False)
    for name, text in (("fraud", "fraud is not there (any more)"), (None, "No ModelDeployments yet.")):
        with out.capture() as captured:
            screen = Screen(out, all_namespaces=False)
            screen.show(Scene(name), samples.NOW)
            screen.leave()
        assert text in captured.get()
