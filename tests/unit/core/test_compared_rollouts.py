"""Whole rollouts that are judged by comparison, mannWhitney and scores."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.status import Outcome
from steersman.core.analysis.model import MetricQuery, Part, QueryResult, Sample, Series
from steersman.core.snapshot import RegistryAnswer
from unit.core.world import World, gateway_spec

QUERY = 'x{r="{{revision}}"}'


def mann_whitney(name: str, group: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "mannWhitney": {"query": f"{name}{QUERY}", "step": "15s", "group": group, **fields}}


COMPARED = {"metrics": [{"name": "slow", "comparison": {"query": QUERY, "maxRatio": 1.5}}]}
SCORED = {
    "scoring": {"groups": [{"name": "a", "weight": 80}, {"name": "b", "weight": 20}]},
    "metrics": [mann_whitney("p50", "a"), mann_whitney("memory", "b")],
}
CRITICAL = {**SCORED, "metrics": [mann_whitney("p50", "a"), mann_whitney("memory", "b", critical=True)]}
ALONE = {"metrics": [mann_whitney("p50", "a")]}


class ComparedWorld(World):
    """A world whose metric server answers queries of one revision; `failing` says by how much a version's values are higher."""

    worse = ""
    """Only queries that begin so are worse; all by default."""

    def __init__(self, template: dict[str, Any], spec: dict[str, Any] | None = None) -> None:
        super().__init__(spec)
        self.templates = {"errors": AnalysisTemplateSpec.model_validate(template)}

    def _answer(self, query: MetricQuery) -> QueryResult:
        if not self.prometheus_works:
            return QueryResult(query, error="connection refused")
        version = query.text.split("-v")[1].split("-")[0]
        level = 10.0 * (1.0 + (self.failing.get(version, 0.0) if query.text.startswith(self.worse) else 0.0))
        if query.over is None:
            return QueryResult(query, (Sample({}, level),))
        side = 3 if query.part is Part.STABLE else 7
        moments = range(int((query.at - query.over.start) / query.over.step) + 1)
        points = tuple((query.over.start + n * query.over.step, level + n * side % 11 / 10) for n in moments)
        return QueryResult(query, series=(Series({}, points),))


def second_version(world: ComparedWorld, failing: dict[str, float], seconds: float = 600.0) -> ComparedWorld:
    world.run(60)
    assert world.status.stable is not None
    world.failing = failing
    world.answer = RegistryAnswer("2")
    world.run(seconds)
    return world


@pytest.mark.parametrize(
    "template", [COMPARED, SCORED, CRITICAL, ALONE], ids=["compared", "scored", "critical", "alone"]
)
def test_a_version_as_good_as_stable_is_promoted(template: dict[str, Any]) -> None:
    world = second_version(ComparedWorld(template), {})
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.status.last_analysis is not None
    for score in world.status.last_analysis.scores:
        assert score.score == 100.0


@pytest.mark.parametrize(
    ("template", "worse", "message"),
    [
        (COMPARED, "", "errors/slow: candidate 30, stable 10: the ratio 3 is above the maximum 1.5"),
        (SCORED, "p50", "errors: score 20 is below 75"),
        (CRITICAL, "memory", "errors: memory failed critically"),
        (ALONE, "", "errors/p50: High: shift 20.11 (19.1 to 21), effect 2.94, of 5 and 5 values"),
    ],
    ids=["compared", "scored", "critical", "alone"],
)
def test_a_worse_version_is_rolled_back_and_says_why(template: dict[str, Any], worse: str, message: str) -> None:
    world = ComparedWorld(template)
    world.worse = worse
    second_version(world, {"2": 2.0})
    last = world.status.history[0]
    assert (last.version, last.outcome, last.reason) == ("2", Outcome.ABORTED, "AnalysisFailed")
    assert message in last.message
    assert world.status.last_analysis is not None
    assert bool(world.status.last_analysis.scores) is ("scoring" in template)


def test_a_score_that_passes_in_spite_of_one_metric_promotes_and_a_marginal_one_holds() -> None:
    lenient = {**SCORED, "scoring": {**SCORED["scoring"], "pass": 80}}
    world = ComparedWorld(lenient)
    world.worse = "memory"
    second_version(world, {"2": 2.0})
    assert world.status.stable is not None and world.status.stable.version == "2"
    world = ComparedWorld(SCORED)
    world.worse = "memory"
    second_version(world, {"2": 2.0}, 300.0)
    rollout = world.status.rollout
    assert rollout is not None and rollout.analysis is not None and rollout.analysis.inconclusive_since is not None
    assert "score 80 is marginal" in world.status.message


@pytest.mark.parametrize("template", [COMPARED, ALONE], ids=["compared", "alone"])
def test_after_a_switch_the_past_is_the_baseline(template: dict[str, Any]) -> None:
    spec = gateway_spec(strategy={"blueGreen": {"autoPromotion": True}})
    world = second_version(ComparedWorld(template, spec), {"2": 2.0})
    assert world.status.history[0].outcome == Outcome.ABORTED
    assert world.status.stable is not None and world.status.stable.version == "1"


def test_a_metric_server_that_is_down_holds() -> None:
    world = ComparedWorld(SCORED)
    world.run(60)
    world.answer, world.prometheus_works = RegistryAnswer("2"), False
    world.run(300)
    assert world.status.rollout is not None and world.status.rollout.outcome is None
