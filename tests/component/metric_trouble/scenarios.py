"""The troubles, each a coroutine that returns what its test looks at. All run at once: each has revisions of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.component.metric_trouble.pods import Pod, Pods
from tests.component.metric_trouble.rollout import ERRORS, Rollout
from tests.component.metric_trouble.server import SLOW, Prometheus

from steersman.api.analysis import Metric, ThresholdJudge
from steersman.api.status import MeasurementPhase

HISTORY = (5000, 10)
"""Requests and failures of each stable pod before its rollout."""
SCRAPED = 3.5
"""Seconds after which a new target has been found and scraped."""
SHARE = Metric(
    name="share",
    threshold=ThresholdJudge(
        query='sum(rate(requests_total{code="500",steersman_dev_revision="{{candidate}}"}[{{window}}]))'
        ' / sum(rate(requests_total{steersman_dev_revision="{{candidate}}"}[{{window}}]))',
        max=0.5,
    ),
)


@dataclass
class Ground:
    """What scenarios share."""

    pods: Pods
    shared: Prometheus
    binary: Path | str
    folder: Path

    def pair(self, name: str) -> tuple[Pod, Pod]:
        """A candidate's pod and one of stable, which has a history."""
        candidate, stable = self.pods.add(f"{name}-v2", f"{name}-v2"), self.pods.add(f"{name}-v1", f"{name}-v1")
        stable.serve(*HISTORY)
        stable.forget()
        return candidate, stable

    def publish(self) -> None:
        """Have the shared server scrape all pods; one that finds them at the start of all scenarios is enough for most."""
        self.shared.scrape(self.pods.known.values())

    async def own_server(self, name: str, *pods: Pod) -> Prometheus:
        folder = self.folder / name
        folder.mkdir()
        server = Prometheus(self.binary, folder, self.pods.address)
        server.scrape(pods)
        await asyncio.to_thread(server.start)
        await asyncio.sleep(SCRAPED)
        return server


@dataclass
class Outcome:
    """What became of a rollout, and what its pods really did."""

    rollout: Rollout
    candidate: Pod
    stable: Pod
    notes: dict[str, Any]

    @property
    def served(self) -> tuple[float, ...]:
        return tuple(float(number) for pod in (self.candidate, self.stable) for number in (pod.served, pod.failed))

    @property
    def counted(self) -> tuple[float, ...]:
        return self.rollout.counts()


Scenario = Callable[[Ground], Awaitable[Outcome]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(made: Scenario) -> Scenario:
    SCENARIOS[made.__name__] = made  # type: ignore[attr-defined]
    return made


async def _both(*pods: Pod, seconds: float, failing: int = 20) -> None:
    await asyncio.gather(*[pod.traffic(seconds, failing) for pod in pods])


# ---- scrapes


@scenario
async def gap(ground: Ground) -> Outcome:
    """Some scrapes of the candidate fail."""
    candidate, stable = ground.pair("gap")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        traffic = asyncio.create_task(_both(candidate, stable, seconds=9))
        await asyncio.sleep(3)
        candidate.down = True
        await asyncio.sleep(4)
        candidate.down = False
        await traffic
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def gap_of_a_bad_candidate(ground: Ground) -> Outcome:
    """As `gap`, and half of the candidate's requests fail."""
    candidate, stable = ground.pair("bad")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        traffic = asyncio.gather(candidate.traffic(8, failing=2), stable.traffic(8, failing=0))
        candidate.down = True
        await asyncio.sleep(4)
        candidate.down = False
        await traffic
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def late_scrape(ground: Ground) -> Outcome:
    """/metrics of the candidate takes 0.8 s of the second that it may take."""
    candidate, stable = ground.pair("late")
    candidate.answers_after = 0.8
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        await _both(candidate, stable, seconds=8)
        await asyncio.sleep(1)
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def scrape_later_than_a_look(ground: Ground) -> Outcome:
    """/metrics of stable takes 3.5 s, longer than a look waits for scrapes, and half of the requests of both fail."""
    candidate, stable = ground.pair(f"{SLOW}scrape")
    stable.answers_after = 3.5
    await asyncio.sleep(SCRAPED + 5)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        await _both(candidate, stable, seconds=14, failing=2)
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


# ---- values


@scenario
async def nan_counter(ground: Ground) -> Outcome:
    """The candidate shows NaN for a while."""
    candidate, stable = ground.pair("nan")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        traffic = asyncio.create_task(_both(candidate, stable, seconds=9))
        await asyncio.sleep(3)
        candidate.shows = "NaN"
        await asyncio.sleep(3)
        candidate.shows = None
        await traffic
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def nan_threshold(ground: Ground) -> Outcome:
    """A share of no requests is not a number; later there are some."""
    candidate, stable = ground.pair("share")
    candidate.serve(1)
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable, SHARE) as rollout:
        await asyncio.sleep(6)
        idle = list(rollout.measurements)
        await candidate.traffic(4)
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {"idle": idle})


