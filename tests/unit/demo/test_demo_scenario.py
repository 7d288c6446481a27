"""What the story waits for, and how it says that a wait was in vain."""

from __future__ import annotations

from typing import Any

import pytest

from demo.manifests import LATENCY_OBJECTIVE
from demo.observe import DeploymentObservation, Observations, Observer
from demo.scenario import Scenario, ScenarioError, _healthy, _quarantines
from steersman_server.metrics import DURATION_BUCKETS


def seen(generation: int = 1, **status: Any) -> DeploymentObservation:
    serving = {"observedGeneration": 1, "phase": "Healthy", "stable": {"version": "2"}, "model": {"version": "2"}}
    return DeploymentObservation(0.0, generation, {**serving, **status})


def test_healthy_means_that_the_wanted_version_serves_all_traffic() -> None:
    assert _healthy(seen(), "2")
    assert not _healthy(seen(), "3")
    assert not _healthy(seen(phase="Progressing"), "2")
    assert not _healthy(seen(model={"version": "3"}), "2")
    assert not _healthy(seen(generation=2), "2")
    assert not _healthy(DeploymentObservation(0.0, 1, {}), "2")


def test_a_quarantined_version_will_not_be_promoted() -> None:
    assert _quarantines("2")(seen(quarantine={"version": "2"}))
    assert not _quarantines("2")(seen(quarantine={"version": "1"}))
    assert not _quarantines("2")(seen())


async def _wait(observation: DeploymentObservation, seconds: float) -> None:
    observations = Observations(deployments=[observation])
    kubectl = ["sh", "-c", "echo no cluster >&2; exit 1"]
    observer = Observer(kubectl, observations)
    scenario = Scenario(kubectl, "http://127.0.0.1:9", "http://127.0.0.1:9", observer, observations, lambda line: None)
    await scenario._until("v2 is promoted", seconds, lambda found: _healthy(found, "2"), _quarantines("2"))


async def test_what_is_reached_already_is_not_waited_for() -> None:
    await _wait(seen(), 0)


async def test_a_wait_ends_at_its_deadline_and_shows_what_can_be_had() -> None:
    with pytest.raises(ScenarioError, match=r"in vain until v2 is promoted(.|\n)*operator's log: .*no cluster"):
        await _wait(seen(phase="Progressing"), 0.05)


async def test_a_hopeless_wait_ends_at_once() -> None:
    with pytest.raises(ScenarioError, match="Waited 0 s in vain"):
        await _wait(seen(phase="Degraded", quarantine={"version": "2"}), 60)


def test_the_latency_objective_is_a_bound_of_the_runtimes_histogram() -> None:
    assert float(LATENCY_OBJECTIVE) in DURATION_BUCKETS
