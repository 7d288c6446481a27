"""What the judge is for: a version that fails ten times as often is rolled back, and as good ones never are, at 50 requests a second through Envoy."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from e2e.traffic import Traffic
from e2e.workspace import GATEWAY, Workspace, canary

RATE = 50.0
GOOD, BAD = 0.002, 0.02
"""Shares of the requests that fail by an exception of the model."""
BY_ENVOY = ("envoy-errors", "envoy-latency", "envoy-saturation")
LANES = {"a": ("request-errors",), "b": ("request-errors",), "c": ("request-errors", "latency"), "d": BY_ENVOY}
"""ModelDeployments, and by which built-in templates they are judged."""
GOOD_EACH = 5
"""Good candidates in a row of each of the four ModelDeployments: twenty in all."""


class Lane:
    """A ModelDeployment with traffic of its own."""

    def __init__(
        self, workspace: Workspace, name: str, templates: tuple[str, ...] = ("request-errors",), **changes: Any
    ) -> None:
        self.workspace = workspace
        self.name = name
        self.host = f"{name}.{workspace.host}"
        self.model = workspace.model(name)
        workspace.version(self.model)
        traffic = {"gatewayAPI": {**GATEWAY["gatewayAPI"], "hostnames": [self.host]}}
        analysis = {"templates": [{"name": template} for template in templates], "interval": "2s"}
        settings: dict[str, Any] = {"traffic": traffic, "analysis": analysis, "replicas": 1} | changes
        workspace.apply(workspace.deployment(self.model, name, **settings))
        self.traffic = Traffic(workspace.cluster.gateway_url, self.host, rate=RATE)

    def status(self) -> dict[str, Any]:
        return self.workspace.status(self.name)

    def lost(self) -> str:
        """Requests that failed otherwise than by the model's own exception."""
        return self.traffic.summary() if self.traffic.lost() else ""

    def own_failures(self) -> float:
        """The share of the answers that are a model's own failure."""
        answers = list(self.traffic.answers)
        return sum(answer.status == 500 and bool(answer.version) for answer in answers) / len(answers)


def test_a_candidate_with_two_percent_exceptions_is_rolled_back(workspace: Workspace) -> None:
    """Against 0.2 % of stable, with the judge's defaults: once by the model's own metric, once by Envoy's."""
    workspace.light_runtime({"1": {"fail": GOOD}, "2": {"fail": BAD}})
    strategy = canary(50, pause="10m")
    lanes = [
        Lane(workspace, "own", strategy=strategy),
        Lane(workspace, "proxy", templates=("envoy-errors",), strategy=strategy),
    ]
    for lane in lanes:
        workspace.until_stable("1", lane.name)
    with contextlib.ExitStack() as stack:
        for lane in lanes:
            stack.enter_context(lane.traffic)
            workspace.version(lane.model)
        for lane in lanes:
            workspace.until(
                f"{lane.name} has given version 2 up",
                lambda lane=lane: lane.status().get("quarantine", {}).get("version") == "2",
                180,
                lane.name,
            )
    for lane in lanes:
        status = lane.status()
        assert status["stable"]["version"] == "1"
        assert status["history"][0]["reason"] == "AnalysisFailed"
        (metric,) = status["lastAnalysis"]["metrics"]
        said = re.fullmatch(
            r"candidate failed (\d+) of (\d+) requests .*, stable (\d+) of (\d+) requests.*; evidence .* > 100",
            metric["message"],
        )
        assert said, metric["message"]
        failed, requests, stable_failed, stable_requests = map(int, said.groups())
        assert failed / requests > 3 * stable_failed / stable_requests
        assert min(requests, stable_requests) > 100
        assert "AnalysisFailed" in workspace.reasons(lane.name)
        assert not lane.lost(), lane.lost()


def test_twenty_good_candidates_in_a_row_are_promoted(workspace: Workspace) -> None:
    """They fail as often as stable, 0.2 %; five in a row of each of four ModelDeployments, one of which is judged by Envoy's metrics."""
    workspace.light_runtime({str(number): {"fail": GOOD} for number in range(1, GOOD_EACH + 2)})
    strategy = canary(20, 50, pause="6s", scale_down_delay="1s")
    lanes = [Lane(workspace, name, templates, strategy=strategy) for name, templates in LANES.items()]
    for lane in lanes:
        workspace.until_stable("1", lane.name)
    with contextlib.ExitStack() as stack:
        for lane in lanes:
            stack.enter_context(lane.traffic)
        for number in range(2, GOOD_EACH + 2):
            for lane in lanes:
                workspace.version(lane.model)
            for lane in lanes:
                workspace.until_stable(str(number), lane.name)
    for lane in lanes:
        history = lane.status()["history"]
        assert not [entry for entry in history if entry.get("reason") == "AnalysisFailed"], history
        assert "RolloutAborted" not in workspace.reasons(lane.name)
        assert not lane.lost(), lane.lost()
        assert 0 < lane.own_failures() < 0.01
