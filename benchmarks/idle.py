"""(c) What ModelDeployments cost when nothing happens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks.audit import by_verb_and_kind
from benchmarks.results import Figure, Result
from benchmarks.stage import Stage, keys

NAMESPACES = 10
COMPARED = 500
"""The size at which the others were measured."""


@dataclass(frozen=True)
class Settings:
    """How much is measured; times in seconds."""

    sizes: tuple[int, ...] = (100, 500, 1000)
    duration: float = 60.0
    full: bool = True


async def measure(stage: Stage, settings: Settings) -> Result:
    """Add ModelDeployments up to each size, wait until all is quiet, and count for a while."""
    figures, details = [], []
    present = 0
    for size in settings.sizes:
        await stage.serve(keys("idle", size - present, NAMESPACES, first=present), replicas=1, **_ROUTED)
        present = size
        await stage.quiet(5.0)
        asked_before = stage.scene.registry.requests.total()
        mark = stage.mark()
        await asyncio.sleep(settings.duration)
        used = stage.since(mark)
        others = [request for request in used.requests if not request.is_upkeep]
        polls = stage.scene.registry.requests.total() - asked_before
        last, compared = size == settings.sizes[-1], size == COMPARED
        figures += [
            Figure(
                f"{size}: requests but Lease and watches in {settings.duration:.0f} s",
                len(others),
                limit=0 if last else None,
                argo="223 writes" if compared else "",
                flagger="9,520 reads" if compared else "",
            ),
            Figure(
                f"{size}: CPU",
                100 * used.cpu / used.seconds,
                "% of a core",
                limit=2 if last else None,
                argo="0.5" if compared else "",
                flagger="10.6" if compared else "",
                judged=settings.full,
            ),
            Figure(
                f"{size}: RSS",
                stage.operator.rss() / 1e6,
                "MB",
                limit=200 if last else None,
                argo="133" if compared else "",
                flagger="93" if compared else "",
                judged=settings.full,
            ),
        ]
        details.append(f"- {size}: the registry was asked {polls} times.")
        details += [f"- {size}: {count} x {verb} {kind}" for (verb, kind), count in by_verb_and_kind(others).items()]
    return Result(
        title="Idle",
        how=f"Each ModelDeployment serves a registered model of its own by an alias that is looked up every 15 s, in {NAMESPACES} "
        f"namespaces; HTTPRoute, one replica. Measured for {settings.duration:.0f} s after all was quiet.",
        figures=figures,
        details=details,
    )


_ROUTED = {"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {"duration": "10s"}}]}}}