@scenario
async def threshold_without_series(ground: Ground) -> Outcome:
    """A gauge that is NaN, then infinite, then a number."""
    candidate, stable = ground.pair("gauge")
    query = 'max(queue{steersman_dev_revision="{{candidate}}"})'
    metric = Metric(name="queue", threshold=ThresholdJudge(query=query, max=5))
    await asyncio.sleep(SCRAPED)
    stages = {}
    async with Rollout(ground.shared.url, candidate, stable, metric) as rollout:
        for value in ("NaN", "+Inf", "3", "9"):
            candidate.queue = value
            await rollout.settle()
            stages[value] = rollout.measurements[-1]
    return Outcome(rollout, candidate, stable, stages)


# ---- pods


@scenario
async def quiet_restart(ground: Ground) -> Outcome:
    """The processes of both restart when all that they did has been looked at."""
    candidate, stable = ground.pair("quiet")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        for _ in range(2):
            await _both(candidate, stable, seconds=3)
            await rollout.settle()
            candidate.restart()
            stable.restart()
        await _both(candidate, stable, seconds=3)
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def crash_loop(ground: Ground) -> Outcome:
    """The candidate's process restarts four times under load."""
    candidate, stable = ground.pair("crash")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        traffic = asyncio.create_task(_both(candidate, stable, seconds=10))
        seen = []
        for _ in range(4):
            await asyncio.sleep(2)
            candidate.restart()
            seen.append(rollout.counts())
        await traffic
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {"seen": seen})


# ---- traffic


@scenario
async def no_traffic(ground: Ground) -> Outcome:
    """Neither is asked anything; then both are."""
    candidate, stable = ground.pair("idle")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        await asyncio.sleep(6)
        idle = list(rollout.measurements)
        await _both(candidate, stable, seconds=5)
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {"idle": idle})


@scenario
async def no_traffic_to_the_candidate(ground: Ground) -> Outcome:
    """Stable alone is asked and fails half; then both are."""
    candidate, stable = ground.pair("unasked")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        await stable.traffic(6, failing=2)
        idle = list(rollout.measurements)
        await _both(candidate, stable, seconds=5)
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {"idle": idle})


@scenario
async def no_traffic_to_stable(ground: Ground) -> Outcome:
    """The candidate alone is asked, and fails every second request: there is nothing to compare it with."""
    candidate, stable = ground.pair("alone")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        await candidate.traffic(8, failing=2)
    return Outcome(rollout, candidate, stable, {})


# ---- clocks


@scenario
async def clock_ahead(ground: Ground) -> Outcome:
    """The operator's clock jumps 5 s ahead in mid-rollout, and back."""
    candidate, stable = ground.pair("ahead")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        traffic = asyncio.create_task(_both(candidate, stable, seconds=12))
        await asyncio.sleep(3)
        rollout.skew = 5.0
        await asyncio.sleep(4)
        rollout.skew = 0.0
        await traffic
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def clock_behind(ground: Ground) -> Outcome:
    """It is 5 s behind at the start, and then right."""
    candidate, stable = ground.pair("behind")
    await asyncio.sleep(SCRAPED + 6)
    async with Rollout(ground.shared.url, candidate, stable, skew=-5.0) as rollout:
        traffic = asyncio.create_task(_both(candidate, stable, seconds=9))
        await asyncio.sleep(5)
        rollout.skew = 0.0
        await traffic
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def clock_set_back(ground: Ground) -> Outcome:
    """It is set back by an hour in mid-rollout: no look is due until it has caught up."""
    candidate, stable = ground.pair("back")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        await _both(candidate, stable, seconds=3)
        await rollout.settle()
        rollout.skew = -3600.0
        looks = len(rollout.measurements)
        await _both(candidate, stable, seconds=4, failing=2)
    return Outcome(rollout, candidate, stable, {"looks": looks})


