"""(a) What a five-step canary costs, and how long it takes beyond its own pauses."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass

from benchmarks.audit import Request, by_verb_and_kind
from benchmarks.results import Figure, Result
from benchmarks.stage import Stage, keys, model_of
from simulation import at_rest, healthy, objects
from simulation.connection import Key

WEIGHTS = (20, 40, 60, 80, 100)
SCALE_DOWN_DELAY = 5


@dataclass(frozen=True)
class Settings:
    """How much is measured; times in seconds."""

    rollouts: int = 10
    """In each round."""
    rounds: int = 3
    pause: int = 10
    stagger: float = 1.0
    """Between the starts of two rollouts."""
    idle: float = 20.0
    """How long the idle use is measured that is taken off."""
    full: bool = True


@dataclass(frozen=True)
class Round:
    """What one round used."""

    requests: list[Request]
    cpu: float
    """CPU seconds of a rollout, without what the operator uses when idle."""
    wall: float
    """Seconds of a rollout, over its pauses."""


async def measure(stage: Stage, settings: Settings) -> Result:
    """Roll out one after another, overlapping, and divide by their number."""
    deployments = keys("rollout", settings.rollouts)
    strategy = {
        "canary": {"steps": objects.steps(WEIGHTS, f"{settings.pause}s"), "scaleDownDelay": f"{SCALE_DOWN_DELAY}s"}
    }
    await stage.serve(deployments, strategy=strategy)
    await stage.quiet()
    before = stage.mark()
    await asyncio.sleep(settings.idle)
    idle = stage.since(before)
    idle_cores = idle.cpu / idle.seconds

    rounds = [await _round(stage, settings, deployments, idle_cores, 2 + number) for number in range(settings.rounds)]
    requests = [request for one in rounds for request in one.requests]
    number = len(deployments) * settings.rounds
    pod_start = max(stage.scene.pods.start_seconds(namespace) for namespace, _ in deployments)
    pauses = settings.pause * (len(WEIGHTS) - 1)
    costs = [one.cpu for one in rounds]
    return Result(
        title="A five-step canary",
        how=f"{settings.rounds} times {len(deployments)} rollouts of weights {', '.join(map(str, WEIGHTS))} with a pause of "
        f"{settings.pause} s after each but the last, one started every {settings.stagger:g} s; HTTPRoute, one replica, no "
        "analysis. From the change of the spec to the last request for the deletion of the old revision. Requests and wall time "
        "are means of all rollouts. The CPU time is the mean of the cheapest round, as what else runs on the host only adds to "
        f"it, and what the operator uses when idle ({100 * idle_cores:.1f} % of a core) is taken off.",
        figures=[
            Figure(
                "API reads (get, list; a watch is no read)",
                sum(r.is_read for r in requests) / number,
                "",
                5,
                "2",
                "144",
            ),
            Figure(
                "API writes (without Lease and Events)", sum(r.is_write for r in requests) / number, "", 20, "72", "28"
            ),
            Figure("Events", sum(r.is_event for r in requests) / number, "", 10, "18", "10"),
            Figure("Operator CPU", min(costs), "s", 0.1, "0.12", "0.03"),
            Figure(
                "Wall time over its own pauses",
                statistics.mean(one.wall for one in rounds),
                "x",
                round(1.02 + pod_start / pauses, 4),
                "1.02",
                "1.79",
                judged=settings.full,
            ),
        ],
        details=[
            *_table(requests, number),
            "",
            f"Operator CPU of each round: {', '.join(f'{cost:.3f} s' for cost in costs)}.",
        ],
    )


async def _round(stage: Stage, settings: Settings, deployments: list[Key], idle_cores: float, number: int) -> Round:
    """One rollout of every deployment, to a version of its own."""
    version = str(number)
    for key in deployments:
        stage.scene.registry.register(model_of(key), version)
    begin = stage.mark()
    pauses = settings.pause * (len(WEIGHTS) - 1)
    finished = asyncio.create_task(
        stage.scene.deployments.until(deployments, healthy(version), within=600 + settings.pause * len(WEIGHTS))
    )
    asked: dict[Key, float] = {}
    for key in deployments:
        asked |= await stage.roll_out([key], version)
        await asyncio.sleep(settings.stagger)
    done = await finished
    await stage.scene.deployments.until(deployments, at_rest, within=60)
    await stage.quiet()
    used = stage.since(begin)
    return Round(
        requests=used.requests,
        cpu=(used.cpu - idle_cores * used.seconds) / len(deployments),
        wall=statistics.mean(done[key] - asked[key] for key in deployments) / pauses,
    )


def _table(requests: list[Request], number: int) -> list[str]:
    counts = by_verb_and_kind(requests)
    failed = sum(request.code >= 400 for request in requests)
    lines = ["| Verb | Resource | Per rollout |", "|---|---|---:|"]
    lines += [f"| {verb} | {resource} | {count / number:.1f} |" for (verb, resource), count in counts.most_common()]
    return [*lines, "", f"Answered with an error: {failed / number:.1f} per rollout."]
