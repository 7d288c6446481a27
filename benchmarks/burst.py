"""(d) Many ModelDeployments that are updated at once."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import Figure, Result
from benchmarks.rollout import WEIGHTS
from benchmarks.stage import Stage, keys
from simulation import Sight, at_rest, healthy, objects
from simulation.connection import Key
from simulation.operator_process import TICKS

NAMESPACES = 10


@dataclass(frozen=True)
class Settings:
    """How much is measured; times in seconds."""

    number: int = 200
    pause: int = 50
    full: bool = True


async def measure(stage: Stage, settings: Settings) -> Result:
    """Change all specs at once and watch the routes."""
    deployments = keys("burst", settings.number, NAMESPACES)
    strategy = {"canary": {"steps": objects.steps(WEIGHTS, f"{settings.pause}s"), "scaleDownDelay": "10s"}}
    await stage.serve(deployments, strategy=strategy)
    await stage.quiet()
    first_weight: dict[Key, float] = {}
    until_then: list[tuple[float, float]] = []

    def note(sight: Sight) -> None:
        if WEIGHTS[0] in sight.weights.values():
            first_weight.setdefault((sight.namespace, sight.route), sight.at)
            if len(first_weight) == settings.number and not until_then:
                until_then.append((machine_seconds(), stage.operator.cpu_seconds()))

    stage.scene.gateway.listeners.append(note)
    stage.operator.forget_peak()
    mark, busy, begin = stage.mark(), machine_seconds(), time.time()
    await stage.roll_out(deployments)
    sent = time.time() - begin
    pauses = settings.pause * (len(WEIGHTS) - 1)
    done = await stage.scene.deployments.until(deployments, healthy("2"), within=10 * pauses + 600)
    last_done = max(done.values()) - begin
    await stage.scene.deployments.until(deployments, at_rest, within=300)
    await stage.quiet()
    used = stage.since(mark)
    (machine, operator), cores = until_then[0], os.cpu_count() or 1
    others = (machine - busy - (operator - mark.cpu)) / cores
    waits = sorted(first_weight[key] - begin for key in deployments)
    return Result(
        title=f"{settings.number} at once",
        how=f"All specs are changed as fast as the API server takes it (which took {sent:.1f} s); weights "
        f"{', '.join(map(str, WEIGHTS))}, pauses of {settings.pause} s ({pauses} s together). From the first change. The first "
        f"weight is judged where the machine leaves room for it: until then the API server, etcd and the simulation used "
        f"{others:.1f} s of all {cores} cores, so that it came that late at the least, however fast an operator is.",
        figures=[
            Figure("All at their first weight", waits[-1], "s", 5, "33", judged=settings.full and others < 5),
            Figure(
                "All at their first weight, over the time that all else used",
                waits[-1] / others,
                "x",
                1.5,
                judged=settings.full,
            ),
            Figure("Half at their first weight", waits[len(waits) // 2], "s"),
            Figure("All done", last_done, "s", 1.2 * pauses, "294", judged=settings.full),
            Figure("All done, over the pauses", last_done / pauses, "x"),
            Figure("Operator CPU per rollout", used.cpu / settings.number, "s"),
            Figure("Peak RSS", stage.operator.peak_rss() / 1e6, "MB"),
        ],
        details=[
            f"Writes per rollout: {sum(r.is_write for r in used.requests) / settings.number:.1f}, "
            f"Events: {sum(r.is_event for r in used.requests) / settings.number:.1f}, "
            f"reads: {sum(r.is_read for r in used.requests) / settings.number:.1f}, "
            f"answered with an error: {sum(r.code >= 400 for r in used.requests) / settings.number:.1f}."
        ],
    )


def machine_seconds() -> float:
    """CPU seconds of the whole machine since it started, but what it was idle, waited or was not given (proc(5), /proc/stat)."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / TICKS
