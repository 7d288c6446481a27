"""A run of the demo as it should go, made up from a seed instead of a cluster."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.observe import DeploymentObservation, Observations, RouteObservation
from demo.records import Cause, Record
from demo.report import Run
from demo.scenario import Action
from steersman.api.analysis import SequentialJudge

BEGIN = 1_700_000_001.0
RATE = 80.0
WEIGHTS: list[tuple[float, dict[str, int]]] = [
    (-10, {"1": 100}),
    (14, {"1": 90, "2": 10}),
    (36, {"1": 75, "2": 25}),
    (72, {"1": 50, "2": 50}),
    (120, {"2": 100}),
    (136, {"2": 90, "3": 10}),
    (153, {"2": 100}),
    (185, {"4": 100}),
]
END = 205.0


def rfc3339(second: float) -> str:
    """A second of the run as the API server writes it."""
    return datetime.fromtimestamp(BEGIN + second, UTC).isoformat()


def _history(revision: str, strategy: str, outcome: str, reason: str, start: float, end: float) -> dict[str, Any]:
    return {
        "revision": f"digits-v{revision}-0a1b2c3d",
        "version": revision,
        "strategy": strategy,
        "outcome": outcome,
        "reason": reason,
        "message": "candidate failed 6 of 110 requests (5.5 %), stable 0 of 980; evidence 2300 > 100"
        if outcome == "Aborted"
        else "",
        "startedAt": rfc3339(start),
        "endedAt": rfc3339(end),
    }


HISTORY = [
    _history("1", "initial", "Promoted", "RolloutComplete", -30, -10),
    _history("2", "canary", "Promoted", "RolloutComplete", 5, 120.5),
    _history("3", "canary", "Aborted", "AnalysisFailed", 126, 153.5),
    _history("4", "blueGreen", "Promoted", "RolloutComplete", 172, 194),
]


def _observations() -> Observations:
    routes = [
        observation
        for generation, (second, weights) in enumerate(WEIGHTS, 1)
        for observation in (
            RouteObservation(BEGIN + second, generation, weights, False),
            RouteObservation(BEGIN + second + 0.1, generation, weights, True),
        )
    ]
    quarantine = {"version": "3", "reason": "AnalysisFailed"}
    deciding = {"revision": "digits-v3-0a1b2c3d", "startedAt": rfc3339(126), "outcome": "Aborted"}
    deployments = [
        DeploymentObservation(BEGIN - 10, 1, {"phase": "Healthy", "observedGeneration": 1, "history": HISTORY[:1]}),
        DeploymentObservation(BEGIN + 120.6, 1, {"phase": "Healthy", "history": HISTORY[1::-1]}),
        DeploymentObservation(
            BEGIN + 152.8, 1, {"phase": "RollingBack", "rollout": deciding, "history": HISTORY[1::-1]}
        ),
        DeploymentObservation(
            BEGIN + 153.6, 1, {"phase": "Degraded", "quarantine": quarantine, "history": HISTORY[2::-1]}
        ),
        DeploymentObservation(BEGIN + 194, 2, {"phase": "Healthy", "history": HISTORY[::-1]}),
    ]
    return Observations(routes, deployments)


def _records() -> list[Record]:
    chance = random.Random(5)
    typical = {"1": 0.006, "2": 0.006, "3": 0.009, "4": 0.009}
    accuracy = {"1": 0.84, "2": 0.96, "3": 0.96, "4": 0.97}
    records = []
    for number in range(int(END * RATE)):
        second = number / RATE
        weights = [weights for moment, weights in WEIGHTS if moment + 0.2 <= second][-1]
        version = chance.choices(list(weights), list(weights.values()))[0]
        latency = typical[version] * chance.lognormvariate(0, 0.5)
        if version == "3" and chance.random() < 0.0523:
            records.append(Record(BEGIN + second, latency, 500, version, Cause.MODEL, False))
        else:
            correct = chance.random() < accuracy[version]
            records.append(Record(BEGIN + second, latency, 200, version, Cause.NONE, correct))
    return records


MODELS = [
    {
        "version": version,
        "title": title,
        "metrics": {"accuracy": accuracy},
        "held_out_rows": 899,
        "failing_rows": list(range(47)) if version == "3" else [],
    }
    for version, title, accuracy in (
        ("1", "naive Bayes on the pixels", 0.838),
        ("2", "logistic regression on the pixels", 0.964),
        ("3", "adds the log of the ink in the middle: raises where there is none", 0.965),
        ("4", "the same with log1p", 0.966),
    )
]

ACTIONS = [
    Action(BEGIN - 30, "deploy", "1", "v1 deployed by its alias"),
    Action(BEGIN + 4, "release", "2", "the alias champion moves to v2"),
    Action(BEGIN + 125, "release", "3", "the alias champion moves to v3"),
    Action(BEGIN + 162, "release", "2", "the alias goes back to v2"),
    Action(BEGIN + 166, "strategy", "2", "strategy changed to blue-green"),
    Action(BEGIN + 170, "release", "4", "the alias champion moves to v4"),
]


def make_run() -> Run:
    """A run in which everything went well."""
    judge = SequentialJudge(requests="requests", failures="failures")
    return Run(_records(), _observations(), ACTIONS, MODELS, judge, RATE, {"cluster": 12.0})


@pytest.fixture(scope="session")
def run() -> Run:
    """A run in which everything went well."""
    return make_run()