@scenario
async def clock_far_ahead_from_the_start(ground: Ground) -> Outcome:
    """By a minute, for the whole rollout."""
    candidate, stable = ground.pair("far")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable, skew=60.0) as rollout:
        await asyncio.gather(candidate.traffic(8, failing=2), stable.traffic(8, failing=2))
    return Outcome(rollout, candidate, stable, {})


async def _slightly(ground: Ground, name: str, skew: float) -> Outcome:
    candidate, stable = ground.pair(name)
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable, skew=skew) as rollout:
        await asyncio.sleep(1)
        await _both(candidate, stable, seconds=7)
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def clock_slightly_ahead(ground: Ground) -> Outcome:
    return await _slightly(ground, "little-ahead", 0.7)


@scenario
async def clock_slightly_behind(ground: Ground) -> Outcome:
    return await _slightly(ground, "little-behind", -0.7)


# ---- Prometheus


@scenario
async def unreachable(ground: Ground) -> Outcome:
    """The operator does not reach a server that scrapes on."""
    candidate, stable = ground.pair("unreachable")
    await asyncio.sleep(SCRAPED)
    async with Rollout(ground.shared.url, candidate, stable) as rollout:
        traffic = asyncio.create_task(_both(candidate, stable, seconds=10))
        await asyncio.sleep(3)
        rollout.url = "http://127.0.0.1:9"
        await asyncio.sleep(4)
        rollout.url = ground.shared.url
        await traffic
        await rollout.settle()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def server_restarted(ground: Ground) -> Outcome:
    """Killed, away for three seconds, and back with its data."""
    candidate, stable = ground.pair("restarted")
    server = await ground.own_server("restarted", candidate, stable)
    try:
        async with Rollout(server.url, candidate, stable) as rollout:
            traffic = asyncio.create_task(_both(candidate, stable, seconds=10))
            await asyncio.sleep(3)
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(3)
            await asyncio.to_thread(server.start)
            await traffic
            await rollout.settle()
    finally:
        server.stop()
    return Outcome(rollout, candidate, stable, {})


@scenario
async def server_lost_its_data(ground: Ground) -> Outcome:
    """Killed and back with nothing, while all requests of both fail: stable's long and good history must not be held against the candidate."""
    candidate, stable = ground.pair("lost")
    server = await ground.own_server("lost", candidate, stable)
    try:
        async with Rollout(server.url, candidate, stable) as rollout:
            await _both(candidate, stable, seconds=3)
            await rollout.settle()
            before = rollout.counts()
            outage = asyncio.create_task(_both(candidate, stable, seconds=4, failing=1))
            await asyncio.to_thread(server.stop, lose_data=True)
            await asyncio.to_thread(server.start)
            await outage
            await asyncio.sleep(4)
            await rollout.settle()
            forgotten = rollout.counts()
            candidate.forget()
            stable.forget()
            await _both(candidate, stable, seconds=3)
            await rollout.settle()
    finally:
        server.stop()
    return Outcome(rollout, candidate, stable, {"before": before, "forgotten": forgotten})


@scenario
async def pods_replaced(ground: Ground) -> Outcome:
    """The candidate's pod is replaced by another in mid-rollout, as by an eviction."""
    candidate, stable = ground.pair("replaced")
    server = await ground.own_server("replaced", candidate, stable)
    try:
        async with Rollout(server.url, candidate, stable) as rollout:
            await _both(candidate, stable, seconds=3)
            await asyncio.sleep(1.5)
            successor = ground.pods.add("replaced-v2-b", candidate.revision)
            server.scrape([stable, successor])
            await _both(successor, stable, seconds=4)
            await rollout.settle()
    finally:
        server.stop()
    candidate.serve(successor.served, successor.failed)
    return Outcome(rollout, candidate, stable, {})


def failed(outcome: Outcome) -> bool:
    """Whether any look would have aborted the rollout."""
    return MeasurementPhase.FAIL in outcome.rollout.phases()


__all__ = ["ERRORS", "SCENARIOS", "Ground", "Outcome", "failed"]
