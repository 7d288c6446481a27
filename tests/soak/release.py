"""One ModelDeployment under soak: its namespace, its versions, and what a round does to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from e2e.workspace import Workspace
from soak.settings import Kind, fails
from soak.watch import Watch
from soak.weights import WeightHistory, Weights

NAME = "fraud"
FAILING_SHARE = 0.3
HIGHEST_VERSION = 1000
"""Of which the behaviour is written down beforehand."""
CANARY_PLAN = (0, 20, 50, 100)
SWITCH_PLAN = (0, 100)
SCALE_DOWN_DELAY = "5s"
RUNTIME = {"name": "light", "resources": {"requests": {"cpu": "100m", "memory": "32Mi"}}}
"""A model's pods get as much of a busy machine as the operator's that is starting again; up to eight of them fit on the node."""
ANALYSIS = {"templates": [{"name": "request-errors"}], "interval": "2s"}
CANARY = {
    "canary": {
        "steps": [
            {"setWeight": 20},
            {"pause": {"duration": "3s"}},
            {"setWeight": 50},
            {"pause": {"duration": "3s"}},
        ],
        "scaleDownDelay": SCALE_DOWN_DELAY,
    }
}
BLUE_GREEN = {
    "blueGreen": {
        "postPromotionAnalysis": {"templates": [{"name": "request-errors"}]},
        "scaleDownDelay": SCALE_DOWN_DELAY,
    }
}
ABORT_WEIGHTS = (20, 50)
"""Weights of the candidate at which rounds are aborted, in turn."""


@dataclass
class Round:
    """One version's way."""

    number: int
    kind: Kind
    host: str
    version: str
    stable: str
    """Version that is stable at its begin."""
    began: float
    ended: float = 0.0
    """0 when it did not reach its end."""
    revision: str = ""
    row: list[int] = field(default_factory=list)
    """The candidate's weights."""
    weights: list[Weights] = field(default_factory=list)
    """All weights of the route."""

    @property
    def promoted(self) -> bool:
        """Whether its version is stable in the end."""
        return self.kind in (Kind.PROMOTION, Kind.SWITCH)

    @property
    def planned(self) -> tuple[int, ...]:
        """Weights that a candidate goes through until it is promoted."""
        return SWITCH_PLAN if self.kind is Kind.SWITCH else CANARY_PLAN


class Release:
    """A ModelDeployment that serves version 1 after enter, and what its route has carried since."""

    def __init__(self, workspace: Workspace, strategy: dict[str, Any], *, bad_versions: bool, timeout: float) -> None:
        self.workspace = workspace
        self.host = workspace.host
        self.history = WeightHistory()
        self.watch = Watch(workspace, "modeldeployment", NAME)
        self._strategy = strategy
        self._bad_versions = bad_versions
        self._timeout = timeout
        self._aborts = 0

    def __enter__(self) -> Self:
        behaviour = {
            str(version): {"fail": FAILING_SHARE}
            for version in range(1, HIGHEST_VERSION)
            if self._bad_versions and fails(version)
        }
        workspace = self.workspace
        workspace.light_runtime(behaviour)
        self._model = workspace.model()
        self.version = workspace.version(self._model)
        workspace.apply(
            workspace.deployment(self._model, NAME, runtime=RUNTIME, strategy=self._strategy, analysis=ANALYSIS)
        )
        with ExitStack() as stack:
            self._route_watch = Watch(workspace, "httproute", NAME, self.history.note)
            stack.enter_context(self._route_watch)
            stack.enter_context(self.watch)
            self.watch.until("version 1 is stable", _stable("1"), self._timeout)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def watch_restarts(self) -> int:
        """How often the watch on the route ended and was begun again."""
        return self._route_watch.restarts

    def play(self, number: int, kind: Kind, rounds: list[Round]) -> Round:
        """Release a version and see it to its end, until the pods that lost are gone. The round is in `rounds` at once."""
        began, stable = time.time(), self.version
        version = self.workspace.version(self._model)
        played = Round(number, kind, self.host, version, stable, began)
        rounds.append(played)
        if kind is Kind.ABORT:
            weight = ABORT_WEIGHTS[self._aborts % len(ABORT_WEIGHTS)]
            self._aborts += 1
            self._until(f"v{version} has {weight} %", _at(version, weight))
            self.workspace.act("abort", NAME)
        if played.promoted:
            self._until(f"v{version} is stable", _stable(version))
            self.version = version
        else:
            reason = "AbortedByUser" if kind is Kind.ABORT else "AnalysisFailed"
            self._until(f"v{version} is quarantined: {reason}", _quarantined(version, stable, reason))
        played.revision = self._revision(played)
        played.ended = time.time()
        played.weights = self.history.since(began)
        played.row = self.history.of(played.revision, began)
        return played

    def _until(self, what: str, check: Callable[[dict[str, Any]], Any]) -> None:
        self.watch.until(what, check, self._timeout)

    def _revision(self, played: Round) -> str:
        status = self.watch.status
        return str(status["stable"]["name"] if played.promoted else status["quarantine"]["revision"])


def _stable(version: str) -> Callable[[dict[str, Any]], bool]:
    return lambda status: (
        _settled(status) and status.get("phase") == "Healthy" and status.get("stable", {}).get("version") == version
    )


def _quarantined(version: str, stable: str, reason: str) -> Callable[[dict[str, Any]], bool]:
    def check(status: dict[str, Any]) -> bool:
        found = status.get("quarantine", {})
        there = (found.get("version"), found.get("reason"), status.get("stable", {}).get("version"))
        return _settled(status) and there == (version, reason, stable)

    return check


def _settled(status: dict[str, Any]) -> bool:
    return "rollout" not in status and not status.get("retiring")


def _at(version: str, weight: int) -> Callable[[dict[str, Any]], bool]:
    """The weight is in force: the route was seen to carry it."""

    def check(status: dict[str, Any]) -> bool:
        rollout = status.get("rollout", {})
        at = (rollout.get("version"), status.get("candidateWeight"))
        return at == (version, weight) and "weightReachedAt" in rollout

    return check
