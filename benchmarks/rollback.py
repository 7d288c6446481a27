"""(b) From the first bad measurement to all traffic on stable."""

from __future__ import annotations

import asyncio
import random
import statistics
from dataclasses import dataclass

from benchmarks.results import Figure, Result
from benchmarks.stage import Stage, keys, model_of
from simulation import objects

QUERY = "bench_error_ratio"


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    samples: int = 20
    full: bool = True


async def measure(stage: Stage, settings: Settings) -> Result:
    """Fail rollouts one after another: the metric turns bad at a random moment of a pause at 20 %."""
    (key,) = keys("rollback", 1)
    namespace, name = key
    await stage.scene.namespace(namespace)
    query = f'{QUERY}{{revision="{{{{candidate}}}}"}}'
    await stage.scene.api.client.apply(objects.threshold_template(namespace, "ratio", query, 0.05))
    await stage.serve(
        [key],
        strategy={"canary": {"steps": objects.steps([20, 100], "10m"), "scaleDownDelay": "1s"}},
        analysis={"templates": [{"name": "ratio"}], "interval": "1s"},
    )
    times = [await _sample(stage, namespace, name, model_of(key), number) for number in range(settings.samples)]
    shown = ", ".join(f"{seconds * 1000:.0f}" for seconds in sorted(times))
    return Result(
        title="Rollback",
        how=f"{settings.samples} rollouts, one after another, held at 20 % by a pause, with a `threshold` judge that looks every "
        "second (failureLimit 0). From the moment when the first bad answer leaves the metric server to the moment when a watch "
        "shows the HTTPRoute with 100/0.",
        figures=[
            Figure("Median", statistics.median(times), "s", 0.3, "0.46", "10.0"),
            Figure("Longest", max(times), "s"),
        ],
        details=[f"All, in ms: {shown}."],
    )


async def _sample(stage: Stage, namespace: str, name: str, model: str, number: int) -> float:
    scene = stage.scene
    scene.metrics.answer(QUERY, 0.0)
    version = scene.registry.register(model, str(number + 2))
    await stage.roll_out([(namespace, name)], version)
    async with asyncio.timeout(60):
        sight = await scene.gateway.until(namespace, name, lambda weights: 20 in weights.values())
        candidate = next(revision for revision, weight in sight.weights.items() if weight == 20)
        while not any(candidate in asked.promql for asked in scene.metrics.asked):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(random.random())  # noqa: S311
        scene.metrics.answer(QUERY, 1.0)
        sight = await scene.gateway.until(
            namespace, name, lambda weights: weights.get(candidate, 0) == 0 and 100 in weights.values()
        )
    bad = next(asked for asked in scene.metrics.asked if candidate in asked.promql and asked.value == 1.0)
    await scene.until(
        namespace, name, lambda status: status.get("phase") == "Degraded" and not status.get("retiring"), within=60
    )
    return sight.at - bad.answered
